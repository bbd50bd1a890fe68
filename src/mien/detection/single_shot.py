"""Detectors that look at a picture once: YuNet and SCRFD.

YuNet: Wu, Peng, Yu: YuNet, a tiny millisecond-level face detector, 2023. Outputs as libfacedetection reads them, for
each stride: `cls` and `obj`, whose geometric mean is the score, `bbox` (centre in strides from the grid's point,
logarithm of the size in strides) and `kps` (five points in strides from the grid's point).

SCRFD: Guo, Deng, Lattas, Zafeiriou: Sample and Computation Redistribution for Efficient Face Detection, 2021. Nine
outputs as InsightFace reads them, for each stride: the scores, the distances of a box's edges from an anchor and five
points relative to it, in strides, of two anchors at each point of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mien import models
from mien.detection import SCRFD_OUTPUTS
from mien.detection.detections import Detections, clip_and_rank, nms, no_faces
from mien.detection.pyramid import to_planes
from mien.errors import WeightsError
from mien.types import Floats, Pixels

STRIDES = (8, 16, 32)
"""Of the three grids of windows, in pixels of the network's input."""

_SMALLEST = 16
"""Side of a face, in pixels of the network's input, from which on nearly all are found; pictures are resized for it."""

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
    """Pixels (h, w, 3) RGB -> faces with landmarks; scores are between 0 and 1. Raises WeightsError."""

    min_face: int = 20
    weights: str | Path = "yunet"

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        if not pixels.size:
            return no_faces(landmarks=True)
        session = models.session(self.weights)
        entry = session.get_inputs()[0]
        image = fit(pixels, entry.shape, min(1.0, _SMALLEST / self.min_face))
        bgr = image.pixels[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32, order="C")
        names = [output.name for output in session.get_outputs()]
        outputs = dict(zip(names, session.run(names, {entry.name: bgr}), strict=True))
        thresholds = Thresholds(0.6, self.min_face, 0.3)
        return select_faces(_yunet_windows(outputs, image), image, pixels.shape, thresholds, largest=largest)


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
        image = fit(pixels, entry.shape, min(1.0, _SMALLEST / self.min_face))
        outputs = session.run(None, {entry.name: to_planes(image.pixels, 127.5, 1 / 128)[None]})
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
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    if (rows, columns) != (height, width):
        interpolation = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(pixels, (columns, rows), interpolation=interpolation), dtype=np.uint8)
    step = STRIDES[-1]
    sides = [size or -(-side // step) * step for size, side in zip(fixed, (rows, columns), strict=True)]
    padded = np.zeros((*sides, 3), np.uint8)
    padded[:rows, :columns] = pixels
    return NetworkInput(padded, scale)


def select_faces(
    windows: Detections, image: NetworkInput, shape: Sequence[int], thresholds: Thresholds, *, largest: bool
) -> Detections:
    """All windows of a network, in pixels of its input -> the faces, in pixels of a picture of `shape`."""
    likely = windows.scores >= thresholds.score
    near_miss = float(windows.scores[~likely].max(initial=0))
    back = np.float32(1 / image.scale)
    marks = None if windows.landmarks is None else windows.landmarks[likely] * back
    faces = Detections(windows.boxes[likely] * back, windows.scores[likely], marks, near_miss)
    faces = faces.take(nms(faces.boxes, faces.scores, thresholds.overlap))
    return clip_and_rank(faces, shape[1], shape[0], min_face=thresholds.side, largest=largest)


def _yunet_windows(outputs: dict[str, Floats], image: NetworkInput) -> Detections:
    """YuNet's outputs -> all windows, in pixels of its input."""
    boxes, scores, marks = [], [], []
    for stride in STRIDES:
        points = image.grid(stride)
        box = outputs[f"bbox_{stride}"].reshape(-1, 4) * stride
        middle, half = points + box[:, :2], np.exp(box[:, 2:] / stride) * stride / 2
        boxes.append(np.concatenate([middle - half, middle + half], axis=1))
        product = np.clip(outputs[f"cls_{stride}"], 0, 1) * np.clip(outputs[f"obj_{stride}"], 0, 1)
        scores.append(np.sqrt(product).reshape(-1))
        marks.append(outputs[f"kps_{stride}"].reshape(-1, 5, 2) * stride + points[:, None])
    return Detections(np.concatenate(boxes), np.concatenate(scores), np.concatenate(marks))


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
