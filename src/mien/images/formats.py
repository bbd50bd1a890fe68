"""Knows the formats by their first bytes, and opens a picture without decoding it; knows no limit and no colour.

The plugins of Pillow are called one by one and not through `Image.open`: no bytes can start any other plugin (the one
for EPS runs ghostscript), and Pillow's own limit on pixels, a global that warns or refuses, stays out of it.
"""

from __future__ import annotations

import io
import logging
import re
import struct
import warnings
from typing import Final

from PIL import ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.IcoImagePlugin import IcoImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from mien.images.values import ImageError
from mien.types import Reason

_PLUGINS: Final[tuple[tuple[re.Pattern[bytes], type[ImageFile.ImageFile]], ...]] = (
    (re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImageFile),
    (re.compile(rb"GIF8[79]a"), GifImageFile),
    (re.compile(rb"BM"), BmpImageFile),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    (re.compile(rb"P[1-6]\s"), PpmImageFile),
    (re.compile(rb"\x00\x00\x01\x00"), IcoImageFile),
    (re.compile(rb"....ftyp(avif|avis|mif1)", re.DOTALL), AvifImageFile),
)
_KNOWN: Final = "not a JPEG, PNG, WebP, GIF, BMP, TIFF, PBM, PGM, PPM, ICO or AVIF file"

_ICON_SIDE: Final = 256
_ICON_ENTRY: Final = struct.Struct("<BBBBHHII")

# Pillow logs what it thinks of odd TIFFs; without any handler Python would print that.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_REMARKS: Final = r"PIL\.(Tiff|Png)ImagePlugin"
_FILTER: Final = ("ignore", None, UserWarning, re.compile(_REMARKS), 0)


def open_image(data: bytes) -> ImageFile.ImageFile:
    """Bytes -> picture with its header read and nothing decoded (icons of at most 256 px apart).

    Raises:
        ImageError: no bytes, or no format that is known here.
        Exception: whatever a plugin meets in a broken header.
    """
    if not data:
        raise ImageError(Reason.EMPTY, "no bytes")
    _ignore_remarks()
    for signature, plugin in _PLUGINS:
        if signature.match(data):
            return _open_icon(data) if plugin is IcoImageFile else plugin(io.BytesIO(data))
    raise ImageError(Reason.UNREADABLE, _KNOWN)


def _ignore_remarks() -> None:
    """Keep Pillow from warning of odd EXIF blocks and broken animations: the picture is fine without them.

    Set once and left, since `warnings.catch_warnings` must not be used with threads; set again where other filters
    have come before it.
    """
    if not warnings.filters or warnings.filters[0] != _FILTER:
        warnings.filterwarnings("ignore", category=UserWarning, module=_REMARKS)


def _open_icon(data: bytes) -> ImageFile.ImageFile:
    """The largest picture of an icon, of these the one with most colours.

    Pillow decodes an icon while opening it, whatever size the embedded picture claims; so a PNG goes its own way, and a
    bitmap has to keep to the 256 px that the format allows.
    """
    (count,) = struct.unpack_from("<H", data, 4)
    entries = [_ICON_ENTRY.unpack_from(data, 6 + _ICON_ENTRY.size * i) for i in range(count)]
    if not entries:
        raise ImageError(Reason.UNREADABLE, "ICO: holds no picture")
    width, height, colours, _, planes, bits, size, offset = max(
        entries, key=lambda entry: ((entry[0] or _ICON_SIDE) * (entry[1] or _ICON_SIDE), entry[5])
    )
    picture = data[offset : offset + size]
    if picture.startswith(b"\x89PNG"):
        return PngImageFile(io.BytesIO(picture))
    claimed = struct.unpack_from("<ii", picture, 4)
    if not (0 < claimed[0] <= _ICON_SIDE and 0 < claimed[1] <= 2 * _ICON_SIDE):
        raise ImageError(Reason.UNREADABLE, "ICO: the picture inside is larger than an icon can be")
    alone = _ICON_ENTRY.pack(width, height, colours, 0, planes, bits, len(picture), 6 + _ICON_ENTRY.size)
    return IcoImageFile(io.BytesIO(b"\0\0\1\0\1\0" + alone + picture))
