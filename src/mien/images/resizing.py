"""Pixels -> fewer of them and back; knows no file."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mien.types import Pixels


def coarse(pixels: Pixels, share: float) -> Pixels:
    """Pixels (h, w, 3) or (h, w) -> the same size, as if it had been a picture of `share` of its sides, enlarged."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    small = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    reduced = picture.resize(small, Image.Resampling.BOX)
    return np.asarray(reduced.resize(picture.size, Image.Resampling.BILINEAR), dtype=np.uint8)
