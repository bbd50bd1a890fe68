"""The stages Photo -> Faces: by a detector, or the whole picture as one face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import cv2
import numpy as np

from mien.detection import DETECTORS, Detections, Detector
from mien.stage import Needs
from mien.types import Faces, Photo, Pixels, Reason, Rejected

_RELIABLE_SIDE = 20
"""Side in pixels from which on every detector is reliable; in a reduced photo none looks for smaller faces."""
_MAX_SIDE = 2000
"""Longer sides are halved until they are shorter; JPEGs are decoded so, other formats at full size."""


@dataclass(frozen=True, slots=True)
class Detect:
    """Photo -> Faces, the main one first; a photo without a face is rejected.

    faces: the main face alone, which is faster, or all of them.
    min_face: side of the smallest face, in pixels of the photo at full size. A large photo is reduced first, unless it
    was decoded smaller; the smallest face then has at least 20 of its pixels.
    """

    detector: str = "mtcnn"
    faces: Literal["largest", "all"] = "largest"
    min_face: int = 20
    name: ClassVar[str] = "detect"
    batch_size: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Faces | Rejected]:
        for photo in batch:
            pixels = _reduced(photo.pixels)
            scale = pixels.shape[1] / max(photo.width, 1)
            least = max(round(self.min_face * scale), min(self.min_face, _RELIABLE_SIDE))
            detections = _detector(self.detector, least)(pixels, largest=self.faces == "largest")
            if len(detections):
                yield _at_full_size(photo, detections, pixels.shape)
            else:
                yield Rejected(photo.origin, self.name, Reason.NO_FACE, self._detail(detections.near_miss))

    def _detail(self, near_miss: float) -> str:
        near = f"; the best candidate scored {near_miss:.2f}, below the threshold" if near_miss > 0 else ""
        return f"{self.detector} found none of {self.min_face} pixels or more{near}"


@dataclass(frozen=True, slots=True)
class WholeImage:
    """Photo -> Faces for pictures of cut faces: one face, as large as the picture, without landmarks."""

    name: ClassVar[str] = "whole"
    batch_size: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Faces | Rejected]:
        for photo in batch:
            box = np.array([[0, 0, photo.width, photo.height]], np.float32)
            yield Faces(photo, box, np.ones(1, np.float32))


@lru_cache(maxsize=16)
def _detector(name: str, min_face: int) -> Detector:
    return DETECTORS.load(name)(min_face=min_face)


def _reduced(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    step = 1 << (max(height, width) // _MAX_SIDE).bit_length()
    if step == 1:
        return pixels
    size = (max(width // step, 1), max(height // step, 1))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _at_full_size(photo: Photo, detections: Detections, shape: tuple[int, ...]) -> Faces:
    full = np.array([photo.width, photo.height], np.float32)
    factors = np.asarray(full / np.array([shape[1], shape[0]]), dtype=np.float32)
    # Rounding must not move a box over the edge.
    boxes = np.minimum(detections.boxes * np.tile(factors, 2), np.tile(full, 2))
    landmarks = None if detections.landmarks is None else detections.landmarks * factors
    return Faces(photo, boxes, detections.scores, landmarks)
