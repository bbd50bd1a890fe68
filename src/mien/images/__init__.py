"""Encoded pictures in, RGB pixels out, and back; the one room that knows file formats, EXIF and colour modes.

The names below are loaded on first use, because Pillow stands behind them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mien.images.values import Decoded, Header, ImageError

if TYPE_CHECKING:
    from mien.images.drawing import draw
    from mien.images.reading import decode, read_header
    from mien.images.resizing import coarse
    from mien.images.sheet import captioned_sheet, contact_sheet
    from mien.images.stage import Decode, read, sharper
    from mien.images.writing import encode, thumbnail
else:
    _HOMES = {
        "Decode": "stage",
        "captioned_sheet": "sheet",
        "coarse": "resizing",
        "contact_sheet": "sheet",
        "decode": "reading",
        "draw": "drawing",
        "encode": "writing",
        "read": "stage",
        "read_header": "reading",
        "sharper": "stage",
        "thumbnail": "writing",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "Decode",
    "Decoded",
    "Header",
    "ImageError",
    "captioned_sheet",
    "coarse",
    "contact_sheet",
    "decode",
    "draw",
    "encode",
    "read",
    "read_header",
    "sharper",
    "thumbnail",
]
