"""EXIF's orientation tag, and turning pictures upright; broken EXIF blocks count as upright."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from PIL import Image, ImageFile

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
