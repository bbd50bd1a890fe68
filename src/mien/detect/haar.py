"""OpenCV's Haar cascade for frontal faces, the oldest and plainest of the detectors; knows no photo.

Viola and Jones 2001; the cascade `haarcascade_frontalface_default.xml` comes with OpenCV 4.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mien.detect.detections import Detections, nothing, settle
from mien.types import Pixels

_WINDOW = 24
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Haar:
    """Pixels (h, w, 3) RGB -> faces without landmarks; a score is the last cascade stage's weight, mostly 0 to 10."""

    min_face: int = 20

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        height, width = pixels.shape[:2]
        least = max(self.min_face, _WINDOW)
        if min(height, width) < least:
            return nothing(landmarks=False)
        grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
        found = _cascade().detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=5, minSize=(least, least), outputRejectLevels=True
        )
        corners = np.array(found[0], np.float32).reshape(-1, 4)
        boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1)
        scores = np.array(found[2], np.float32).reshape(-1)
        return settle(Detections(boxes, scores), width, height, min_face=self.min_face, largest=largest)


def _cascade() -> cv2.CascadeClassifier:
    """One a thread: OpenCV's cascade keeps the picture's integral images in itself."""
    if not hasattr(_local, "cascade"):
        folder = Path(cv2.__file__).parent / "data"
        _local.cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
    cascade: cv2.CascadeClassifier = _local.cascade
    return cascade
