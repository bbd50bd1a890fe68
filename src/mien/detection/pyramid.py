"""A picture at decreasing sizes, and square patches cut out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
import numpy.typing as npt

from mien.types import Floats, Pixels

_STEP = 0.709
"""Scale from one level to the next, which halves the area; Zhang et al. 2016."""
_LONGEST = 32_000
"""OpenCV addresses the pixels of a picture to be warped, and the rows of the result, with 16 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A smaller picture: one of its pixels is `steps` (across, down) pixels of the original."""

    pixels: Pixels
    steps: tuple[float, float]


def pyramid(pixels: Pixels, first: float, smallest: int) -> list[Level]:
    """Pixels (h, w, 3) -> the picture itself, then it at scale `first`, and so on down.

    The last level's shorter side is at least `smallest`. A level is made from the one two before it, at half its size,
    where bilinear is as good as a mean over the area and many times as fast.
    """
    height, width = pixels.shape[:2]
    whole = min(1.0, _LONGEST / max(height, width, 1))
    levels = [_level(pixels, pixels, whole)]
    scale = min(first, whole)
    while min(height, width) * scale >= smallest:
        levels.append(_level(pixels, levels[-2 if len(levels) > 2 else -1].pixels, scale))
        scale *= _STEP
    return levels


def _level(picture: Pixels, source: Pixels, scale: float) -> Level:
    height, width = picture.shape[:2]
    if scale == 1:
        return Level(picture, (1.0, 1.0))
    rows, columns = ceil(height * scale), ceil(width * scale)
    # Bilinear skips pixels when it shrinks to less than half.
    interpolation = cv2.INTER_AREA if source.shape[0] > 2.1 * rows else cv2.INTER_LINEAR
    pixels = np.asarray(cv2.resize(source, (columns, rows), interpolation=interpolation), dtype=np.uint8)
    return Level(pixels, (width / columns, height / rows))


def patches(levels: Sequence[Level], squares: Floats, size: int) -> Pixels:
    """Squares (n, 4) in pixels of the picture -> (n, size, size, 3), black outside of it.

    Each is cut from the smallest level that still has a pixel for each of the patch's, so that bilinear sampling is
    sharp and free of aliasing.
    """
    result = np.empty((len(squares), size, size, 3), np.uint8)
    sides = squares[:, 2] - squares[:, 0]
    enough = sides[:, None] >= size * np.array([level.steps[0] for level in levels])
    number = np.maximum(enough.sum(axis=1) - 1, 0)
    middles = np.asarray((np.arange(size) + 0.5) / size, dtype=np.float32)
    across = squares[:, :1] + sides[:, None] * middles
    down = squares[:, 1:2] + sides[:, None] * middles
    for i in np.unique(number).tolist():
        chosen = np.flatnonzero(number == i)
        for part in np.split(chosen, range(_LONGEST // size, len(chosen), _LONGEST // size)):
            result[part] = _cut(levels[i], across[part], down[part])
    return result


def _cut(level: Level, across: Floats, down: Floats) -> Pixels:
    n, size = across.shape
    x, y = across / np.float32(level.steps[0]) - 0.5, down / np.float32(level.steps[1]) - 0.5
    maps = np.empty((2, n, size, size), np.float32)
    maps[0], maps[1] = x[:, None, :], y[:, :, None]
    columns, rows = maps.reshape(2, n * size, size)
    cut = cv2.remap(level.pixels, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(cut, dtype=np.uint8).reshape(n, size, size, 3)


def to_planes(pixels: npt.NDArray[np.uint8], mean: float, scale: float) -> Floats:
    """Pixels (h, w, 3) or (n, h, w, 3) -> ([n,] 3, h, w) float32, (value - mean) * scale."""
    planes = pixels.transpose((0, 3, 1, 2) if pixels.ndim == 4 else (2, 0, 1))
    result = np.empty(planes.shape, np.float32)
    np.multiply(planes, np.float32(scale), out=result)
    result -= np.float32(mean * scale)  # in place: fresh memory costs more than the sum
    return result
