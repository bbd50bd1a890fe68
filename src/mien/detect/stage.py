"""The stages Photo -> Faces: by a detector of the table, or the whole picture as one face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import cv2
import numpy as np

from mien.detect import DETECTORS, Detections, Detector
from mien.stage import Needs
from mien.types import Faces, Photo, Pixels, Reason, Rejected

_SURE = 20
"""Side in pixels from which on every detector is at home; in a reduced photo none looks for less by itself."""
_LARGE = 2000
"""Longer sides are halved until they are shorter: JPEGs come so, other formats at full size."""


@dataclass(frozen=True, slots=True)
class Detect:
    """Photo -> Faces, the main one first; a photo without a face is rejected.

    faces: the main face alone, which is faster, or all of them.
    min_face: side of the smallest face looked for, in pixels of the photo at full size. A large photo is made smaller
    first, unless it was decoded smaller; in it the smallest face has at least 20 of the pixels that are left.
    """

    detector: str = "mtcnn"
    faces: Literal["largest", "all"] = "largest"
    min_face: int = 20
    name: ClassVar[str] = "detect"
    batch_size: ClassVar[int] = 8
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Faces | Rejected]:
        for photo in batch:
            pixels = _reduced(photo.pixels)
            scale = pixels.shape[1] / max(photo.width, 1)
            least = max(round(self.min_face * scale), min(self.min_face, _SURE))
            found = _engine(self.detector, least)(pixels, largest=self.faces == "largest")
            if len(found):
                yield _in_full_size(photo, found, pixels.shape)
            else:
                yield Rejected(photo.origin, self.name, Reason.NO_FACE, self._detail(found.missed))

    def _detail(self, missed: float) -> str:
        near = f"; the likeliest place scored {missed:.2f}, which is too little" if missed > 0 else ""
        return f"{self.detector} found none of {self.min_face} pixels or more{near}"


@dataclass(frozen=True, slots=True)
class Whole:
    """Photo -> Faces for pictures that are faces already: one face, as large as the picture, without landmarks."""

    name: ClassVar[str] = "whole"
    batch_size: ClassVar[int] = 8
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Faces | Rejected]:
        for photo in batch:
            box = np.array([[0, 0, photo.width, photo.height]], np.float32)
            yield Faces(photo, box, np.ones(1, np.float32))


@lru_cache(maxsize=16)
def _engine(name: str, min_face: int) -> Detector:
    return DETECTORS.load(name)(min_face=min_face)


def _reduced(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    step = 1
    while max(height, width) >= _LARGE * step:
        step *= 2
    if step == 1:
        return pixels
    size = (max(width // step, 1), max(height // step, 1))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _in_full_size(photo: Photo, found: Detections, seen: tuple[int, ...]) -> Faces:
    full = np.array([photo.width, photo.height], np.float32)
    larger = np.asarray(full / np.array([seen[1], seen[0]]), dtype=np.float32)
    # Rounding must not carry a box over the edge.
    boxes = np.minimum(found.boxes * np.tile(larger, 2), np.tile(full, 2))
    landmarks = None if found.landmarks is None else found.landmarks * larger
    return Faces(photo, boxes, found.scores, landmarks)
