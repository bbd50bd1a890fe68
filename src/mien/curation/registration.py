"""Lays one thumbnail over another, and measures how well the two agree.

A picture is a sum of cosines (its DCT), which can be evaluated anywhere between its pixels, stretched and moved, with
exact slopes. Stretch and shift along both axes, contrast and brightness are fitted by Gauss-Newton (Lucas and Kanade
1981; Baker and Matthews 2004), from coarse waves to fine ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mien.curation.features import THUMB
from mien.types import Floats, Ints, Pixels

_BLOCK = 256  # pairs at one time
_CENTRE = THUMB / 2
_EDGE = 2  # pixels at the rim that are not compared: coarse waves mix them with what lies outside
_MAX_OFFSET = np.array([0.25, 0.25, 10, 10], np.float32)  # from the start: stretch as a logarithm, shift in pixels
_MAX_STEP = np.array([0.1, 0.1, 4, 4], np.float32)
_MIN_CONTRAST = 0.2  # of one picture against the other: what lies below is fitted to nothing


class _Level(NamedTuple):
    """A level of the search: waves that are compared, points along an axis, steps, and the correlation to go on."""

    waves: int
    points: int
    steps: int
    min_correlation: float


_LEVELS = (_Level(5, 16, 3, 0.65), _Level(8, 16, 4, 0.8), _Level(16, 32, 4, 0.94), _Level(32, 64, 3, 0.9))
"""Of 1,500 photos and their copies cropped by 2.5 to 5 % a side, 99 % leave these levels with a correlation of more
than 0.83, 0.84 and 0.96; of the nearest other photos of faces, one in twenty goes on to the last."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which pictures may show the same, in columns of m rows, and how the second one lies over the first.

    first, second: their rows. mirrored: whether the second one is mirrored first. place (m, 4): logarithm of the
    stretch along x and y, shift along x and y in pixels, from a point of the first to the second, both from the middle.
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

    window: the share of each side, around the middle, that is used, as if the rest had been cropped away.
    """
    centres = np.arange(THUMB, dtype=np.float32) + 0.5
    sampled = _CENTRE + (centres - _CENTRE) * np.float32(window)
    interpolation = np.maximum(0, 1 - np.abs(sampled[:, None] - centres[None]))
    table = (_cosines(centres[None], count)[0][0].T @ interpolation).astype(np.float32)
    parts = [_along_both(table, pictures[i : i + 1024]) for i in range(0, len(pictures), 1024)]
    return np.concatenate(parts) if parts else np.empty((0, count, count), np.float32)


def register(pictures: Pixels, pairs: Pairs) -> Pairs:
    """Pictures (n, THUMB, THUMB) and candidate pairs -> those of which one fits over the other, with its place."""
    chosen, places = [np.empty(0, np.int64)], [np.empty((0, 4), np.float32)]
    for i in range(0, len(pairs), _BLOCK):
        rows = np.arange(i, min(i + _BLOCK, len(pairs)))
        place = pairs.place[rows]
        for level in _LEVELS:
            block = pairs.rows(rows)
            first, second = (waves(picture, level.waves) for picture in _pictures_of(pictures, block))
            place = _fit(first, second, place, block.place, level)
            fits = _correlation_at(first, second, place, level.points) >= level.min_correlation
            rows, place = rows[fits], place[fits]
            if not len(rows):
                break
        chosen.append(rows)
        places.append(place)
    kept = pairs.rows(np.concatenate(chosen))
    return Pairs(kept.first, kept.second, kept.mirrored, np.concatenate(places))


def overlay(pictures: Pixels, pairs: Pairs) -> tuple[Floats, Floats, Floats]:
    """Registered pairs -> the first pictures, the second ones laid over them, and 1 where both can be seen.

    All are (m, THUMB, THUMB); the pixels at the rims of both pictures count as not seen.
    """
    first, second = _pictures_of(pictures, pairs)
    grid = (np.arange(THUMB) + 0.5 - _CENTRE).astype(np.float32)
    x, y = _transform(grid, pairs.place)
    rim = _weight(grid[None] + np.float32(_CENTRE), grid[None] + np.float32(_CENTRE))
    return first.astype(np.float32), _sample(waves(second, THUMB), x, y), _weight(x, y) * rim


def _pictures_of(pictures: Pixels, pairs: Pairs) -> tuple[Pixels, Pixels]:
    second = pictures[pairs.second]
    return pictures[pairs.first], np.where(pairs.mirrored[:, None, None], second[:, :, ::-1], second)


def _along_both(table: Floats, pictures: npt.NDArray[np.floating | np.integer]) -> Floats:
    """A table (..., k, n) applied along both axes of pictures (..., n, n) -> (..., k, k)."""
    return np.asarray(np.matmul(np.matmul(table, np.asarray(pictures, np.float32)), table.swapaxes(-1, -2)), np.float32)


def _cosines(places: Floats, count: int) -> tuple[Floats, Floats]:
    """Places (b, n) along an axis -> the waves there (b, n, count), and their slopes."""
    frequency = np.arange(count, dtype=np.float32) * np.float32(np.pi / THUMB)
    amplitude = np.full(count, np.sqrt(2 / THUMB), np.float32)
    amplitude[0] = np.sqrt(1 / THUMB)
    phase = places[:, :, None].astype(np.float32) * frequency
    return np.cos(phase) * amplitude, np.sin(phase) * (-frequency * amplitude)


def _points(count: int) -> Floats:
    """So many places along an axis, from the middle, without the rim."""
    inside = THUMB - 2 * _EDGE
    return ((np.arange(count) + 0.5) * (inside / count) - inside / 2).astype(np.float32)


def _transform(points: Floats, place: Floats) -> tuple[Floats, Floats]:
    """Points of the first picture, from its middle -> where they lie in the second, along x and along y (b, n)."""
    x, y = (points * np.exp(place[:, i : i + 1]) for i in (0, 1))
    return x + place[:, 2:3] + np.float32(_CENTRE), y + place[:, 3:4] + np.float32(_CENTRE)


def _fit(first: Floats, second: Floats, place: Floats, start: Floats, level: _Level) -> Floats:
    """Where the second pictures lie over the first ones, improved by some steps."""
    points = _points(level.points)
    grid = points[None] + np.float32(_CENTRE)
    target = _sample(first, grid, grid).reshape(len(first), -1, 1)
    for _ in range(level.steps):
        jacobian = _jacobian(second, points, place)
        squares = np.matmul(jacobian, jacobian.swapaxes(1, 2)).astype(np.float64)
        damped = squares + np.eye(6) * (1e-3 * np.einsum("bii->bi", squares) + 1e-3)[:, :, None]
        solution = np.linalg.solve(damped, np.matmul(jacobian, target).astype(np.float64))[:, :, 0]
        contrast = np.maximum(solution[:, 4:5], _MIN_CONTRAST)
        step = np.clip(solution[:, :4] / contrast, -_MAX_STEP, _MAX_STEP).astype(np.float32)
        place = start + np.clip(place + step - start, -_MAX_OFFSET, _MAX_OFFSET)
    return place


def _jacobian(second: Floats, points: Floats, place: Floats) -> Floats:
    """How the pictures change with each part of the place, their contrast and their brightness (b, 6, n * n)."""
    x, y = _transform(points, place)
    (wave_x, slope_x), (wave_y, slope_y) = (_cosines(axis, second.shape[-1]) for axis in (x, y))
    rows, columns = np.matmul(wave_y, second), wave_x.swapaxes(1, 2)
    picture, along_x = np.matmul(rows, columns), np.matmul(rows, slope_x.swapaxes(1, 2))
    along_y = np.matmul(np.matmul(slope_y, second), columns)
    from_x, from_y = (x - place[:, 2:3] - _CENTRE)[:, None, :], (y - place[:, 3:4] - _CENTRE)[:, :, None]
    parts = [along_x * from_x, along_y * from_y, along_x, along_y, picture, np.ones_like(picture)]
    return np.asarray((np.stack(parts, 1) * _weight(x, y)[:, None]).reshape(len(x), 6, -1), np.float32)


def _correlation_at(first: Floats, second: Floats, place: Floats, points: int) -> Floats:
    """How the pictures correlate at a place (b,)."""
    x, y = _transform(_points(points), place)
    grid, weight = _points(points)[None] + np.float32(_CENTRE), _weight(x, y)
    left, right = (picture - _mean(picture, weight) for picture in (_sample(first, grid, grid), _sample(second, x, y)))
    return _correlation(left, right, weight)


def _sample(coefficients: Floats, x: Floats, y: Floats) -> Floats:
    """Coefficients (b, k, k) -> the pictures at places (b, n) along x and along y (b, n, n)."""
    count = coefficients.shape[-1]
    rows = np.matmul(_cosines(y, count)[0], coefficients)
    return np.asarray(np.matmul(rows, _cosines(x, count)[0].swapaxes(1, 2)), np.float32)


def _weight(x: Floats, y: Floats) -> Floats:
    """Places along x and along y -> 1 where there is something to compare, 0 outside and at the rim (b, n, n)."""
    inside = [(axis >= _EDGE) & (axis <= THUMB - _EDGE) for axis in (y, x)]
    return (inside[0][:, :, None] & inside[1][:, None, :]).astype(np.float32)


def _mean(values: Floats, weight: Floats) -> Floats:
    """Pictures (b, n, n) and the weights of their pixels -> the mean of each (b, 1, 1)."""
    total = np.maximum(weight.sum((1, 2), keepdims=True), 1)
    return np.asarray((values * weight).sum((1, 2), keepdims=True) / total, np.float32)


def _correlation(first: Floats, second: Floats, weight: Floats) -> Floats:
    """Pictures of mean 0, and the weights of their pixels -> their correlation, -1 to 1 (b,)."""
    scale = np.sqrt(_mean(first * first, weight) * _mean(second * second, weight))
    return np.asarray(_mean(first * second, weight) / np.maximum(scale, 1e-3), np.float32)[:, 0, 0]


# How well registered pictures agree.

_PARTS = 8  # along an axis
_MIN_SEEN = 24  # pixels of a part that must be seen in both, of 64
_DARKEST, _BRIGHTEST = 4, 250  # beyond, a picture that was darkened or brightened has lost its contrast
_BLUR = 0.75  # of the coarser picture's own pixels: what its compression changes most is left out


@dataclass(frozen=True, slots=True)
class Agreement:
    """How m pairs of pictures agree.

    correlation (m,): of their local contrast, -1 to 1. worst (m,): the largest error of any eighth by eighth of the
    picture, relative to its contrast: near 0 where all is the same, above 1 where something else stands. seen (m,): the
    share of the picture that could be compared.
    """

    correlation: Floats
    worst: Floats
    seen: Floats


def agreement(pictures: Pixels, pairs: Pairs, pitch: Floats) -> Agreement:
    """Pictures (n, THUMB, THUMB) and registered pairs of them -> how well each pair agrees.

    pitch (m,): the size of the coarser one's own pixels, in pixels of the thumbnail.
    """
    parts = [np.empty((3, 0), np.float32)]
    for i in range(0, len(pairs), _BLOCK):
        rows = slice(i, i + _BLOCK)
        parts.append(_compare(*overlay(pictures, pairs.rows(rows)), pitch[rows]))
    return Agreement(*np.concatenate(parts, 1))


def _compare(first: Floats, second: Floats, seen: Floats, pitch: Floats) -> Floats:
    """Pictures, one over the other -> the three columns of an agreement.

    Both are smoothed to what the coarser of them can show, given the same tones, and freed of slow changes of
    brightness, using only pixels that are seen in both.
    """
    width = np.maximum(1, _BLUR * pitch)
    fine, coarse = _gaussian(width), _gaussian(4 * width)
    lit = (np.minimum(first, second) > _DARKEST) & (np.maximum(first, second) < _BRIGHTEST)
    weight = seen * (_along_both(fine, lit.astype(np.float32)) > 0.97)
    first, second = (_smooth(picture, weight, fine) for picture in (first, second))
    second = _match_tones(first, second, weight)
    first, second = (picture - _smooth(picture, weight, coarse) for picture in (first, second))
    powers, errors = (_sum_by_part(picture * weight) for picture in (first * first, (first - second) ** 2))
    counts = _sum_by_part(weight)
    typical = _mean(first * first, weight) + 1
    error = np.where(counts >= _MIN_SEEN, errors / (powers + np.maximum(counts, 1) * typical / 4), 0)
    columns = [_correlation(first, second, weight), np.sqrt(error.max((1, 2))), weight.mean((1, 2))]
    return np.stack(columns).astype(np.float32)


def _match_tones(first: Floats, second: Floats, weight: Floats) -> Floats:
    """The second pictures in the tones of the first, by the cubic that fits best: for other brightness and gamma."""
    centred = second - _mean(second, weight)
    scaled = centred / np.sqrt(_mean(centred**2, weight) + 1)
    powers = np.stack([scaled**i for i in range(4)], 1).reshape(len(first), 4, -1)
    weighted = powers * weight.reshape(len(first), 1, -1)
    squares = np.matmul(weighted, powers.swapaxes(1, 2)).astype(np.float64) + np.eye(4)
    curve = np.linalg.solve(squares, np.matmul(weighted, first.reshape(len(first), -1, 1)).astype(np.float64))
    return np.asarray((curve * powers).sum(1), np.float32).reshape(first.shape)


def _gaussian(widths: Floats) -> Floats:
    """Standard deviations in pixels (b,) -> tables that smooth along an axis (b, THUMB, THUMB)."""
    distance = np.arange(THUMB)[:, None] - np.arange(THUMB)[None]
    table = np.exp(-(distance**2) / (2 * widths[:, None, None] ** 2))
    return np.asarray(table / table.sum(2, keepdims=True), np.float32)


def _smooth(pictures: Floats, weight: Floats, table: Floats) -> Floats:
    weights = np.maximum(_along_both(table, weight), 1e-3)
    return np.asarray(_along_both(table, pictures * weight) / weights, np.float32)


def _sum_by_part(pictures: npt.NDArray[np.float32]) -> Floats:
    """The sum over each part of a picture (b, 8, 8)."""
    size = THUMB // _PARTS
    return np.asarray(pictures.reshape(-1, _PARTS, size, _PARTS, size).sum((2, 4)), np.float32)
