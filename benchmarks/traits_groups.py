"""Whether answers are as good for one group of people as for another: outcomes in, shares and the largest gap out."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.evaluation import Share
from mien.types import Ints
from traits_asking import Answer

LEAST = 20
"""A group of fewer says nothing about a gap."""
SHUFFLES = 2000


def by_group(told: Sequence[Answer], groups: Sequence[str]) -> dict[str, Any]:
    """Answers, and the group of each -> accuracy in each group, and the largest gap between two."""
    right = np.array([answer.right for answer in told])
    names, number = np.unique(groups, return_inverse=True)
    shares = {
        str(name): Share.count(int(right[number == i].sum()), int((number == i).sum())) for i, name in enumerate(names)
    }
    return {
        "groups": {
            name: {"n": found.of, "accuracy": found.value, "interval": found.interval} for name, found in shares.items()
        },
        "gap": _gap(shares, right, number),
    }


def _gap(shares: dict[str, Share], right: npt.NDArray[np.bool_], number: Ints) -> dict[str, Any] | None:
    """The best group less the worst, of those that are large enough.

    interval: of the difference of these two, at 95 % (Newcombe 1998, "Interval estimation for the difference between
    independent proportions", method 10). The largest of many gaps is large by chance, too: chance is the share of
    shuffles of the outcomes among all people with a gap no smaller.
    """
    kept = {name: found for name, found in shares.items() if found.of >= LEAST}
    if len(kept) < 2:
        return None
    worst, best = min(kept, key=lambda name: _value(kept[name])), max(kept, key=lambda name: _value(kept[name]))
    low, high = (kept[name].interval or (0.0, 1.0) for name in (worst, best))
    difference = _value(kept[best]) - _value(kept[worst])
    below = hypot(_value(kept[best]) - high[0], low[1] - _value(kept[worst]))
    above = hypot(high[1] - _value(kept[best]), _value(kept[worst]) - low[0])
    sizes = np.bincount(number)
    rng, large = np.random.default_rng(0), sizes >= LEAST
    shuffled = [np.bincount(number, rng.permutation(right))[large] / sizes[large] for _ in range(SHUFFLES)]
    # As counts are whole, a gap may be the same by chance but for rounding.
    chance = float(np.mean([np.ptp(values) >= difference - 1e-9 for values in shuffled]))
    interval = [difference - below, difference + above]
    return {"value": difference, "interval": interval, "best": best, "worst": worst, "chance": chance}


def _value(found: Share) -> float:
    return found.right / found.of
