"""SCRFD: one network that looks at the picture once; knows no photo, and nothing of where its weights are.

Guo, Deng, Lattas, Zafeiriou: Sample and Computation Redistribution for Efficient Face Detection, 2021. Its nine
outputs, as InsightFace reads them: for each stride the scores, the distances of a box's edges from an anchor and five
points relative to it, in strides, of two anchors at each point of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien import models
from mien.detect.anchors import STRIDES, Fitted, Limits, chosen, fit
from mien.detect.detections import Detections, nothing
from mien.detect.pyramid import planes
from mien.errors import WeightsError
from mien.types import Floats, Pixels

_SCORE, _OVERLAP = 0.5, 0.4
_ANCHORS = 2
_SMALLEST = 16
"""As for YuNet."""


@dataclass(frozen=True, slots=True)
class SCRFD:
    """Pixels (h, w, 3) RGB -> faces with landmarks; scores lie between 0 and 1.

    Raises:
        WeightsError: the weights are not on this machine, refused under the licence in force, or another network's.
    """

    min_face: int = 20

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        if not pixels.size:
            return nothing(landmarks=True)
        session = models.session("scrfd")
        entry = session.get_inputs()[0]
        fitted = fit(pixels, entry.shape, min(1.0, _SMALLEST / self.min_face))
        outputs = session.run(None, {entry.name: planes(fitted.pixels, 127.5, 1 / 128)[None]})
        limits = Limits(_SCORE, self.min_face, _OVERLAP)
        return chosen(_read(outputs, fitted), fitted, pixels.shape, limits, largest=largest)


def _read(outputs: Sequence[Floats], fitted: Fitted) -> Detections:
    """The network's outputs, scores, boxes and points by falling size -> all windows, in pixels of its input."""
    columns = {k: [o.reshape(-1, k) for o in outputs if o.shape[-1] == k] for k in (1, 4, 10)}
    if any(len(column) != len(STRIDES) for column in columns.values()):
        raise WeightsError("these weights are not an SCRFD network with landmarks: add one that has nine outputs")
    boxes, marks = [], []
    for stride, box, points in zip(STRIDES, columns[4], columns[10], strict=True):
        anchors = fitted.grid(stride, _ANCHORS)
        edges = box * stride
        boxes.append(np.concatenate([anchors - edges[:, :2], anchors + edges[:, 2:]], axis=1))
        marks.append(points.reshape(-1, 5, 2) * stride + anchors[:, None])
    return Detections(np.concatenate(boxes), np.concatenate(columns[1])[:, 0], np.concatenate(marks))
