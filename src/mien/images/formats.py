"""Recognises formats by their first bytes, opens pictures without decoding them, reads and states their orientation.

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


_CLOCKWISE: Final = {1: 6, 6: 3, 3: 8, 8: 1, 2: 7, 7: 4, 4: 5, 5: 2}
"""Each orientation -> that of the same picture after another 90 degrees clockwise."""


def turned_by(orientation: int, degrees: int) -> int:
    """The orientation that turns the upright picture by a multiple of 90 degrees clockwise as well."""
    for _ in range(degrees // 90 % 4):
        orientation = _CLOCKWISE[orientation]
    return orientation


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


# Stating an orientation in a JPEG or a TIFF.

_EXIF: Final = b"Exif\0\0"
_JFIF: Final = 0xE0
_APP1: Final = 0xE1
_SCAN: Final = 0xDA
_MAX_SEGMENT: Final = 0xFFFF - 2
_NO_TAGS: Final = b"MM\0*\0\0\0\x08\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_ORIENTATION: Final = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>)\s*)[1-8]""")


def state_orientation(data: bytes, orientation: int) -> bytes:
    """A JPEG or TIFF -> the same file with that orientation among its tags; all else stays as it is.

    XMP follows where it states one. Raises ValueError where the tags are not in one piece, have no room, or, in a TIFF,
    are of another version.
    """
    if not data.startswith(b"\xff\xd8"):
        return _with_orientation(data, orientation)
    segments, end = _header_segments(data)
    blocks = [i for i, (marker, content) in enumerate(segments) if marker == _APP1 and content.startswith(_EXIF)]
    if len(blocks) > 1:
        raise ValueError("the EXIF block is spread over several segments")
    for i, (marker, content) in enumerate(segments):
        if marker == _APP1 and content.startswith(_XMP):
            segments[i] = (marker, _XMP_ORIENTATION.sub(rb"\g<1>%d" % orientation, content))
    if blocks:
        try:
            tags = _with_orientation(segments[blocks[0]][1].removeprefix(_EXIF), orientation)
        except ValueError:  # nobody can read them
            tags = _with_orientation(_NO_TAGS, orientation)
        segments[blocks[0]] = (_APP1, _EXIF + tags)
    else:
        first = int(bool(segments) and segments[0][0] == _JFIF)  # JFIF wants to be first
        segments.insert(first, (_APP1, _EXIF + _with_orientation(_NO_TAGS, orientation)))
    if any(len(content) > _MAX_SEGMENT for _, content in segments):
        raise ValueError("the EXIF block has no room for an orientation")
    head = (struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in segments)
    return data[:2] + b"".join(head) + data[end:]


def _header_segments(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """The segments of a JPEG before its tables and pixels, as marker and content, and where the rest begins.

    Only application data and comments are taken apart, so that the rest is copied as it is.
    """
    segments, at = [], 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        if data[at + 1] == 0xFF:  # a filler
            at += 1
            continue
        marker, length = struct.unpack_from(">BH", data, at + 1)
        if not (_JFIF <= marker <= 0xEF or marker == 0xFE) or length < 2 or at + 2 + length > len(data):
            break
        segments.append((marker, data[at + 4 : at + 2 + length]))
        at += 2 + length
    return segments, at


def _with_orientation(tiff: bytes, orientation: int) -> bytes:
    """A TIFF, or what is in an EXIF block -> the same with that orientation; raises ValueError for what is neither.

    A directory without one is written again at the end, so that whatever is addressed by its place stays there.
    """
    try:
        order = {b"II*\0": "<", b"MM\0*": ">"}[tiff[:4]]
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        places = [start + 2 + 12 * i for i in range(count)]
        tags = [struct.unpack_from(order + "H10x", tiff, place)[0] for place in places]
    except (KeyError, struct.error) as error:
        raise ValueError("these are no tags") from error
    entry = struct.pack(order + "HHIHH", _TAG, _SHORT, 1, orientation, 0)
    if _TAG in tags:
        place = places[tags.index(_TAG)]
        return tiff[:place] + entry + tiff[place + 12 :]
    entries = sorted([*zip(tags, (tiff[place : place + 12] for place in places), strict=True), (_TAG, entry)])
    following = tiff[start + 2 + 12 * count :][:4].ljust(4, b"\0")  # where the directory of the thumbnail is
    tiff += bytes(len(tiff) % 2)
    directory = struct.pack(order + "H", count + 1) + b"".join(content for _, content in entries) + following
    return tiff[:4] + struct.pack(order + "I", len(tiff)) + tiff[8:] + directory
