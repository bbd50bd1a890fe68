"""How well two small pictures agree that lie one over the other; knows pixels, and not how they came to lie so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.curate.registering import Pairs, correlation, mean, overlaid
from mien.curate.shown import THUMB
from mien.types import Floats, Pixels

_AT_ONCE = 256
_PART = THUMB // 8
_FEWEST = 24  # pixels of a part that must be seen in both, of 64
_DARKEST, _BRIGHTEST = 4, 250  # beyond, a picture that was darkened or brightened has lost its contrast
_SMOOTHED = 0.75  # of the coarser picture's own pixels: what its compression changes most is left out


@dataclass(frozen=True, slots=True)
class Agreement:
    """How m pairs of pictures agree.

    alike (m,): the correlation of their local contrast, -1 to 1. worst (m,): the largest error of any eighth by eighth
    of the picture against its contrast: near 0 where all is the same, above 1 where something else stands. seen (m,):
    the share of the picture that could be compared.
    """

    alike: Floats
    worst: Floats
    seen: Floats


def agreement(pictures: Pixels, pairs: Pairs, pitch: Floats) -> Agreement:
    """Pictures (n, THUMB, THUMB) and registered pairs of them -> how well each pair agrees.

    pitch (m,): the size of the coarser one's own pixels, in pixels of the small picture.
    """
    parts = [np.empty((3, 0), np.float32)]
    for i in range(0, len(pairs), _AT_ONCE):
        some = slice(i, i + _AT_ONCE)
        parts.append(_measured(*overlaid(pictures, pairs.rows(some)), pitch[some]))
    alike, worst, seen = np.concatenate(parts, 1)
    return Agreement(alike, worst, seen)


def _measured(one: Floats, other: Floats, seen: Floats, pitch: Floats) -> Floats:
    """Pictures, one over the other -> the three columns of an agreement.

    Both are smoothed to what the coarser of them can show, given the same tones, and freed of slow changes of
    brightness, each from those pixels alone that are seen in both.
    """
    width = np.maximum(1, _SMOOTHED * pitch)
    fine, coarse = _smoothing(width), _smoothing(4 * width)
    lit = (np.minimum(one, other) > _DARKEST) & (np.maximum(one, other) < _BRIGHTEST)
    weight = seen * (_twice(fine, lit.astype(np.float32)) > 0.97)
    one, other = (_averaged(each, weight, fine) for each in (one, other))
    other = _toned(one, other, weight)
    one, other = (each - _averaged(each, weight, coarse) for each in (one, other))
    powers, errors = (_by_part(each * weight) for each in (one * one, (one - other) ** 2))
    shares = _by_part(weight)
    usual = mean(one * one, weight) + 1
    error = np.where(shares >= _FEWEST, errors / (powers + np.maximum(shares, 1) * usual / 4), 0)
    columns = [correlation(one, other, weight), np.sqrt(error.max((1, 2))), weight.mean((1, 2))]
    return np.stack(columns).astype(np.float32)


def _toned(one: Floats, other: Floats, weight: Floats) -> Floats:
    """The second pictures in the tones of the first, by the cubic that fits best: for other brightness and gamma."""
    centred = other - mean(other, weight)
    scaled = centred / np.sqrt(mean(centred**2, weight) + 1)
    powers = np.stack([scaled**i for i in range(4)], 1).reshape(len(one), 4, -1)
    heavy = powers * weight.reshape(len(one), 1, -1)
    squares = np.matmul(heavy, powers.swapaxes(1, 2)).astype(np.float64) + np.eye(4)
    curve = np.linalg.solve(squares, np.matmul(heavy, one.reshape(len(one), -1, 1)).astype(np.float64))
    return np.asarray((curve * powers).sum(1), np.float32).reshape(one.shape)


def _smoothing(widths: Floats) -> Floats:
    """Standard deviations in pixels (b,) -> tables that smooth along an axis so (b, THUMB, THUMB)."""
    apart = np.arange(THUMB)[:, None] - np.arange(THUMB)[None]
    table = np.exp(-(apart**2) / (2 * widths[:, None, None] ** 2))
    return np.asarray(table / table.sum(2, keepdims=True), np.float32)


def _twice(table: Floats, pictures: Floats) -> Floats:
    return np.asarray(np.matmul(np.matmul(table, pictures), table.swapaxes(1, 2)), np.float32)


def _averaged(pictures: Floats, weight: Floats, table: Floats) -> Floats:
    weights = np.maximum(_twice(table, weight), 1e-3)
    return np.asarray(_twice(table, pictures * weight) / weights, np.float32)


def _by_part(pictures: npt.NDArray[np.float32]) -> Floats:
    """The sum over each part of a picture (b, 8, 8)."""
    return np.asarray(pictures.reshape(-1, 8, _PART, 8, _PART).sum((2, 4)), np.float32)
