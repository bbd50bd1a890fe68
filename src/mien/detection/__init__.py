"""Finding faces: what a detector is, and the table of detectors."""

from __future__ import annotations

from typing import Protocol

from mien import models
from mien.detection.detections import Detections
from mien.registry import Registry
from mien.types import Pixels

__all__ = ["DETECTORS", "Detections", "Detector", "DetectorType", "resolve"]


class Detector(Protocol):
    """Pixels (h, w, 3) RGB -> the faces, the main one first; with `largest` the main one alone, found sooner.

    Safe to call from several threads at once, and pickles as configuration.
    """

    def __call__(self, pixels: Pixels, *, largest: bool = False) -> Detections: ...


class DetectorType(Protocol):
    """Makes a detector of faces of at least `min_face` pixels."""

    def __call__(self, *, min_face: int = 20) -> Detector: ...


DETECTORS: Registry[DetectorType] = Registry(
    "detector",
    {
        "mtcnn": "mien.detection.mtcnn:MTCNN",
        "hog": "mien.detection.classical:HOG",
        "haar": "mien.detection.classical:Haar",
        "yunet": "mien.detection.single_shot:YuNet",
        "scrfd": "mien.detection.single_shot:SCRFD",
    },
)


def resolve(name: str) -> str:
    """A detector's name, or "auto" -> the name: YuNet if its weights are here and may be used, else MTCNN.

    Raises UnknownName, whose message lists the names.
    """
    if name == "auto":
        return "yunet" if models.is_available("yunet") else "mtcnn"
    DETECTORS.load(name)
    return name
