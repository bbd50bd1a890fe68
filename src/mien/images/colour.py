"""Converts any colour mode to 8-bit RGB."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from mien.types import Pixels

_BAND: Final = 1 << 19
"""Pixels copied out of Pillow at a time, so that its temporary copy stays at 1.5 MB."""


def flatten(image: Image.Image) -> Image.Image:
    """A picture of any mode -> RGB, transparent parts on white.

    CMYK is converted without a colour profile; values of more than 8 bits are scaled (see `_range`). The pixels are
    decoded here, over which Pillow may raise anything.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.has_transparency_data:
        colours = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(colours, mask=colours)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def pixels_of(image: Image.Image) -> Pixels:
    """An RGB picture -> (h, w, 3) uint8, contiguous and owned by the caller."""
    width, height = image.size
    if width * height <= _BAND:
        return np.array(image)
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        pixels[top : top + rows] = np.asarray(image.crop((0, top, width, min(height, top + rows))))
    return pixels


def _eight_bits(image: Image.Image) -> Pixels:
    values = np.asarray(image)
    low, high = _range(values, image.mode)
    scaled = values.astype(np.float32)
    np.nan_to_num(scaled, copy=False, nan=low, posinf=high, neginf=low)
    scaled -= low
    scaled *= 255 / (high - low)
    np.rint(scaled, out=scaled)
    grey = scaled.clip(0, 255).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey


def _range(values: npt.NDArray[Any], mode: str) -> tuple[float, float]:
    """The values of black and white.

    16 bits: 0 and 65535, also where Pillow widens them to 32. Floats: 0 and 1, or 0 and 255 where there are larger
    ones. Values outside have no agreed range: the least and the greatest of the picture.
    """
    if mode.startswith("I;16"):
        return 0.0, 65535.0
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    for top in (65535.0,) if mode == "I" else (1.0, 255.0):
        if low >= 0 and high <= top:
            return 0.0, top
    return low, high if high > low else low + 1.0
