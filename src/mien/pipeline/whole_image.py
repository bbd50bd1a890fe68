"""Pictures that are faces already, as they are: Photo -> Crop, in the proportions that they have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from mien.stage import Needs
from mien.types import Crop, Detection, Photo, Pixels


@dataclass(frozen=True, slots=True)
class WholeImageCrop:
    """Takes the whole picture as a face: Photo -> Crop.

    size: the longer side in pixels; None keeps the picture's own, up to `most`.
    """

    size: int | None = None
    most: int = 512
    name: str = "entire"
    batch_size: int = 1
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Crop]:
        for photo in batch:
            face = Detection(0, (0.0, 0.0, float(photo.width), float(photo.height)), 1.0)
            yield Crop(photo.origin, face, self._sized(photo.pixels))

    def _sized(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        scale = (self.size or min(self.most, max(height, width))) / max(height, width)
        if scale == 1:
            return pixels
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(pixels, size, interpolation=way), dtype=np.uint8)
