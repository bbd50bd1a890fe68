"""MTCNN: three small networks in a row, each surer and slower than the one before; knows no photo and no file.

Zhang, Zhang, Li, Qiao: Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from mien import models
from mien.detect.detections import Detections, nothing, settle, sides
from mien.detect.nms import nms
from mien.detect.pyramid import Level, patches, planes, pyramid
from mien.types import Floats, Pixels

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_WINDOW, _STRIDE = 12, 2
"""P-Net looks at windows of 12 pixels, one each 2 pixels."""
Thresholds: TypeAlias = tuple[float, float, float]
_USUAL: Thresholds = (0.6, 0.6, 0.8)
"""Scores of the three networks from which on a window is a face; the last is the `mtcnn` package's, too.

With 0.7 in the middle, as elsewhere, small faces went missing, and no less time was spent.
"""
_GENTLE: Thresholds = (0.5, 0.6, 0.7)
_PIXELS_AT_ONCE, _SQUARES_AT_ONCE = 1 << 16, 256
_TOGETHER = (1, 16, 4)
"""So many squares go through a network together: more fall out of the processor's cache, and took a third longer."""
_CERTAIN = 2.75
"""A finer level is left out when the largest face measures so many of its windows.

What it could add is less than half as large, and so not the main face (`mien.detect.detections.ranked`). The main
face's box stays the same (IoU > 0.9) in 99.7 % of LFW's photos, and with 2.5 in 99.0 %.
"""


