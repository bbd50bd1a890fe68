"""The small grey picture of a photo that copies are found by: pixels in, pixels out; compares nothing."""

from __future__ import annotations

import cv2
import numpy as np

from mien.curate.shown import THUMB
from mien.types import Pixels


def thumb(pixels: Pixels) -> Pixels:
    """A photo (h, w, 3) RGB or (h, w) grey -> (THUMB, THUMB) grey uint8, the whole of it pressed into a square.

    A side that shrinks is averaged over areas, so that a photo and its smaller copy come out the same.
    """
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if height > THUMB or width > THUMB:
        wide, high = min(width, THUMB), min(height, THUMB)
        grey = cv2.resize(grey, (wide, high), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_LINEAR), np.uint8)
