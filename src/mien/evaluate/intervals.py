"""How sure a share is: counts in, intervals out; knows no labels and no photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

import numpy as np

from mien.types import Ints

Interval: TypeAlias = tuple[float, float]

_Z = 1.959963984540054  # the normal distribution's 97.5 % point: intervals are of 95 %
_RESAMPLES = 1000  # Efron & Tibshirani 1993, chapter 13: enough for percentile intervals


@dataclass(frozen=True, slots=True)
class Share:
    """So many out of so many, `value` between 0 and 1, or None out of nothing."""

    right: int
    of: int

    @property
    def value(self) -> float | None:
        return self.right / self.of if self.of else None

    @property
    def interval(self) -> Interval | None:
        return wilson(self.right, self.of)


def wilson(right: int, of: int) -> Interval | None:
    """Counts -> the score interval of a share at 95 %, None out of nothing (Wilson 1927)."""
    if not of:
        return None
    share, z2 = right / of, _Z**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return (0.0 if right == 0 else middle - half, 1.0 if right == of else middle + half)


def bootstrap(cells: Ints, score: Callable[[Ints], float | None], seed: int) -> Interval | None:
    """Counts of the kinds of outcome (m,) -> percentile interval of `score` at 95 % (Efron & Tibshirani 1993, ch. 13).

    Drawing photos anew with replacement is drawing the counts of their outcomes from a multinomial.
    """
    total = int(cells.sum())
    if total < 2:
        return None
    draws = np.random.default_rng(seed).multinomial(total, cells / total, size=_RESAMPLES)
    scores = [value for draw in draws if (value := score(draw)) is not None]
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)
