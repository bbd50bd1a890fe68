"""Pixels -> encoded bytes; knows no path."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from PIL import Image

from mien.types import Pixels

_THUMBNAIL_QUALITY = 85


def encode(pixels: Pixels, format: Literal["jpeg", "png"], quality: int = 95) -> bytes:
    """Pixels (h, w, 3) RGB or (h, w) grey -> the bytes of a file; `quality` (1 to 100) is JPEG's.

    Raises:
        ValueError: not such pixels.
    """
    return _saved(_picture(pixels), format, quality)


def thumbnail(pixels: Pixels, side: int) -> bytes:
    """Pixels -> a JPEG of at most `side` by `side` pixels, never enlarged.

    Raises:
        ValueError: not such pixels.
    """
    picture = _picture(pixels)
    picture.thumbnail((side, side))
    return _saved(picture, "jpeg", _THUMBNAIL_QUALITY)


def _picture(pixels: Pixels) -> Image.Image:
    grey = pixels.ndim == 2
    if pixels.dtype != np.uint8 or not pixels.size or not (grey or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ValueError(f"pixels are (h, w, 3) or (h, w) uint8, not {pixels.shape} {pixels.dtype}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _saved(picture: Image.Image, format: Literal["jpeg", "png"], quality: int) -> bytes:
    buffer = io.BytesIO()
    if format == "jpeg":
        picture.save(buffer, "JPEG", quality=quality)
    else:
        picture.save(buffer, "PNG")
    return buffer.getvalue()
