"""MTCNN: three small networks in a row, each more accurate and slower than the one before.

Zhang, Zhang, Li, Qiao: Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mien import models
from mien.detection.detections import Detections, clip_and_rank, nms, no_faces, sides
from mien.types import Floats, Pixels

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_WINDOW, _STRIDE = 12, 2
"""P-Net looks at windows of 12 pixels, at a stride of 2."""
Thresholds: TypeAlias = tuple[float, float, float]
_DEFAULT: Thresholds = (0.6, 0.6, 0.8)
"""The lowest scores of a face in each network; the last is the `mtcnn` package's, too.

With 0.7 for the second, as elsewhere, small faces were missed, and no time was saved.
"""
_LENIENT: Thresholds = (0.5, 0.6, 0.7)
MAX_PIXELS, MAX_SQUARES = 1 << 16, 256
_BATCHES = (1, 16, 4)
"""Squares that go through each network at once: more do not fit the processor's cache, and took a third longer."""
_ENOUGH_WINDOWS = 2.75
"""A finer level is skipped when the largest face measures so many of its windows.

What it could add is less than half as large, and so not the main face (`mien.detection.detections.rank_faces`). The
main face's box stays the same (IoU > 0.9) in 99.7 % of LFW's photos; with 2.5, in 99.0 %.
"""
_STEP = 0.709
"""Scale from one level to the next, which halves the area; Zhang et al. 2016."""
_LONGEST = 32_000
"""OpenCV addresses the pixels of a picture to be warped, and the rows of the result, with 16 bits."""


