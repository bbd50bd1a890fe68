"""What detectors that look at a picture once have in common: fitting it to the network, and the grid it answers on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mien.detect.detections import Detections, settle
from mien.detect.nms import nms
from mien.types import Floats, Pixels

STRIDES = (8, 16, 32)
"""Of the three grids on which such a network answers, in pixels of its input."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A picture as a network takes it: made smaller by `scale`, and filled up with black to the right and below."""

    pixels: Pixels
    scale: float

    def grid(self, stride: int, each: int = 1) -> Floats:
        """The points (x, y) of one grid, row by row, `each` of them several times -> (n, 2)."""
        rows, columns = self.pixels.shape[0] // stride, self.pixels.shape[1] // stride
        down, across = np.mgrid[:rows, :columns]
        points = np.stack([across, down], axis=-1).reshape(-1, 2) * stride
        return np.repeat(points, each, axis=0).astype(np.float32)


def fit(pixels: Pixels, wanted: Sequence[int | str | None], scale: float) -> Fitted:
    """Pixels (h, w, 3) -> the picture at `scale`, or smaller where the network's input has a fixed size.

    wanted: shape of that input, (1, 3, height, width), where a dimension that is not a number is free and becomes a
    multiple of the largest stride.
    """
    height, width = pixels.shape[:2]
    fixed = [size if isinstance(size, int) and size > 0 else None for size in wanted[2:]]
    for size, side in zip(fixed, (height, width), strict=True):
        scale = scale if size is None else min(scale, size / side)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    if (rows, columns) != (height, width):
        way = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(pixels, (columns, rows), interpolation=way), dtype=np.uint8)
    step = STRIDES[-1]
    whole = [size or -(-side // step) * step for size, side in zip(fixed, (rows, columns), strict=True)]
    made = np.zeros((*whole, 3), np.uint8)
    made[:rows, :columns] = pixels
    return Fitted(made, scale)


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as a face: its score, its smallest side in pixels, and the overlap above which two are one."""

    score: float
    side: float
    overlap: float


def chosen(answer: Detections, fitted: Fitted, shape: Sequence[int], limits: Limits, *, largest: bool) -> Detections:
    """All windows of a network, in pixels of its input -> the faces, in pixels of a picture of `shape`."""
    marks = answer.landmarks
    likely = answer.scores >= limits.score
    missed = float(answer.scores[~likely].max(initial=0))
    back = np.float32(1 / fitted.scale)
    boxes, scores = answer.boxes[likely] * back, answer.scores[likely]
    found = Detections(boxes, scores, None if marks is None else marks[likely] * back, missed)
    found = found.take(nms(found.boxes, found.scores, limits.overlap))
    return settle(found, shape[1], shape[0], min_face=limits.side, largest=largest)
