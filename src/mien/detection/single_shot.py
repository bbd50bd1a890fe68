"""Detectors that look at a picture once: YuNet and SCRFD.

YuNet: Wu, Peng, Yu: YuNet, a tiny millisecond-level face detector, 2023. Outputs as libfacedetection reads them, for
each stride: `cls` and `obj`, whose geometric mean is the score, `bbox` (centre in strides from the grid's point,
logarithm of the size in strides) and `kps` (five points in strides from the grid's point). mien's own file has all
sixteen channels in one output, see `mien.models.convert_yunet`.

SCRFD: Guo, Deng, Lattas, Zafeiriou: Sample and Computation Redistribution for Efficient Face Detection, 2021. Nine
outputs as InsightFace reads them, for each stride: the scores, the distances of a box's edges from an anchor and five
points relative to it, in strides, of two anchors at each point of the grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mien import models
from mien.detection import SCRFD_OUTPUTS
from mien.detection.detections import Detections, clip_and_rank, nms, no_faces, overlaps, sides
from mien.errors import WeightsError
from mien.types import Floats, Pixels

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

STRIDES = (8, 16, 32)
"""Of the three grids of windows, in pixels of the network's input."""

_SMALLEST, _SCRFD_SMALLEST = 20, 16
"""Side of a face, in pixels of the network's input, from which on nearly all are found; pictures are resized for it."""

FACE_SCORE, CANDIDATE_SCORE = 0.6, 0.4
"""YuNet's lowest scores of a face, and of what is worth a second look."""

_SMALL_PICTURE, _LARGEST_ZOOM = 512, 4.0
"""YuNet sees pictures whose longer side has fewer pixels enlarged, so many times at most: it finds more faces there."""

_COARSE_SIDE = 256
_FIRST_SIDE, _CERTAIN_SIDE, _CERTAIN_SCORE = 128, 40, 0.7
"""The search for the main face begins with a picture so small, and ends when a face is so large and certain in it.

What a finer picture could add is less than half as large then, and so not the main face (`detections.rank_faces`).
"""

_FAINT = 0.1
"""Windows with lower scores are not looked at."""
_VOTE_SHARE, _VOTE_OVERLAP = 0.3, 0.5
"""Windows that overlap a face's best one by so much, with such a share of its score, have a say in where it is."""

_SCRFD_ANCHORS = 2


