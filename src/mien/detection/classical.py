"""Detectors without a neural network: OpenCV's Haar cascade, and dlib's HOG; both for frontal faces.

Haar: Viola and Jones 2001; `haarcascade_frontalface_default.xml` comes with OpenCV 4. HOG: Dalal and Triggs 2005, as
trained by dlib's author (King, Max-Margin Object Detection, 2015); compiled into dlib.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.detection.detections import Detections, clip_and_rank, no_faces
from mien.types import Pixels

_HAAR_WINDOW, _HOG_WINDOW = 24, 80
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Haar:
    """Pixels (h, w, 3) RGB -> faces without landmarks; a score is the last cascade stage's weight, mostly 0 to 10."""

    min_face: int = 20

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        height, width = pixels.shape[:2]
        least = max(self.min_face, _HAAR_WINDOW)
        if min(height, width) < least:
            return no_faces(landmarks=False)
        grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
        rectangles, _, weights = _cascade().detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=5, minSize=(least, least), outputRejectLevels=True
        )
        corners = np.array(rectangles, np.float32).reshape(-1, 4)
        boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1)
        faces = Detections(boxes, np.array(weights, np.float32).reshape(-1))
        return clip_and_rank(faces, width, height, min_face=self.min_face, largest=largest)


@dataclass(frozen=True, slots=True)
class HOG:
    """Pixels (h, w, 3) RGB -> faces without landmarks; a score is the distance from the decision boundary, above 0.

    Where `min_face` is below 80 pixels the picture is doubled once, which finds faces from 40 pixels on; doubling again
    would take sixteen times as long and finds few more.
    """

    min_face: int = 20

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections:
        height, width = pixels.shape[:2]
        if not pixels.size:
            return no_faces(landmarks=False)
        rectangles, scores, _ = _hog().run(np.ascontiguousarray(pixels), int(self.min_face < _HOG_WINDOW), 0.0)
        boxes = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in rectangles]
        faces = Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))
        return clip_and_rank(faces, width, height, min_face=self.min_face, largest=largest)


def _cascade() -> Any:
    """One per thread: OpenCV's cascade keeps the picture's integral images in itself."""
    if not hasattr(_local, "cascade"):
        file = Path(cv2.__file__).parent / "data/haarcascade_frontalface_default.xml"
        _local.cascade = cv2.CascadeClassifier(str(file))
    return _local.cascade


def _hog() -> Any:
    """One per thread: dlib's detector keeps the picture's pyramid in itself."""
    if not hasattr(_local, "hog"):
        import dlib  # here, since loading it takes long and the cascade does not need it

        _local.hog = dlib.get_frontal_face_detector()
    return _local.hog
