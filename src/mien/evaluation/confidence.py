"""Figures and how sure they are: shares, their 95 % intervals, and how both are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from mien.types import Ints

Interval: TypeAlias = tuple[float, float]

_Z = 1.959963984540054  # the normal distribution's 97.5 % point
_RESAMPLES = 1000  # Efron & Tibshirani 1993, chapter 13: enough for percentile intervals


@dataclass(frozen=True, slots=True)
class Share:
    """A figure between 0 and 1 with its 95 % interval; None where there was nothing to measure.

    right, of: the counts behind it; 0 of 0 where they are not known, or where it is a mean, such as macro-F1.
    """

    value: float | None
    interval: Interval | None = None
    right: int = 0
    of: int = 0

    @classmethod
    def count(cls, right: int, of: int, effect: float = 1.0) -> Self:
        """So many out of so many, with Wilson's interval; `effect` photos count as one (see `design_effect`)."""
        return cls(right / of if of else None, wilson(right / effect, of / effect), right, of)

    @property
    def low(self) -> float | None:
        return self.interval[0] if self.interval else None

    @property
    def high(self) -> float | None:
        return self.interval[1] if self.interval else None

    def __float__(self) -> float:
        return float("nan") if self.value is None else self.value

    def __str__(self) -> str:
        """As in "98.2 % (95.1 to 99.4)"."""
        interval = f" ({between(self.interval).removesuffix(_PERCENT)})" if self.interval else ""
        return f"{percent(self.value)}{interval}".replace(_PERCENT, " %")


def wilson(right: float, of: float) -> Interval | None:
    """Counts -> the score interval of a share at 95 %, None out of nothing (Wilson 1927)."""
    if not of:
        return None
    share, z2 = right / of, _Z**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return (0.0 if right == 0 else middle - half, 1.0 if right == of else middle + half)


def design_effect(right: npt.NDArray[np.bool_], units: Ints) -> float:
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
    order, mean = np.lexsort((hits, sizes)), n / number  # the same sums in whichever order the photos came
    hits, of = np.append(hits[order], [mean, mean, 0, 0]), np.append(sizes[order], [mean] * 4)
    share = hits.sum() / of.sum()
    between_units = ((hits - share * of) ** 2).sum() * len(of) / (len(of) - 1)
    effect = between_units / (share * (1 - share) * of.sum())
    return float(np.clip(effect, 1.0, (sizes**2).sum() / n))


def bootstrap(kinds: Ints, units: Ints, score: Callable[[Ints], float | None], seed: int) -> Interval | None:
    """Kind of outcome (n,) and unit (n,) of each photo -> percentile interval of `score` at 95 %.

    `score` takes how often each kind occurs. Resampling units with replacement is drawing how often each is taken
    from a multinomial (Efron & Tibshirani 1993, chapter 13). None where there is but one unit.
    """
    rng, most = np.random.default_rng(seed), int(kinds.max()) + 1
    total = len(np.unique(units))
    if total < 2:
        return None
    if total == len(units):
        draws = rng.multinomial(total, np.bincount(kinds) / total, size=_RESAMPLES)
    else:
        counts = np.zeros((int(units.max()) + 1, most), dtype=np.int64)
        np.add.at(counts, (units, kinds), 1)
        outcomes, times = np.unique(counts[counts.any(axis=1)], axis=0, return_counts=True)
        draws = rng.multinomial(total, times / total, size=_RESAMPLES) @ outcomes
    scores = [value for draw in draws if (value := score(draw)) is not None]
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


_PERCENT = "\N{NO-BREAK SPACE}%"


def percent(share: float | None) -> str:
    """A share -> "97.5 %"; 99.96 % is not rounded to all, nor 0.04 % to nothing."""
    if share is None:
        return "–"
    digits = 0 if share in {0, 1} else 1
    if digits and f"{100 * share:.1f}" in {"100.0", "0.0"}:
        digits = 2
    return f"{100 * share:.{digits}f}{_PERCENT}"


def between(interval: Interval | None) -> str:
    """An interval -> "95.1 to 98.8 %"."""
    if interval is None:
        return "–"
    return f"{percent(interval[0]).removesuffix(_PERCENT)} to {percent(interval[1])}"