@dataclass(frozen=True, slots=True)
class MTCNN:
    """Pixels (h, w, 3) RGB -> faces with landmarks; scores are probabilities."""

    min_face: int = 20

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        faces = _search(pixels, self.min_face, _DEFAULT, largest)
        return faces if len(faces) else self._second_look(pixels, largest, faces.near_miss)

    def _second_look(self, pixels: Pixels, largest: bool, near_miss: float) -> Detections:
        """Where nothing was found: a face that fills the picture or is cut off by its edge, and is hard to see.

        Only large ones count, because lower thresholds find small ones in any texture.
        """
        height, width = pixels.shape[:2]
        least = max(self.min_face, min(height, width) // 3)
        edge = min(height, width) // 4
        wider = cv2.copyMakeBorder(pixels, edge, edge, edge, edge, cv2.BORDER_REPLICATE) if edge else pixels
        faces = _search(np.asarray(wider, np.uint8), least, _LENIENT, largest)
        if not len(faces) or faces.landmarks is None:
            return no_faces(landmarks=True, near_miss=max(near_miss, faces.near_miss))
        moved = Detections(faces.boxes - edge, faces.scores, faces.landmarks - edge)
        return clip_and_rank(moved, width, height, min_face=self.min_face, largest=largest)


def _search(pixels: Pixels, min_face: int, thresholds: Thresholds, largest: bool) -> Detections:
    """Search all levels, or for the main face alone from the coarsest on, until no finer level could hold it."""
    levels = pyramid(pixels, _WINDOW / max(min_face, _WINDOW), _WINDOW)
    cascade = _Cascade(levels, min_face, thresholds)
    coarse_first = levels[:0:-1]
    if not largest:
        cascade.search(coarse_first)
        return cascade.faces()
    for i, level in enumerate(coarse_first, start=1):
        cascade.search([level])
        if i < len(coarse_first):
            enough = _ENOUGH_WINDOWS * _WINDOW * max(coarse_first[i].steps)
            # First by R-Net's boxes, which are known already, then by the final ones.
            if _largest(cascade.boxes) >= enough and _largest((faces := cascade.faces()).boxes) >= enough:
                return faces.take(slice(1))
    return cascade.faces().take(slice(1))


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A smaller picture: one of its pixels is `steps` (across, down) pixels of the original."""

    pixels: Pixels
    steps: tuple[float, float]


class _Cascade:
    """A search in one picture: the boxes that have passed the first two networks so far."""

    def __init__(self, levels: Sequence[Level], min_face: int, thresholds: Thresholds) -> None:
        self.levels = levels
        self.min_face = min_face
        self.thresholds = thresholds
        self.height, self.width = levels[0].pixels.shape[:2]
        self.boxes = np.empty((0, 4), np.float32)
        self.scores = np.empty(0, np.float32)

    def search(self, levels: Sequence[Level]) -> None:
        """Search levels with P-Net, and refine its proposals with R-Net."""
        proposals = [boxes for level in levels if len(boxes := _proposals(level, self.thresholds[0]))]
        if not proposals:
            return
        squares = _squares_around(np.concatenate(proposals))
        box, score = self._refine(1, squares, ["box", "score"])
        passed = score > self.thresholds[1]
        self.boxes = np.concatenate([self.boxes, _shifted(squares, box)[passed]])
        self.scores = np.concatenate([self.scores, score[passed]])

    def faces(self) -> Detections:
        """The faces that O-Net finds among the boxes that passed R-Net."""
        if not len(self.boxes):
            return no_faces(landmarks=True)
        squares = _squares_around(self.boxes[nms(self.boxes, self.scores, 0.7)])
        box, marks, score = self._refine(2, squares, ["box", "landmarks", "score"])
        passed = score > self.thresholds[2]
        boxes = _shifted(squares, box)
        marks = marks.reshape(-1, 2, 5).transpose(0, 2, 1) * _side(squares) + squares[:, None, :2]
        faces = Detections(boxes[passed], score[passed], marks[passed], float(score[~passed].max(initial=0)))
        faces = faces.take(nms(faces.boxes, faces.scores, 0.7, "min"))
        return clip_and_rank(faces, self.width, self.height, min_face=self.min_face, largest=False)

    def _refine(self, network: int, squares: Floats, outputs: list[str]) -> list[Floats]:
        """The outputs of R-Net (1) or O-Net (2) for squares (n, 4), in chunks, which bounds the memory for crowds."""
        size, chunk, batch = 24 * network, MAX_SQUARES // network**2, _BATCHES[network]
        results = []
        for start in range(0, len(squares), chunk):
            inputs = to_planes(patches(self.levels, squares[start : start + chunk], size), 127.5, 1 / 128)
            for i in range(0, len(inputs), batch):
                results.append(_networks()[network].run(outputs, {"input": inputs[i : i + batch]}))
        return [np.concatenate(column) for column in zip(*results, strict=True)]


def _proposals(level: Level, threshold: float) -> Floats:
    """A level -> boxes (n, 4) in pixels of the picture that P-Net takes for faces."""
    strips = [_strip(level.pixels, row, threshold) for row in _strips(*level.pixels.shape[:2])]
    boxes, scores = (np.concatenate(column) for column in zip(*strips, strict=True))
    return boxes[nms(boxes, scores, 0.5)] * np.array(level.steps * 2, np.float32)


def _strips(height: int, width: int) -> list[slice]:
    """Rows to search together: a large level as a whole does not fit the processor's cache, and fills the memory.

    Strips overlap so that their windows are those of the whole level.
    """
    rows = max(4 * _WINDOW, MAX_PIXELS // width // _STRIDE * _STRIDE)
    step = rows - _WINDOW + _STRIDE
    return [slice(start, start + rows) for start in range(0, max(height - _WINDOW + _STRIDE, 1), step)]


def _strip(pixels: Pixels, part: slice, threshold: float) -> tuple[Floats, Floats]:
    """Rows of a level -> boxes (n, 4) in pixels of the level, and their scores (n,)."""
    image = to_planes(pixels[part], 127.5, 1 / 128)[None]
    box, score = _networks()[0].run(["box", "score"], {"input": image})
    rows, columns = np.nonzero(score[0] > threshold)
    corners = np.stack([columns, rows, columns, rows], axis=1).astype(np.float32) * _STRIDE
    corners += np.array([0, part.start, _WINDOW, part.start + _WINDOW], np.float32)
    return corners + box[0][:, rows, columns].T * _WINDOW, score[0][rows, columns]


def _largest(boxes: Floats) -> float:
    return float(sides(boxes).max(initial=0))


def _side(squares: Floats) -> Floats:
    return (squares[:, 2] - squares[:, 0])[:, None, None]


def _shifted(squares: Floats, box: Floats) -> Floats:
    """Squares (n, 4) and a network's offsets of their edges, in sides of the square -> boxes (n, 4)."""
    return squares + box * _side(squares)[:, 0]


def _squares_around(boxes: Floats) -> Floats:
    """Boxes (n, 4) -> squares with their longer side and their centres."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def pyramid(pixels: Pixels, first: float, smallest: int) -> list[Level]:
    """Pixels (h, w, 3) -> the picture itself, then it at scale `first`, and so on down.

    The last level's shorter side is at least `smallest`. A level is made from the one two before it, at half its size,
    where bilinear is as good as a mean over the area and many times as fast.
    """
    height, width = pixels.shape[:2]
    whole = min(1.0, _LONGEST / max(height, width, 1))
    levels = [_level(pixels, pixels, whole)]
    scale = min(first, whole)
    while min(height, width) * scale >= smallest:
        levels.append(_level(pixels, levels[-2 if len(levels) > 2 else -1].pixels, scale))
        scale *= _STEP
    return levels


def _level(picture: Pixels, source: Pixels, scale: float) -> Level:
    height, width = picture.shape[:2]
    if scale == 1:
        return Level(picture, (1.0, 1.0))
    rows, columns = ceil(height * scale), ceil(width * scale)
    # Bilinear skips pixels when it shrinks to less than half.
    interpolation = cv2.INTER_AREA if source.shape[0] > 2.1 * rows else cv2.INTER_LINEAR
    pixels = np.asarray(cv2.resize(source, (columns, rows), interpolation=interpolation), dtype=np.uint8)
    return Level(pixels, (width / columns, height / rows))


def patches(levels: Sequence[Level], squares: Floats, size: int) -> Pixels:
    """Squares (n, 4) in pixels of the picture -> (n, size, size, 3), black outside of it.

    Each is cut from the smallest level that still has a pixel for each of the patch's, so that bilinear sampling is
    sharp and free of aliasing.
    """
    result = np.empty((len(squares), size, size, 3), np.uint8)
    sides = squares[:, 2] - squares[:, 0]
    enough = sides[:, None] >= size * np.array([level.steps[0] for level in levels])
    number = np.maximum(enough.sum(axis=1) - 1, 0)
    middles = np.asarray((np.arange(size) + 0.5) / size, dtype=np.float32)
    across = squares[:, :1] + sides[:, None] * middles
    down = squares[:, 1:2] + sides[:, None] * middles
    for i in np.unique(number).tolist():
        chosen = np.flatnonzero(number == i)
        for part in np.split(chosen, range(_LONGEST // size, len(chosen), _LONGEST // size)):
            result[part] = _cut(levels[i], across[part], down[part])
    return result


def _cut(level: Level, across: Floats, down: Floats) -> Pixels:
    n, size = across.shape
    x, y = across / np.float32(level.steps[0]) - 0.5, down / np.float32(level.steps[1]) - 0.5
    maps = np.empty((2, n, size, size), np.float32)
    maps[0], maps[1] = x[:, None, :], y[:, :, None]
    columns, rows = maps.reshape(2, n * size, size)
    cut = cv2.remap(level.pixels, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(cut, dtype=np.uint8).reshape(n, size, size, 3)


def to_planes(pixels: npt.NDArray[np.uint8], mean: float, scale: float) -> Floats:
    """Pixels (h, w, 3) or (n, h, w, 3) -> ([n,] 3, h, w) float32, (value - mean) * scale."""
    planes = pixels.transpose((0, 3, 1, 2) if pixels.ndim == 4 else (2, 0, 1))
    result = np.empty(planes.shape, np.float32)
    np.multiply(planes, np.float32(scale), out=result)
    result -= np.float32(mean * scale)  # in place: fresh memory costs more than the sum
    return result


_opening = Lock()


def _networks() -> tuple[InferenceSession, InferenceSession, InferenceSession]:
    with _opening:
        return _open()


@cache
def _open() -> tuple[InferenceSession, InferenceSession, InferenceSession]:
    return models.session("mtcnn-pnet"), models.session("mtcnn-rnet"), models.session("mtcnn-onet")
