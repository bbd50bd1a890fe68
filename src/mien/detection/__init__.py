"""Finding faces: what a detector is, and the table of detectors."""

from __future__ import annotations

from functools import partial
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


SCRFD_OUTPUTS, YUNET_OUTPUTS = 9, 12
"""The numbers of outputs by which a network that the user added is known."""


def _own(name: str) -> DetectorType | None:
    if models.own_card(name, "detector") is None:
        return None
    from mien.detection.single_shot import OwnDetector

    return partial(OwnDetector, name)


DETECTORS: Registry[DetectorType] = Registry(
    "detector",
    {
        "mtcnn": "mien.detection.mtcnn:MTCNN",
        "hog": "mien.detection.classical:HOG",
        "haar": "mien.detection.classical:Haar",
        "yunet": "mien.detection.single_shot:YuNet",
        "scrfd": "mien.detection.single_shot:SCRFD",
    },
    own=_own,
    own_names=partial(models.own_names, "detector"),
)


def resolve(name: str) -> str:
    """A detector's name, or "auto" -> the name: YuNet if its weights are here and may be used, else MTCNN.

    Raises UnknownName, whose message lists the names.
    """
    if name == "auto":
        return "yunet" if models.is_available("yunet") else "mtcnn"
    DETECTORS.load(name)
    return name
