"""Photos of a data set as a check sees them, made of pixels, for tests of copies."""

from __future__ import annotations

from hashlib import sha256

import cv2
import numpy as np

from mien.curate.shown import ImageFeatures
from mien.curate.thumb import thumb
from mien.images import decode, encode
from mien.types import Origin, Pixels


def shown(
    key: str,
    pixels: Pixels,
    label: str | None = None,
    split: str | None = None,
    *,
    sharpness: float | None = None,
    group: str | None = None,
    data: bytes | None = None,
) -> ImageFeatures:
    """A photo with these pixels; with a sharpness it has a face. Files are one where their `data` are."""
    faces = 0 if sharpness is None else 1
    return ImageFeatures(
        origin=Origin(key, label, split, None, group),
        digest=sha256(data if data is not None else key.encode()).digest(),
        width=pixels.shape[1],
        height=pixels.shape[0],
        thumb=thumb(pixels),
        colour=np.empty(0, np.float32),
        boxes=np.zeros((faces, 4), np.float32),
        scores=np.ones(faces, np.float32),
        landmarks=None,
        quality={"sharpness": np.full(faces, sharpness or 0, np.float32)},
        vectors={},
        traits={},
    )


def compressed(pixels: Pixels, quality: int = 90) -> Pixels:
    """As they come out of a JPEG."""
    return decode(encode(pixels, "jpeg", quality), max_megapixels=1).pixels


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def other_photos(count: int, seed: int = 0) -> list[Pixels]:
    """Pictures of nothing, each with large and small patches of its own (96, 96, 3)."""
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        layers = [cv2.resize(draw.normal(0, 18, (n, n)), (96, 96), interpolation=cv2.INTER_CUBIC) for n in (3, 6, 24)]
        grey = np.clip(120 + sum(layers), 0, 255).astype(np.uint8)
        made.append(np.repeat(grey[:, :, None], 3, axis=2))
    return made
