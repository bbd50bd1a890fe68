"""The stages Photo -> Faces: by a detector of the table, or the whole picture as one face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from mien.detect import DETECTORS, Detections, Detector
from mien.stage import Needs
from mien.types import Faces, Photo, Reason, Rejected

_SURE = 20
"""Side in pixels from which on every detector is at home; in a reduced photo none looks for less by itself."""


@dataclass(frozen=True, slots=True)
class Detect:
    """Photo -> Faces, the main one first; a photo without a face is rejected.

    faces: the main face alone, which is faster, or all of them.
    min_face: side of the smallest face looked for, in pixels of the photo at full size. In a photo that was decoded
    smaller it is at least 20 of the pixels that there are.
    """

    detector: str = "mtcnn"
    faces: Literal["largest", "all"] = "largest"
    min_face: int = 20
    name: ClassVar[str] = "detect"
    batch_size: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Faces | Rejected]:
        for photo in batch:
            least = max(round(self.min_face * photo.scale), min(self.min_face, _SURE))
            found = _engine(self.detector, least)(photo.pixels, largest=self.faces == "largest")
            if len(found):
                yield _in_full_size(photo, found)
            else:
                yield Rejected(photo.origin, self.name, Reason.NO_FACE, self._detail(found.missed))

    def _detail(self, missed: float) -> str:
        near = f"; the likeliest place scored {missed:.2f}, which is too little" if missed > 0 else ""
        return f"{self.detector} found none of {self.min_face} pixels or more{near}"


@dataclass(frozen=True, slots=True)
class Whole:
    """Photo -> Faces for pictures that are faces already: one face, as large as the picture, without landmarks."""

    name: ClassVar[str] = "whole"
    batch_size: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Faces | Rejected]:
        for photo in batch:
            box = np.array([[0, 0, photo.width, photo.height]], np.float32)
            yield Faces(photo, box, np.ones(1, np.float32))


@lru_cache(maxsize=16)
def _engine(name: str, min_face: int) -> Detector:
    return DETECTORS.load(name)(min_face=min_face)


def _in_full_size(photo: Photo, found: Detections) -> Faces:
    height, width = photo.pixels.shape[:2]
    larger = np.array([photo.width / width, photo.height / height], np.float32)
    # Rounding must not carry a box over the edge.
    boxes = np.minimum(found.boxes * np.tile(larger, 2), np.array([photo.width, photo.height] * 2, np.float32))
    landmarks = None if found.landmarks is None else found.landmarks * larger
    return Faces(photo, boxes, found.scores, landmarks)