@dataclass(frozen=True, slots=True, eq=False)
class NetworkInput:
    """A picture resized by `scale`, and padded with black to the right and below."""

    pixels: Pixels
    scale: float

    def grid(self, stride: int, repeats: int = 1) -> Floats:
        """The points (x, y) of a grid, row by row, each `repeats` times -> (n, 2)."""
        rows, columns = self.pixels.shape[0] // stride, self.pixels.shape[1] // stride
        down, across = np.mgrid[:rows, :columns]
        points = np.stack([across, down], axis=-1).reshape(-1, 2) * stride
        return np.repeat(points, repeats, axis=0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The lowest score of a face, its smallest side in pixels, and the overlap above which two boxes are one face."""

    score: float
    side: float
    overlap: float


@dataclass(frozen=True, slots=True)
class YuNet:
    """Pixels (h, w, 3) RGB -> faces with landmarks; scores are between 0 and 1. Raises WeightsError.

    candidates: whether to give weaker ones, too, and beside the main face all that its search found, for a second look.
    """

    min_face: int = 20
    weights: str | Path = "yunet"
    candidates: bool = False

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        if not pixels.size:
            return no_faces(landmarks=True)
        session = models.session(self.weights)
        shape, longest = session.get_inputs()[0].shape, max(pixels.shape[:2])
        finest = _SMALLEST / self.min_face * min(_LARGEST_ZOOM, max(1.0, _SMALL_PICTURE / longest))
        # A network with a fixed input takes as long for a small picture.
        free = not isinstance(shape[2], int)
        scale = min(finest, _FIRST_SIDE / longest) if largest and free else finest
        thresholds = Thresholds(CANDIDATE_SCORE if self.candidates else FACE_SCORE, self.min_face, 0.3)
        alone = largest and not self.candidates

        def look(scale: float) -> Detections:
            image = fit(pixels, shape, scale)
            windows = windows_of_batch(session, image.pixels[None])[0]
            return select_faces(windows, image, pixels.shape, thresholds, largest=alone)

        faces = look(scale)
        while scale < finest and not (len(faces) and _is_certain(faces, scale)):
            scale = min(finest, scale * 2)
            faces = look(scale)
        if not len(faces) and not largest and free and longest * finest > _COARSE_SIDE:  # too large to be seen there
            faces = look(_COARSE_SIDE / longest)
        return faces


def _is_certain(faces: Detections, scale: float) -> bool:
    return bool(sides(faces.boxes[:1])[0] * scale >= _CERTAIN_SIDE and faces.scores[0] >= _CERTAIN_SCORE)


@dataclass(frozen=True, slots=True)
class SCRFD:
    """Pixels (h, w, 3) RGB -> faces with landmarks; scores are between 0 and 1. Raises WeightsError."""

    min_face: int = 20
    weights: str | Path = "scrfd"

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        if not pixels.size:
            return no_faces(landmarks=True)
        session = models.session(self.weights)
        entry = session.get_inputs()[0]
        image = fit(pixels, entry.shape, min(1.0, _SCRFD_SMALLEST / self.min_face))
        planes = ((image.pixels.astype(np.float32) - 127.5) / 128).transpose(2, 0, 1)[None]
        outputs = session.run(None, {entry.name: planes})
        thresholds = Thresholds(0.5, self.min_face, 0.4)
        return select_faces(_scrfd_windows(outputs, image), image, pixels.shape, thresholds, largest=largest)


@dataclass(frozen=True, slots=True)
class OwnDetector:
    """A network that the user added, which runs as the one whose number of outputs it has. Raises WeightsError."""

    weights: str
    min_face: int = 20

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        kind = SCRFD if models.get_card(self.weights).outputs == SCRFD_OUTPUTS else YuNet
        return kind(self.min_face, self.weights)(pixels, largest=largest)


def fit(pixels: Pixels, shape: Sequence[int | str | None], scale: float) -> NetworkInput:
    """Pixels (h, w, 3) -> the picture at `scale`, or smaller where the network's input has a fixed size.

    shape: of that input, (1, 3, height, width), where a dimension that is not a number is free and becomes a multiple
    of the largest stride.
    """
    height, width = pixels.shape[:2]
    fixed = [size if isinstance(size, int) and size > 0 else None for size in shape[2:]]
    for size, side in zip(fixed, (height, width), strict=True):
        scale = scale if size is None else min(scale, size / side)
    pixels = resize(pixels, scale)
    rows, columns = pixels.shape[:2]
    step = STRIDES[-1]
    sides = [size or -(-side // step) * step for size, side in zip(fixed, (rows, columns), strict=True)]
    padded = np.zeros((*sides, 3), np.uint8)
    padded[:rows, :columns] = pixels
    return NetworkInput(padded, scale)


def resize(pixels: Pixels, scale: float) -> Pixels:
    """Pixels (h, w, 3) -> the picture at `scale`.

    It is halved as long as it can be, which takes an eighth of the time of a mean over the area and is as smooth.
    """
    rows, columns = (max(1, round(side * scale)) for side in pixels.shape[:2])
    while rows * 2 <= pixels.shape[0] and columns * 2 <= pixels.shape[1]:
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        halved = cv2.resize(pixels[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        pixels = np.asarray(halved, dtype=np.uint8)
    if pixels.shape[:2] == (rows, columns):
        return pixels
    return np.asarray(cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def select_faces(
    windows: Detections, image: NetworkInput, shape: Sequence[int], thresholds: Thresholds, *, largest: bool
) -> Detections:
    """All windows of a network, in pixels of its input -> the faces, in pixels of a picture of `shape`."""
    likely = windows.scores >= thresholds.score
    near_miss = float(windows.scores[~likely].max(initial=0))
    faces = windows.take(np.flatnonzero(likely))
    faces = vote(faces.take(nms(faces.boxes, faces.scores, thresholds.overlap)), windows)
    back = np.float32(1 / image.scale)
    marks = None if faces.landmarks is None else faces.landmarks * back
    faces = Detections(faces.boxes * back, faces.scores, marks, near_miss)
    return clip_and_rank(faces, shape[1], shape[0], min_face=thresholds.side, largest=largest)


def vote(faces: Detections, windows: Detections) -> Detections:
    """Faces -> the same with boxes and landmarks as the mean of all windows that see the face, weighted by score.

    Each window measures in steps of its own grid; the mean is finer. On LFW it halves the rate at which photos of one
    person are taken for two, at the same rate of strangers taken for one (docs/decisions/023).
    """
    near = overlaps(faces.boxes, windows.boxes) >= _VOTE_OVERLAP
    weights = windows.scores * (near & (windows.scores >= _VOTE_SHARE * faces.scores[:, None]))
    weights /= weights.sum(axis=1, keepdims=True)
    marks = None
    if windows.landmarks is not None:
        marks = (weights @ windows.landmarks.reshape(-1, 10)).reshape(-1, 5, 2).astype(np.float32)
    return Detections((weights @ windows.boxes).astype(np.float32), faces.scores, marks)


def windows_of_batch(session: InferenceSession, pictures: Pixels) -> list[Detections]:
    """Pictures (n, h, w, 3) with sides in multiples of 32 -> YuNet's windows in each that may show a face."""
    entry = session.get_inputs()[0].name
    ordered = pictures if entry == "rgb" else pictures[..., ::-1]
    planes = ordered.transpose(0, 3, 1, 2).astype(np.float32, order="C")
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {entry: planes}), strict=True))
    grids = [_grid_values(outputs, stride, pictures.shape) for stride in STRIDES]
    scores, values = (np.concatenate(column, axis=-1) for column in zip(*grids, strict=True))
    number, index = np.nonzero(scores > _FAINT)
    found, (points, steps) = values[number, :, index], _grid_points(*pictures.shape[1:3])
    points, steps = points[index], steps[index]
    middle, half = points + found[:, :2] * steps, np.exp(found[:, 2:4]) * (steps / 2)
    marks = found[:, 4:].reshape(-1, 5, 2) * steps[:, None] + points[:, None]
    windows = Detections(np.concatenate([middle - half, middle + half], axis=1), scores[number, index], marks)
    return [windows.take(np.flatnonzero(number == i)) for i in range(len(pictures))]


