"""What reading a picture yields, and how it fails; knows no library."""

from __future__ import annotations

from dataclasses import dataclass

from mien.types import Pixels, Reason


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture says of itself before it is decoded.

    `width` and `height` are those of the upright picture; `orientation` is EXIF's, 1 to 8; `format` is Pillow's word
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
