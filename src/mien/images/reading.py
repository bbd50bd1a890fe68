"""Encoded bytes to upright RGB pixels, within a limit of pixels.

Pillow decodes all formats: OpenCV reads a 250 px JPEG 0.06 ms faster, and a large one at half size about as fast, but
fills the missing part of a truncated file with grey, and libjpeg then prints to stderr.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image, ImageFile, ImageOps

from mien.images import Decoded, Header, ImageError
from mien.images.colour import flatten, pixels_of
from mien.images.formats import UPRIGHT, ends_early, open_image, read_orientation, shrink_by, swaps_sides, upright
from mien.types import Pixels, Reason

_DIVISORS: Final = (8, 4, 2)
"""By what libjpeg can divide the size while decoding."""

_ADDRESS: Final = re.compile(r"\s*\bat 0x[0-9a-fA-F]+")
_MAX_DETAIL: Final = 120


def read_header(data: bytes) -> Header:
    """Bytes -> upright size, format and orientation, without decoding; raises ImageError."""
    with image_errors():
        return _header(open_image(data), data)


def decode(data: bytes, *, longest: int | None = None, max_megapixels: float) -> Decoded:
    """Bytes -> pixels (h, w, 3) RGB, upright.

    The scale is 1/2, 1/4 or 1/8 if the longest side still has `longest` pixels then: JPEGs are decoded at that scale,
    others are averaged afterwards; `longest` None gives full size. A picture of more than `max_megapixels` at full size
    is refused before anything is decoded.

    Raises:
        ImageError: empty, unreadable (truncated too) or too large.
    """
    with image_errors():
        image, header = open_within(data, max_megapixels)
        divisor = 1
        if longest is not None:
            divisor = next((d for d in _DIVISORS if -(-max(image.size) // d) >= longest), 1)
        return _load(data, image, header, divisor)


def decode_at(data: bytes, scale: float) -> Decoded:
    """Bytes that were decoded before -> pixels of at least that scale, no larger than needed; raises ImageError."""
    with image_errors():
        image = open_image(data)
        return _load(data, image, _header(image, data), next((d for d in _DIVISORS if 1 / d >= scale), 1))


def from_pil(image: Image.Image) -> Pixels:
    """A PIL image, opened or made in memory -> upright RGB pixels (h, w, 3); raises ImageError."""
    with image_errors():
        return pixels_of(flatten(ImageOps.exif_transpose(image)))


def open_within(data: bytes, max_megapixels: float) -> tuple[ImageFile.ImageFile, Header]:
    """Bytes -> the picture, not decoded yet, and its header; raises ImageError where it is larger than that."""
    image = open_image(data)
    header = _header(image, data)
    megapixels = header.width * header.height / 1e6
    if megapixels > max_megapixels:
        size = f"{header.width} x {header.height} is {megapixels:.4g} megapixels"
        raise ImageError(Reason.TOO_LARGE, f"{size}, over the limit of {max_megapixels:g}")
    return image, header


def _header(image: ImageFile.ImageFile, data: bytes) -> Header:
    orientation = read_orientation(image, data)
    width, height = image.size
    if swaps_sides(remaining_orientation(image, orientation)):
        width, height = height, width
    return Header(width, height, image.format or "", orientation)


def remaining_orientation(image: ImageFile.ImageFile, orientation: int) -> int:
    """What remains to be turned: Pillow gives the size of a TIFF upright, and turns its pixels itself."""
    return UPRIGHT if image.format == "TIFF" else orientation


def _load(data: bytes, image: ImageFile.ImageFile, header: Header, divisor: int) -> Decoded:
    scale = shrink_by(image, divisor)
    rgb = flatten(image)
    if ends_early(image, rgb, data, divisor):
        raise ImageError(Reason.UNREADABLE, "the file ends before the picture does")
    if scale == 1 and divisor > 1:
        width = rgb.width
        rgb = rgb.reduce(divisor)
        scale = rgb.width / width
    rgb = upright(rgb, remaining_orientation(image, header.orientation))
    return Decoded(pixels_of(rgb), header.width, header.height, scale)


@contextmanager
def image_errors() -> Iterator[None]:
    """Turn whatever Pillow raises into `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(Reason.TOO_LARGE, "claims more pixels than a photo has") from error
    except MemoryError as error:
        raise ImageError(Reason.TOO_LARGE, "there is not enough memory for it") from error
    except Exception as error:  # hostile bytes may cause any exception of any plugin
        raise ImageError(Reason.UNREADABLE, _detail(error)) from error


def _detail(error: Exception) -> str:
    first, *_ = [*_ADDRESS.sub("", str(error)).splitlines(), ""]
    return first.strip()[:_MAX_DETAIL] or type(error).__name__
