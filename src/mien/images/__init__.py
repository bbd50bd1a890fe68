"""Encoded pictures to RGB pixels, and back; the one room that knows file formats, EXIF and colour modes.

The names from the modules below are loaded on first use, because they load Pillow.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from mien.types import Pixels, Reason

if TYPE_CHECKING:
    from mien.images.reading import decode, read_header
    from mien.images.stage import Decode, pixels_at_scale, read
    from mien.images.writing import captioned_sheet, contact_sheet, degrade, draw, encode, thumbnail, tint, turn
else:
    _MODULES = {
        "reading": ("decode", "read_header"),
        "stage": ("Decode", "pixels_at_scale", "read"),
        "writing": ("captioned_sheet", "contact_sheet", "degrade", "draw", "encode", "thumbnail", "tint", "turn"),
    }

    def __getattr__(name: str) -> object:
        for module, names in _MODULES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Decode",
    "Decoded",
    "Header",
    "ImageError",
    "captioned_sheet",
    "contact_sheet",
    "decode",
    "degrade",
    "draw",
    "encode",
    "pixels_at_scale",
    "read",
    "read_header",
    "thumbnail",
    "tint",
    "turn",
]


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a picture before it is decoded.

    `width` and `height` are those of the upright picture; `orientation` is EXIF's, 1 to 8; `format` is Pillow's name
    ("JPEG", "PNG").
    """

    width: int
    height: int
    format: str
    orientation: int


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A decoded picture: `pixels` (h, w, 3) RGB, upright, at `scale` of the full size `width` by `height`."""

    pixels: Pixels
    width: int
    height: int
    scale: float


class ImageError(Exception):
    """A picture that gives no pixels: why, and a short detail for a person."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)
