"""Random numbers that depend on a seed and a position only: integers in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mien.types import Floats

Keys = npt.NDArray[np.uint64]

_MASK = (1 << 64) - 1
# SplitMix64 (Steele, Lea and Flood 2014): the odd gamma, and the finaliser's two multipliers and three shifts.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
# A finaliser for 32 bits with little bias (Wellons, "hash-prospector", 2018).
_LOW_FIRST, _LOW_SECOND = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_BYTE_SUM_MEAN = 4 * 255 / 2
_BYTE_SUM_DEVIATION = (4 * (256**2 - 1) / 12) ** 0.5


def keys(seeds: Sequence[int]) -> Keys:
    """Any integers -> keys of 64 bits (n,), well mixed, so that neighbouring seeds have nothing in common."""
    return _mix(np.fromiter((int(seed) & _MASK for seed in seeds), np.uint64, len(seeds)) + _GAMMA)


def uniforms(rows: Keys, count: int, start: int = 0) -> npt.NDArray[np.float64]:
    """Keys (n,) -> the numbers `start` to `start + count` of each (n, count), uniform in [0, 1)."""
    counters = np.arange(start + 1, start + count + 1, dtype=np.uint64) * _GAMMA
    return (_mix(rows[:, None] + counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normals(rows: Keys, stream: int, count: int) -> Floats:
    """Keys (n,) -> numbers (n, count) of mean 0 and deviation 1, nearly normal: sums of four uniform bytes.

    These reach 3.46 deviations at most and have a kurtosis of 2.7 rather than 3, which is invisible in noise.
    """
    mixed = _mix(rows + np.uint64((stream + 1) * int(_SECOND) & _MASK))
    x = np.arange(count, dtype=np.uint32) ^ mixed.astype(np.uint32)[:, None]
    x ^= x >> np.uint32(16)
    x *= _LOW_FIRST
    x ^= x >> np.uint32(15)
    x ^= (mixed >> np.uint64(32)).astype(np.uint32)[:, None]
    x *= _LOW_SECOND
    x ^= x >> np.uint32(16)
    pairs = (x & np.uint32(0x00FF00FF)) + ((x >> np.uint32(8)) & np.uint32(0x00FF00FF))
    sums = (pairs + (pairs >> np.uint32(16))) & np.uint32(0xFFFF)
    centred: Floats = sums.astype(np.float32) - np.float32(_BYTE_SUM_MEAN)
    return centred * np.float32(1 / _BYTE_SUM_DEVIATION)


def _mix(x: Keys) -> Keys:
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))
