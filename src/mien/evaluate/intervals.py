"""How sure a share is: counts in, intervals out; knows no labels and no photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mien.types import Ints

Interval: TypeAlias = tuple[float, float]

_Z = 1.959963984540054  # the normal distribution's 97.5 % point: intervals are of 95 %
_RESAMPLES = 1000  # Efron & Tibshirani 1993, chapter 13: enough for percentile intervals


@dataclass(frozen=True, slots=True)
class Share:
    """So many out of so many, `value` between 0 and 1, or None out of nothing; of these, `alike` count as one."""

    right: int
    of: int
    alike: float = 1.0

    @property
    def value(self) -> float | None:
        return self.right / self.of if self.of else None

    @property
    def interval(self) -> Interval | None:
        return wilson(self.right / self.alike, self.of / self.alike)


def wilson(right: float, of: float) -> Interval | None:
    """Counts -> the score interval of a share at 95 %, None out of nothing (Wilson 1927)."""
    if not of:
        return None
    share, z2 = right / of, _Z**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return (0.0 if right == 0 else middle - half, 1.0 if right == of else middle + half)


def alike(right: npt.NDArray[np.bool_], units: Ints) -> float:
    """Hits (n,) and units (n,), numbers of what belongs together -> how many photos count as one, 1 or more.

    The design effect (Kish 1965, "Survey Sampling", chapter 5), by the variance of the ratio over units. Two units of
    hits and two of misses are added, as Agresti & Coull 1998 do with photos, or a few units that are all right would
    say that nothing varies between units.
    """
    _, units, sizes = np.unique(units, return_inverse=True, return_counts=True)
    n, number = len(right), len(sizes)
    if number == n:
        return 1.0
    hits = np.bincount(units, right)
    order, mean = np.lexsort((hits, sizes)), n / number  # sums come out the same, in whichever order photos came
    hits, of = np.append(hits[order], [mean, mean, 0, 0]), np.append(sizes[order], [mean] * 4)
    share = hits.sum() / of.sum()
    between = ((hits - share * of) ** 2).sum() * len(of) / (len(of) - 1)
    effect = between / (share * (1 - share) * of.sum())
    return float(np.clip(effect, 1.0, (sizes**2).sum() / n))


def bootstrap(outcomes: Ints, times: Ints, score: Callable[[Ints], float | None], seed: int) -> Interval | None:
    """Counts of the kinds of outcome of each unit (u, m) -> percentile interval of `score` at 95 %.

    times (u,): how many units have these counts. Drawing units anew with replacement is drawing how often each is taken
    from a multinomial (Efron & Tibshirani 1993, chapter 13). None where there is but one unit.
    """
    total = int(times.sum())
    if total < 2:
        return None
    draws = np.random.default_rng(seed).multinomial(total, times / total, size=_RESAMPLES) @ outcomes
    scores = [value for draw in draws if (value := score(draw)) is not None]
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)
