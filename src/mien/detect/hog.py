"""dlib's HOG detector: frontal faces of 80 pixels and more; knows no photo and no file.

Dalal and Triggs 2005, as trained by dlib's author (King, Max-Margin Object Detection, 2015); compiled into dlib.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import dlib
import numpy as np

from mien.detect.detections import Detections, nothing, settle
from mien.types import Pixels

_WINDOW = 80
_local = threading.local()


@dataclass(frozen=True, slots=True)
class HOG:
    """Pixels (h, w, 3) RGB -> faces without landmarks; a score is the distance from the decision boundary, above 0.

    Where `min_face` is below 80 pixels the picture is doubled once, which finds faces from 40 pixels on; a second
    doubling would take sixteen times as long and finds few more.
    """

    min_face: int = 20

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        height, width = pixels.shape[:2]
        if not pixels.size:
            return nothing(landmarks=False)
        rectangles, scores, _ = _detector().run(np.ascontiguousarray(pixels), int(self.min_face < _WINDOW), 0.0)
        boxes = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in rectangles]
        found = Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))
        return settle(found, width, height, min_face=self.min_face, largest=largest)


def _detector() -> Any:
    """One a thread: dlib's detector keeps the picture's pyramid in itself."""
    if not hasattr(_local, "detector"):
        _local.detector = dlib.get_frontal_face_detector()
    return _local.detector
