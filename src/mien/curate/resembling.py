"""Which photos may be copies of each other, by their coarse look alone; knows small pictures, and settles nothing."""

from __future__ import annotations

import numpy as np

from mien.curate.neighbours import near
from mien.curate.registering import Pairs, waves
from mien.types import Floats, Ints, Pixels

_WAVES = 8
_CROPPED = 0.92
"""A photo is looked at as a whole, and as if so much of each side were left: near to copies that lost 2 to 10 %."""
_LEAST = 0.7
"""Of 1,500 photos and their copies cropped by 5 % in all, or by 5 % at one corner, 99 % come out at 0.73 or more; two
photos of different people do in one pair of ten thousand."""
_MOST = 16
_FLATTEST = 12  # grey levels from the darkest pixel to the brightest: a blank picture resembles all others, and none


def resembling(pictures: Pixels) -> Pairs:
    """Pictures (n, THUMB, THUMB) -> pairs that look alike, as they are or mirrored; the first one is the smaller row.

    Each is described by the coarse waves of its DCT, like a perceptual hash, in units of how much they vary among all
    pictures, so that what all photos of a data set have in common, a face in the middle, counts for little.
    """
    rows = np.flatnonzero(np.ptp(pictures, axis=(1, 2)) >= _FLATTEST)
    if len(rows) < 2:
        none = np.empty(0, np.int64)
        return Pairs(none, none, none > 0, np.empty((0, 4), np.float32))
    whole, middle = _described(pictures[rows])
    turned = np.where(np.arange(1, _WAVES**2) % _WAVES % 2, -1, 1).astype(np.float32)
    found = [_keys(*near(queries, whole, _LEAST, _MOST), False) for queries in (whole, middle)]
    found += [_keys(*near(queries * turned, whole, _LEAST, _MOST), True) for queries in (whole, middle)]
    first, second, mirrored = np.unique(np.concatenate(found, axis=1), axis=1)
    return Pairs(rows[first], rows[second], mirrored == 1, np.zeros((len(first), 4), np.float32))


def _described(pictures: Pixels) -> tuple[Floats, Floats]:
    """Pictures as a whole and their middles -> unit vectors (n, 63) of both, in the same units."""
    along = np.arange(_WAVES)
    weight = np.sqrt(1 + np.hypot(along[:, None], along))  # finer waves are weaker, by about their number
    whole, middle = (
        _unit((waves(pictures, _WAVES, window) * weight).reshape(len(pictures), -1)[:, 1:]) for window in (1, _CROPPED)
    )
    even = np.arange(1, _WAVES**2) % _WAVES % 2 == 0  # odd waves change their sign in a mirror: their mean is nought
    spread = whole.std(0) + 0.3 * whole.std()
    return _unit((whole - whole.mean(0) * even) / spread), _unit((middle - whole.mean(0) * even) / spread)


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), np.float32)


def _keys(queries: Ints, found: Ints, mirrored: bool) -> Ints:
    """Pairs as columns, the smaller row first (3, m)."""
    kinds = np.full(len(queries), mirrored, np.int64)
    return np.stack([np.minimum(queries, found), np.maximum(queries, found), kinds])
