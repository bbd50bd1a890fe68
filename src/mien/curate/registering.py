"""Lays one small picture over another and says how well they agree; knows pixels, and nothing of photos or labels.

A picture is a sum of cosines (its DCT), which can be looked at anywhere between its pixels, stretched and moved, with
exact slopes. Stretch and shift of both axes, contrast and brightness are fitted by Gauss-Newton (Lucas and Kanade 1981;
Baker and Matthews 2004), from coarse waves to fine ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mien.curate.shown import THUMB
from mien.types import Floats, Ints, Pixels

_AT_ONCE = 256
_CENTRE = THUMB / 2
_EDGE = 2  # pixels at the rim that are not compared: coarse waves mix them with what lies outside
_FARTHEST = np.array([0.25, 0.25, 10, 10], np.float32)  # from where the search began: stretch as a logarithm, pixels
_STRIDE = np.array([0.1, 0.1, 4, 4], np.float32)
_FAINTEST = 0.2  # contrast of one picture against the other: what lies below is fitted to nothing
_DARKEST, _BRIGHTEST = 4, 250  # beyond, a picture that was darkened or brightened has lost its contrast
_PARTS = 8


class _Round(NamedTuple):
    """A part of the search: so many waves, looked at in so many points an axis, so many steps, and who goes on."""

    waves: int
    points: int
    steps: int
    least: float


_ROUNDS = (_Round(5, 16, 3, 0.65), _Round(8, 16, 4, 0.8), _Round(16, 32, 4, 0.94), _Round(32, 64, 3, 0.9))
"""Of 1,500 photos and their copies cropped by 2.5 to 5 % a side, 99 % leave these rounds with a correlation of more
than 0.83, 0.84 and 0.96; of the nearest other photos of faces, one in twenty goes on to the last."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which pictures may show the same, in columns of m rows, and how the second one lies over the first.

    first, second: their rows. mirrored: whether the second one is turned about. place (m, 4): logarithm of the stretch
    along x and y, shift along x and y in pixels: from the middle, where a point of the first lies in the second.
    """

    first: Ints
    second: Ints
    mirrored: npt.NDArray[np.bool_]
    place: Floats

    def __len__(self) -> int:
        return len(self.first)

    def rows(self, chosen: npt.NDArray[np.generic] | slice) -> Pairs:
        """Some of them."""
        return Pairs(self.first[chosen], self.second[chosen], self.mirrored[chosen], self.place[chosen])


def waves(pictures: Pixels, count: int, window: float = 1.0) -> Floats:
    """Pictures (n, THUMB, THUMB) -> (n, count, count), the coarsest coefficients of their DCT, rows first.

    window: of each side, the share around the middle that is looked at, as if the rest had been cropped away.
    """
    centres = np.arange(THUMB, dtype=np.float32) + 0.5
    looked = _CENTRE + (centres - _CENTRE) * np.float32(window)
    between = np.maximum(0, 1 - np.abs(looked[:, None] - centres[None]))
    table = (_cosines(centres[None], count)[0][0].T @ between).astype(np.float32)
    parts = [_twice(table, pictures[i : i + 1024]) for i in range(0, len(pictures), 1024)]
    return np.concatenate(parts) if parts else np.empty((0, count, count), np.float32)


def register(pictures: Pixels, pairs: Pairs) -> Pairs:
    """Pictures (n, THUMB, THUMB) and which of them -> those pairs of which one fits over the other, with its place."""
    chosen, places = [np.empty(0, np.int64)], [np.empty((0, 4), np.float32)]
    for i in range(0, len(pairs), _AT_ONCE):
        rows = np.arange(i, min(i + _AT_ONCE, len(pairs)))
        place = pairs.place[rows]
        for part in _ROUNDS:
            some = pairs.rows(rows)
            first, second = (waves(each, part.waves) for each in _both(pictures, some))
            place = _fitted(first, second, place, some.place, part)
            fits = _correlation(first, second, place, part.points) >= part.least
            rows, place = rows[fits], place[fits]
            if not len(rows):
                break
        chosen.append(rows)
        places.append(place)
    kept = pairs.rows(np.concatenate(chosen))
    return Pairs(kept.first, kept.second, kept.mirrored, np.concatenate(places))


def overlaid(pictures: Pixels, pairs: Pairs) -> tuple[Floats, Floats, Floats]:
    """Registered pairs -> the first pictures, the second ones laid over them, and 1 where both can be seen.

    All are (m, THUMB, THUMB); the pixels at the rims of both pictures count as not seen.
    """
    first, second = _both(pictures, pairs)
    grid = (np.arange(THUMB) + 0.5 - _CENTRE).astype(np.float32)
    x, y = _moved(grid, pairs.place)
    rim = _weight(grid[None] + np.float32(_CENTRE), grid[None] + np.float32(_CENTRE))
    return first.astype(np.float32), _laid(waves(second, THUMB), x, y), _weight(x, y) * rim


def _both(pictures: Pixels, pairs: Pairs) -> tuple[Pixels, Pixels]:
    second = pictures[pairs.second]
    return pictures[pairs.first], np.where(pairs.mirrored[:, None, None], second[:, :, ::-1], second)


def _twice(table: Floats, pictures: npt.NDArray[np.floating | np.integer]) -> Floats:
    """A table (..., k, n) along both axes of pictures (..., n, n) -> (..., k, k)."""
    return np.asarray(np.matmul(np.matmul(table, np.asarray(pictures, np.float32)), table.swapaxes(-1, -2)), np.float32)


def _cosines(places: Floats, count: int) -> tuple[Floats, Floats]:
    """Places (b, n) along an axis -> the waves there (b, n, count), and their slopes."""
    speed = np.arange(count, dtype=np.float32) * np.float32(np.pi / THUMB)
    height = np.full(count, np.sqrt(2 / THUMB), np.float32)
    height[0] = np.sqrt(1 / THUMB)
    phase = places[:, :, None].astype(np.float32) * speed
    return np.cos(phase) * height, np.sin(phase) * (-speed * height)


def _points(count: int) -> Floats:
    """So many places along an axis, from the middle, the rim left out."""
    inside = THUMB - 2 * _EDGE
    return ((np.arange(count) + 0.5) * (inside / count) - inside / 2).astype(np.float32)


def _moved(points: Floats, place: Floats) -> tuple[Floats, Floats]:
    """Points of the first picture, from its middle -> where they lie in the second, along x and along y (b, n)."""
    x, y = (points * np.exp(place[:, i : i + 1]) for i in (0, 1))
    return x + place[:, 2:3] + np.float32(_CENTRE), y + place[:, 3:4] + np.float32(_CENTRE)


def _seen(coefficients: Floats, points: Floats) -> Floats:
    """Coefficients (b, k, k) -> the picture in a grid of points, from its middle (b, n, n)."""
    return _twice(_cosines(points[None] + np.float32(_CENTRE), coefficients.shape[-1])[0], coefficients)


def _fitted(first: Floats, second: Floats, place: Floats, start: Floats, part: _Round) -> Floats:
    """Where the second pictures lie over the first ones, improved by some steps."""
    points = _points(part.points)
    wanted = _seen(first, points).reshape(len(first), -1, 1)
    for _ in range(part.steps):
        table = _slopes(second, points, place)
        squares = np.matmul(table, table.swapaxes(1, 2)).astype(np.float64)
        damped = squares + np.eye(6) * (1e-3 * np.einsum("bii->bi", squares) + 1e-3)[:, :, None]
        answer = np.linalg.solve(damped, np.matmul(table, wanted).astype(np.float64))[:, :, 0]
        contrast = np.maximum(answer[:, 4:5], _FAINTEST)
        step = np.clip(answer[:, :4] / contrast, -_STRIDE, _STRIDE).astype(np.float32)
        place = start + np.clip(place + step - start, -_FARTHEST, _FARTHEST)
    return place


def _slopes(second: Floats, points: Floats, place: Floats) -> Floats:
    """How the pictures change with each part of the place, their contrast and their brightness (b, 6, n * n)."""
    x, y = _moved(points, place)
    (wave_x, slope_x), (wave_y, slope_y) = (_cosines(each, second.shape[-1]) for each in (x, y))
    rows, columns = np.matmul(wave_y, second), wave_x.swapaxes(1, 2)
    laid, along_x = np.matmul(rows, columns), np.matmul(rows, slope_x.swapaxes(1, 2))
    along_y = np.matmul(np.matmul(slope_y, second), columns)
    from_x, from_y = (x - place[:, 2:3] - _CENTRE)[:, None, :], (y - place[:, 3:4] - _CENTRE)[:, :, None]
    parts = [along_x * from_x, along_y * from_y, along_x, along_y, laid, np.ones_like(laid)]
    return np.asarray((np.stack(parts, 1) * _weight(x, y)[:, None]).reshape(len(x), 6, -1), np.float32)


def _correlation(first: Floats, second: Floats, place: Floats, points: int) -> Floats:
    """How the pictures correlate as they lie now (b,)."""
    grid = _points(points)
    x, y = _moved(grid, place)
    weight = _weight(x, y)
    one, other = (each - mean(each, weight) for each in (_seen(first, grid), _laid(second, x, y)))
    return correlation(one, other, weight)


def _laid(coefficients: Floats, x: Floats, y: Floats) -> Floats:
    """Pictures as they are seen at places (b, n) along x and along y (b, n, n)."""
    count = coefficients.shape[-1]
    rows = np.matmul(_cosines(y, count)[0], coefficients)
    return np.asarray(np.matmul(rows, _cosines(x, count)[0].swapaxes(1, 2)), np.float32)


def _weight(x: Floats, y: Floats) -> Floats:
    """Places along x and along y -> 1 where there is something to compare, 0 outside and at the rim (b, n, n)."""
    inside = [(each >= _EDGE) & (each <= THUMB - _EDGE) for each in (y, x)]
    return (inside[0][:, :, None] & inside[1][:, None, :]).astype(np.float32)


def mean(values: Floats, weight: Floats) -> Floats:
    """Pictures (b, n, n) and the weights of their pixels -> the mean of each (b, 1, 1)."""
    total = np.maximum(weight.sum((1, 2), keepdims=True), 1)
    return np.asarray((values * weight).sum((1, 2), keepdims=True) / total, np.float32)


def correlation(one: Floats, other: Floats, weight: Floats) -> Floats:
    """Pictures freed of their mean, and the weights of their pixels -> how far they go together, -1 to 1 (b,)."""
    scale = np.sqrt(mean(one * one, weight) * mean(other * other, weight))
    return np.asarray(mean(one * other, weight) / np.maximum(scale, 1e-3), np.float32)[:, 0, 0]
