"""Knows what only JPEG has: decoding at a fraction of the size, and an end that comes before the pixels do."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from mien.images.colour import flatten

_GREY: Final = 128
_NEAR: Final = 4
"""How far libjpeg's smoothing takes the grey of an unfinished progressive JPEG from itself."""
_END: Final = b"\xff\xd9"
_MORE: Final = bytes(range(1, 255)) * 4


def shrink_by(image: ImageFile.ImageFile, divisor: int) -> float:
    """Have an opened JPEG decoded at 1 / divisor (1, 2, 4 or 8) -> the scale that it will have; 1 for other formats."""
    if divisor == 1 or not isinstance(image, JpegImageFile):
        return 1.0
    width, height = image.size
    drafted = image.draft(None, (max(1, width // divisor), max(1, height // divisor)))
    return drafted[1][2] / width if drafted else 1.0


def ends_early(image: ImageFile.ImageFile, rgb: Image.Image, data: bytes, divisor: int) -> bool:
    """Whether the end marker of a decoded JPEG stands where pixels are missing, which libjpeg then fills with grey.

    Where the last pixel is of that grey the picture is decoded again with more bytes before the marker: they change the
    picture only if it was waiting for them. A progressive JPEG that stops at a coarser but whole picture passes.
    """
    if not isinstance(image, JpegImageFile) or not _is_grey(rgb):
        return False
    end = len(data[: data.rfind(_END)].rstrip(b"\xff"))
    longer = JpegImageFile(io.BytesIO(data[:end] + _MORE + data[end:]))
    shrink_by(longer, divisor)
    return flatten(longer).tobytes() != rgb.tobytes()


def _is_grey(rgb: Image.Image) -> bool:
    right, bottom = rgb.size
    last = rgb.crop((right - 1, bottom - 1, right, bottom)).tobytes()
    return all(abs(value - _GREY) <= _NEAR for value in last)