@dataclass(frozen=True, slots=True)
class MTCNN:
    """Pixels (h, w, 3) RGB -> faces with landmarks; scores are probabilities."""

    min_face: int = 20

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        found = _search(pixels, self.min_face, _USUAL, largest)
        return found if len(found) else self._second_look(pixels, largest, found.missed)

    def _second_look(self, pixels: Pixels, largest: bool, missed: float) -> Detections:
        """Where nothing was found: a face that fills the picture or is cut by its edge, and is hard to see.

        Only a big one counts, because lower thresholds find small ones in any texture.
        """
        height, width = pixels.shape[:2]
        least = max(self.min_face, min(height, width) // 3)
        edge = min(height, width) // 4
        wider = cv2.copyMakeBorder(pixels, edge, edge, edge, edge, cv2.BORDER_REPLICATE) if edge else pixels
        found = _search(np.asarray(wider, np.uint8), least, _GENTLE, largest)
        if not len(found) or found.landmarks is None:
            return nothing(landmarks=True, missed=max(missed, found.missed))
        moved = Detections(found.boxes - edge, found.scores, found.landmarks - edge)
        return settle(moved, width, height, min_face=self.min_face, largest=largest)


def _search(pixels: Pixels, min_face: int, thresholds: Thresholds, largest: bool) -> Detections:
    """All levels; for the main face alone from the coarsest on, until no finer one could hold it."""
    levels = pyramid(pixels, _WINDOW / max(min_face, _WINDOW), _WINDOW)
    hunt = _Hunt(levels, min_face, thresholds)
    coarse_first = levels[:0:-1]
    if not largest:
        hunt.look(coarse_first)
        return hunt.faces()
    for i, level in enumerate(coarse_first, start=1):
        hunt.look([level])
        if i < len(coarse_first):
            enough = _CERTAIN * _WINDOW * max(coarse_first[i].steps)
            # First by R-Net's boxes, which are there already, then by the final ones.
            if _largest(hunt.boxes) >= enough and _largest((found := hunt.faces()).boxes) >= enough:
                return found.take(slice(1))
    return hunt.faces().take(slice(1))


class _Hunt:
    """One search in one picture: what the first two networks have let through so far."""

    def __init__(self, levels: Sequence[Level], min_face: int, thresholds: Thresholds) -> None:
        self.levels = levels
        self.min_face = min_face
        self.thresholds = thresholds
        self.height, self.width = levels[0].pixels.shape[:2]
        self.boxes = np.empty((0, 4), np.float32)
        self.scores = np.empty(0, np.float32)

    def look(self, levels: Sequence[Level]) -> None:
        """Search levels with P-Net, and what it proposes with R-Net."""
        proposed = [boxes for level in levels if len(boxes := _proposals(level, self.thresholds[0]))]
        if not proposed:
            return
        squares = _squared(np.concatenate(proposed))
        box, score = self._asked(1, squares, ["box", "score"])
        kept = score > self.thresholds[1]
        self.boxes = np.concatenate([self.boxes, _moved(squares, box)[kept]])
        self.scores = np.concatenate([self.scores, score[kept]])

    def faces(self) -> Detections:
        """What O-Net says to all that R-Net let through."""
        if not len(self.boxes):
            return nothing(landmarks=True)
        squares = _squared(self.boxes[nms(self.boxes, self.scores, 0.7)])
        box, marks, score = self._asked(2, squares, ["box", "landmarks", "score"])
        kept = score > self.thresholds[2]
        boxes = _moved(squares, box)
        marks = marks.reshape(-1, 2, 5).transpose(0, 2, 1) * _side(squares) + squares[:, None, :2]
        found = Detections(boxes[kept], score[kept], marks[kept], float(score[~kept].max(initial=0)))
        found = found.take(nms(found.boxes, found.scores, 0.7, "min"))
        return settle(found, self.width, self.height, min_face=self.min_face, largest=False)

    def _asked(self, network: int, squares: Floats, outputs: list[str]) -> list[Floats]:
        """What R-Net (1) or O-Net (2) says of squares (n, 4); cut in parts, which bounds the memory in a crowd."""
        size, part, together = 24 * network, _SQUARES_AT_ONCE // network**2, _TOGETHER[network]
        answers = []
        for start in range(0, len(squares), part):
            seen = planes(patches(self.levels, squares[start : start + part], size), 127.5, 1 / 128)
            for i in range(0, len(seen), together):
                answers.append(_networks()[network].run(outputs, {"input": seen[i : i + together]}))
        return answers[0] if len(answers) == 1 else [np.concatenate(column) for column in zip(*answers, strict=True)]


def _proposals(level: Level, threshold: float) -> Floats:
    """A level -> boxes (n, 4) in pixels of the picture that P-Net takes for faces."""
    found = [_strip(level.pixels, row, threshold) for row in _strips(*level.pixels.shape[:2])]
    boxes, scores = (np.concatenate(column) for column in zip(*found, strict=True))
    return boxes[nms(boxes, scores, 0.5)] * np.array(level.steps * 2, np.float32)


def _strips(height: int, width: int) -> list[slice]:
    """Rows to look at together: a large level as a whole falls out of the processor's cache, and fills the memory.

    Strips overlap such that their windows are those of the whole level.
    """
    rows = max(4 * _WINDOW, _PIXELS_AT_ONCE // width // _STRIDE * _STRIDE)
    step = rows - _WINDOW + _STRIDE
    return [slice(start, start + rows) for start in range(0, max(height - _WINDOW + _STRIDE, 1), step)]


def _strip(pixels: Pixels, part: slice, threshold: float) -> tuple[Floats, Floats]:
    """Rows of a level -> boxes (n, 4) in pixels of the level, and their scores (n,)."""
    image = planes(pixels[part], 127.5, 1 / 128)[None]
    box, score = _networks()[0].run(["box", "score"], {"input": image})
    rows, columns = np.nonzero(score[0] > threshold)
    corners = np.stack([columns, rows, columns, rows], axis=1).astype(np.float32) * _STRIDE
    corners += np.array([0, part.start, _WINDOW, part.start + _WINDOW], np.float32)
    return corners + box[0][:, rows, columns].T * _WINDOW, score[0][rows, columns]


def _largest(boxes: Floats) -> float:
    return float(sides(boxes).max(initial=0))


def _side(squares: Floats) -> Floats:
    return (squares[:, 2] - squares[:, 0])[:, None, None]


def _moved(squares: Floats, box: Floats) -> Floats:
    """Squares (n, 4) and what a network says of their edges, in sides of the square -> boxes (n, 4)."""
    return squares + box * _side(squares)[:, 0]


def _squared(boxes: Floats) -> Floats:
    """Boxes (n, 4) -> squares of their longer side around their centres."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


_opening = Lock()


def _networks() -> tuple[InferenceSession, InferenceSession, InferenceSession]:
    with _opening:
        return _open()


@cache
def _open() -> tuple[InferenceSession, InferenceSession, InferenceSession]:
    return models.session("mtcnn-pnet"), models.session("mtcnn-rnet"), models.session("mtcnn-onet")
