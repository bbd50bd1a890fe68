"""YuNet: one small network that looks at the picture once; knows no photo, and nothing of where its weights are.

Wu, Peng, Yu: YuNet, a tiny millisecond-level face detector, 2023. Its outputs, as libfacedetection reads them: for each
stride `cls` and `obj`, whose geometric mean is the score, `bbox` (centre in strides from the grid's point, logarithm of
the size in strides) and `kps` (five points in strides from the grid's point).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien import models
from mien.detect.anchors import STRIDES, Fitted, Limits, chosen, fit
from mien.detect.detections import Detections, nothing
from mien.types import Floats, Pixels

_SCORE, _OVERLAP = 0.6, 0.3
_SMALLEST = 16
"""Side in pixels of its input from which on YuNet sees nearly all faces; a picture is made smaller accordingly."""


@dataclass(frozen=True, slots=True)
class YuNet:
    """Pixels (h, w, 3) RGB -> faces with landmarks; scores lie between 0 and 1.

    Raises:
        WeightsError: the weights are not on this machine, or refused under the licence in force.
    """

    min_face: int = 20

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        if not pixels.size:
            return nothing(landmarks=True)
        session = models.session("yunet")
        entry = session.get_inputs()[0]
        fitted = fit(pixels, entry.shape, min(1.0, _SMALLEST / self.min_face))
        bgr = fitted.pixels[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32, order="C")
        names = [output.name for output in session.get_outputs()]
        outputs = dict(zip(names, session.run(names, {entry.name: bgr}), strict=True))
        limits = Limits(_SCORE, self.min_face, _OVERLAP)
        return chosen(_read(outputs, fitted), fitted, pixels.shape, limits, largest=largest)


def _read(outputs: dict[str, Floats], fitted: Fitted) -> Detections:
    """The network's outputs -> all windows, in pixels of its input."""
    boxes, scores, marks = [], [], []
    for stride in STRIDES:
        points = fitted.grid(stride)
        box = outputs[f"bbox_{stride}"].reshape(-1, 4) * stride
        middle, half = points + box[:, :2], np.exp(box[:, 2:] / stride) * stride / 2
        boxes.append(np.concatenate([middle - half, middle + half], axis=1))
        both = np.clip(outputs[f"cls_{stride}"], 0, 1) * np.clip(outputs[f"obj_{stride}"], 0, 1)
        scores.append(np.sqrt(both).reshape(-1))
        marks.append(outputs[f"kps_{stride}"].reshape(-1, 5, 2) * stride + points[:, None])
    return Detections(np.concatenate(boxes), np.concatenate(scores), np.concatenate(marks))
