"""Encoded bytes -> upright RGB pixels, within a limit, or a reason; knows no path and no stage.

One decoder for all formats, Pillow: OpenCV reads a 250 px JPEG 0.06 ms faster and a large one at half size no faster
to speak of, but fills what is missing of a truncated file with grey, and libjpeg then prints to stderr.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image, ImageFile

from mien.images.colour import flatten, pixels_of
from mien.images.formats import open_image
from mien.images.jpeg import ends_early, shrink_by
from mien.images.orientation import UPRIGHT, lies, orientation, upright
from mien.images.values import Decoded, Header, ImageError
from mien.types import Reason

_DIVISORS: Final = (8, 4, 2)
"""What libjpeg can divide the size by while decoding, on its way out of the DCT."""

_ADDRESS: Final = re.compile(r"\s*\bat 0x[0-9a-fA-F]+")
_DETAIL: Final = 120


def read_header(data: bytes) -> Header:
    """Bytes -> upright size, format and orientation, without decoding.

    Raises:
        ImageError: empty or unreadable.
    """
    with _explained():
        return _header(open_image(data), data)


def decode(data: bytes, *, longest: int | None = None, max_megapixels: float) -> Decoded:
    """Bytes -> pixels (h, w, 3) RGB, upright.

    Pixels come at 1/2, 1/4 or 1/8 as long as the longest side keeps `longest` pixels: a JPEG is decoded so, others are
    averaged afterwards; `longest` None gives full size. More than `max_megapixels` at full size are refused before
    anything is decoded.

    Raises:
        ImageError: empty, unreadable (truncated too) or too large.
    """
    with _explained():
        image = open_image(data)
        header = _header(image, data)
        _refuse_above(max_megapixels, header)
        divisor = 1
        if longest is not None:
            divisor = next((d for d in _DIVISORS if -(-max(image.size) // d) >= longest), 1)
        return _load(data, image, header, divisor)


def decode_at(data: bytes, scale: float) -> Decoded:
    """Bytes -> pixels of at least that scale, no larger than needed; for bytes that were decoded once already.

    Raises:
        ImageError: empty or unreadable.
    """
    with _explained():
        image = open_image(data)
        return _load(data, image, _header(image, data), next((d for d in _DIVISORS if 1 / d >= scale), 1))


def _header(image: ImageFile.ImageFile, data: bytes) -> Header:
    turn = orientation(image, data)
    width, height = image.size
    if lies(_turn_left(image, turn)):
        width, height = height, width
    return Header(width, height, image.format or "", turn)


def _turn_left(image: ImageFile.ImageFile, turn: int) -> int:
    """The turn that is left to us: Pillow gives the size of a TIFF upright, and turns its pixels by itself."""
    return UPRIGHT if image.format == "TIFF" else turn


def _refuse_above(max_megapixels: float, header: Header) -> None:
    megapixels = header.width * header.height / 1e6
    if megapixels > max_megapixels:
        raise ImageError(
            Reason.TOO_LARGE,
            f"{header.width} x {header.height} is {megapixels:.4g} megapixels, over the limit of {max_megapixels:g}",
        )


def _load(data: bytes, image: ImageFile.ImageFile, header: Header, divisor: int) -> Decoded:
    scale = shrink_by(image, divisor)
    rgb = flatten(image)
    if ends_early(image, rgb, data, divisor):
        raise ImageError(Reason.UNREADABLE, "the file ends before the picture does")
    if scale == 1 and divisor > 1:
        width = rgb.width
        rgb = rgb.reduce(divisor)
        scale = rgb.width / width
    rgb = upright(rgb, _turn_left(image, header.orientation))
    return Decoded(pixels_of(rgb), header.width, header.height, scale)


@contextmanager
def _explained() -> Iterator[None]:
    """Whatever Pillow raises -> `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(Reason.TOO_LARGE, "claims more pixels than a photo has") from error
    except MemoryError as error:
        raise ImageError(Reason.TOO_LARGE, "there is not enough memory for it") from error
    except Exception as error:  # hostile bytes bring out any exception of any plugin
        raise ImageError(Reason.UNREADABLE, _detail(error)) from error


def _detail(error: Exception) -> str:
    lines = _ADDRESS.sub("", str(error)).splitlines()
    return lines[0].strip()[:_DETAIL] if lines and lines[0].strip() else type(error).__name__
