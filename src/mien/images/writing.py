"""Pixels to encoded bytes, and to a lower resolution."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from PIL import Image

from mien.types import Pixels

_THUMBNAIL_QUALITY = 85


def encode(pixels: Pixels, format: Literal["jpeg", "png"], quality: int = 95) -> bytes:
    """Pixels (h, w, 3) RGB or (h, w) grey -> the bytes of a file; `quality` (1 to 100) is for JPEG.

    Raises:
        ValueError: pixels of another shape or type.
    """
    return _save(_to_pillow(pixels), format, quality)


def thumbnail(pixels: Pixels, side: int) -> bytes:
    """Pixels -> a JPEG of at most `side` by `side` pixels, never enlarged; raises as `encode`."""
    picture = _to_pillow(pixels)
    picture.thumbnail((side, side))
    return _save(picture, "jpeg", _THUMBNAIL_QUALITY)


def degrade(pixels: Pixels, share: float) -> Pixels:
    """Pixels (h, w, 3) or (h, w) -> the same size, with the detail of a picture of `share` of its sides."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    small = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    reduced = picture.resize(small, Image.Resampling.BOX)
    return np.asarray(reduced.resize(picture.size, Image.Resampling.BILINEAR), dtype=np.uint8)


def _to_pillow(pixels: Pixels) -> Image.Image:
    grey = pixels.ndim == 2
    if pixels.dtype != np.uint8 or not pixels.size or not (grey or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ValueError(f"pixels must be (h, w, 3) or (h, w) uint8, not {pixels.shape} {pixels.dtype}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _save(picture: Image.Image, format: Literal["jpeg", "png"], quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **({"quality": quality} if format == "jpeg" else {}))
    return buffer.getvalue()