@lru_cache(maxsize=64)
def _grid_points(height: int, width: int) -> tuple[Floats, Floats]:
    """The points of the three grids of such a picture, one after the other, (n, 2), and their strides (n, 1)."""
    grids = [np.mgrid[: height // stride, : width // stride][::-1].reshape(2, -1).T * stride for stride in STRIDES]
    strides = np.repeat(STRIDES, [len(grid) for grid in grids])
    return np.concatenate(grids).astype(np.float32), strides.astype(np.float32)[:, None]


def _grid_values(outputs: Mapping[str, Floats], stride: int, shape: Sequence[int]) -> tuple[Floats, Floats]:
    """YuNet's outputs for a stride -> the scores (n, points) of its grid, and the other values (n, 14, points)."""
    if f"windows_{stride}" in outputs:
        values = outputs[f"windows_{stride}"].reshape(shape[0], 16, -1)
        probabilities = 1 / (1 + np.exp(-values[:, :2]))
        return np.sqrt(probabilities[:, 0] * probabilities[:, 1]), values[:, 2:]
    scores = np.sqrt(np.clip(outputs[f"cls_{stride}"], 0, 1) * np.clip(outputs[f"obj_{stride}"], 0, 1))
    columns = [outputs[f"{name}_{stride}"].reshape(shape[0], -1, size) for name, size in (("bbox", 4), ("kps", 10))]
    return scores.reshape(shape[0], -1), np.concatenate(columns, axis=-1).transpose(0, 2, 1)


def _scrfd_windows(outputs: Sequence[Floats], image: NetworkInput) -> Detections:
    """SCRFD's outputs, scores, boxes and points by falling size -> all windows, in pixels of its input."""
    columns = {k: [output.reshape(-1, k) for output in outputs if output.shape[-1] == k] for k in (1, 4, 10)}
    if any(len(column) != len(STRIDES) for column in columns.values()):
        raise WeightsError("these weights are not an SCRFD network with landmarks: add one that has nine outputs")
    boxes, marks = [], []
    for stride, box, points in zip(STRIDES, columns[4], columns[10], strict=True):
        anchors = image.grid(stride, _SCRFD_ANCHORS)
        edges = box * stride
        boxes.append(np.concatenate([anchors - edges[:, :2], anchors + edges[:, 2:]], axis=1))
        marks.append(points.reshape(-1, 5, 2) * stride + anchors[:, None])
    return Detections(np.concatenate(boxes), np.concatenate(columns[1])[:, 0], np.concatenate(marks))
