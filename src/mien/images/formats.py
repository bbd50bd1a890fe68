"""Recognises formats by their first bytes, opens pictures without decoding them, and reads their orientation.

Pillow's plugins are called directly and not through `Image.open`, so that no bytes can start any other plugin (the one
for EPS runs ghostscript), and Pillow's own global limit on pixels does not apply.
"""

from __future__ import annotations

import io
import logging
import re
import struct
import warnings
import zlib
from typing import Final

from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.IcoImagePlugin import IcoImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from mien.images import ImageError
from mien.images.colour import flatten
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
_UNKNOWN_FORMAT: Final = "not a JPEG, PNG, WebP, GIF, BMP, TIFF, PBM, PGM, PPM, ICO or AVIF file"

_JPEG_GREY: Final = 128
_JPEG_GREY_RANGE: Final = 4
"""How far libjpeg's smoothing changes the grey of an unfinished progressive JPEG."""
_JPEG_END: Final = b"\xff\xd9"
_JPEG_FILLER: Final = bytes(range(1, 255)) * 4

_ICON_SIDE: Final = 256
_ICON_ENTRY: Final = struct.Struct("<BBBBHHII")

# Pillow logs remarks on odd TIFFs; without any handler Python would print them.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_MODULES: Final = r"PIL\.(Tiff|Png)ImagePlugin"
_WARNING_FILTER: Final = ("ignore", None, UserWarning, re.compile(_MODULES), 0)


def open_image(data: bytes) -> ImageFile.ImageFile:
    """Bytes -> a picture with its header read and nothing decoded (except icons of at most 256 px).

    Raises ImageError over no bytes or an unknown format, and whatever a plugin raises over a broken header.
    """
    if not data:
        raise ImageError(Reason.EMPTY, "no bytes")
    _ignore_warnings()
    for signature, plugin in _PLUGINS:
        if signature.match(data):
            return _open_icon(data) if plugin is IcoImageFile else plugin(io.BytesIO(data))
    raise ImageError(Reason.UNREADABLE, _UNKNOWN_FORMAT)


def _ignore_warnings() -> None:
    """Keep Pillow from warning of odd EXIF blocks and broken animations: the picture is fine without them.

    The filter stays, since `warnings.catch_warnings` is not safe with threads; it is set again if others precede it.
    """
    if not warnings.filters or warnings.filters[0] != _WARNING_FILTER:
        warnings.filterwarnings("ignore", category=UserWarning, module=_MODULES)


def _open_icon(data: bytes) -> ImageFile.ImageFile:
    """The largest picture of an icon, among equals the one with most colours.

    Pillow decodes an icon while opening it, whatever size the embedded picture claims; so PNGs are opened directly, and
    bitmaps must keep to the 256 px that the format allows.
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
    entry = _ICON_ENTRY.pack(width, height, colours, 0, planes, bits, len(picture), 6 + _ICON_ENTRY.size)
    return IcoImageFile(io.BytesIO(b"\0\0\1\0\1\0" + entry + picture))


def shrink_by(image: ImageFile.ImageFile, divisor: int) -> float:
    """Let an opened JPEG be decoded at 1 / divisor (1, 2, 4 or 8) -> the resulting scale; 1 for other formats."""
    if divisor == 1 or not isinstance(image, JpegImageFile):
        return 1.0
    width, height = image.size
    drafted = image.draft(None, (max(1, width // divisor), max(1, height // divisor)))
    return drafted[1][2] / width if drafted else 1.0


def ends_early(image: ImageFile.ImageFile, rgb: Image.Image, data: bytes, divisor: int) -> bool:
    """Whether a decoded JPEG's end marker comes before its last pixels, which libjpeg then fills with grey.

    If the last pixel is of that grey, the picture is decoded again with more bytes before the marker: they change it
    only if bytes were missing. A progressive JPEG that stops at a coarser but complete picture passes.
    """
    right, bottom = rgb.size
    last = rgb.crop((right - 1, bottom - 1, right, bottom)).tobytes()
    ends_grey = all(abs(value - _JPEG_GREY) <= _JPEG_GREY_RANGE for value in last)
    if not isinstance(image, JpegImageFile) or not ends_grey:
        return False
    end = len(data[: data.rfind(_JPEG_END)].rstrip(b"\xff"))
    longer = JpegImageFile(io.BytesIO(data[:end] + _JPEG_FILLER + data[end:]))
    shrink_by(longer, divisor)
    return flatten(longer).tobytes() != rgb.tobytes()


UPRIGHT: Final = 1
_TAG: Final = 0x0112
_SHORT: Final = 3

# EXIF 2.32, 4.6.4 A, "Orientation": which edge of the stored picture is the top, which the left.
_TRANSPOSITIONS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_orientation(image: ImageFile.ImageFile, data: bytes) -> int:
    """An opened picture and its bytes -> its orientation, 1 to 8; 1 where none is stated."""
    if image.format == "TIFF":
        value = getattr(image, "tag_v2", {}).get(_TAG)
        return value if isinstance(value, int) and value in _TRANSPOSITIONS else UPRIGHT
    block = image.info.get("exif")
    if block is None and image.format == "PNG":
        block = _trailing_exif(data)
    return orientation_in_exif(block) if isinstance(block, bytes) else UPRIGHT


def swaps_sides(orientation: int) -> bool:
    """Whether turning upright swaps width and height."""
    return orientation > 4


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """A picture of that orientation -> the upright picture."""
    return image.transpose(_TRANSPOSITIONS[orientation]) if orientation in _TRANSPOSITIONS else image


def orientation_in_exif(block: bytes) -> int:
    """An EXIF block, with or without its "Exif" prefix -> 1 to 8; 1 where the block is broken or states none."""
    tiff = block.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for i in range(count):
            tag, kind, _, value, _ = struct.unpack_from(order + "HHIHH", tiff, directory + 2 + 12 * i)
            if tag == _TAG:
                return value if kind == _SHORT and value in _TRANSPOSITIONS else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT


def _trailing_exif(data: bytes) -> bytes | None:
    """The EXIF chunk after a PNG's pixels, which opening does not reach; its checksum proves that it is one."""
    start = data.rfind(b"eXIf")
    if start < 4:
        return None
    end = start + 4 + int.from_bytes(data[start - 4 : start], "big")
    intact = zlib.crc32(data[start:end]).to_bytes(4, "big") == data[end : end + 4]
    return data[start + 4 : end] if intact else None
