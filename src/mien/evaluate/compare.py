"""Which of several ways to train are really better: trials in, tested differences out; trains and draws nothing.

Every pair is compared on the photos that both were tested on, by a sign-flip permutation test over units (photos that
belong together, or are copies, count as one), as is advised for classifiers on one data set by Dror et al. 2018, "The
Hitchhiker's Guide to Testing Statistical Significance in NLP"; the p values of all pairs are adjusted by Holm's
procedure (Holm 1979; see Demšar 2006, section 3.2.2, on comparing several classifiers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from mien.evaluate.intervals import Interval
from mien.evaluate.trials import Doubles, Trial, by_unit, drawn_anew, hits
from mien.types import Ints

ALPHA = 0.05
"""A difference is called real where chance alone would show one as large in fewer than 1 of 20 studies."""

_EXACT_UP_TO = 13  # units that differ: 8192 ways to flip them are fewer than those drawn
_DRAWS = 10_000
_SEED = 0  # the same trials give the same p values


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two variants, `a` the better one of the two or as good: `difference` of their mean accuracies, 0 or more.

    interval: of the difference, at 95 %, for this pair by itself. p: adjusted for the number of pairs. real: whether
    p is below `ALPHA` and no seed says the contrary.
    """

    a: str
    b: str
    difference: float
    interval: Interval
    p: float
    real: bool

    def as_json(self) -> dict[str, Any]:
        """All of it, as strict JSON."""
        return asdict(self)


def compare(trials: Mapping[str, Sequence[Trial]], y: Ints, units: Ints) -> tuple[Comparison, ...]:
    """Trials of each variant on the same splits, classes (n,) and units (n,) of all photos -> every pair compared.

    The test asks whether the models of these trials differ on photos of this kind. That the next ones would differ
    alike is seen from other seeds only, so a difference that a seed contradicts is not called real.

    Raises:
        ValueError: the variants were not tested on the same photos with the same seeds.
    """
    scored = {name: hits(each, y) for name, each in trials.items()}
    pairs = [_pair(a, b, scored, units) for a, b in combinations(scored, 2)]
    adjusted = holm([p for _, p in pairs])
    return tuple(
        Comparison(pair.a, pair.b, pair.difference, pair.interval, p, pair.real and p < ALPHA)
        for (pair, _), p in zip(pairs, adjusted, strict=True)
    )


def sign_flip(differences: Doubles) -> float:
    """Differences of units (m,) -> two-sided p value that their sum is that far from 0, were each sign a coin's toss.

    Exact where few differ from 0, else from 10,000 draws, the observed one counted among them (Phipson & Smyth 2010,
    so that p is never 0). Differences of one size are flipped together, by a binomial.
    """
    sizes, counts = np.unique(np.abs(differences[differences != 0]).round(12), return_counts=True)
    many = int(counts.sum())
    if not many:
        return 1.0
    least = abs(float(differences.sum())) - 1e-9 * float(sizes.max())
    if many <= _EXACT_UP_TO:
        signs = 1 - 2 * ((np.arange(2**many)[:, None] >> np.arange(many)) & 1)
        return float((np.abs(signs @ np.repeat(sizes, counts)) >= least).mean())
    flipped = np.random.default_rng(_SEED).binomial(counts, 0.5, size=(_DRAWS, len(counts)))
    as_far = int((np.abs((2 * flipped - counts) @ sizes) >= least).sum())
    return (1 + as_far) / (1 + _DRAWS)


def holm(p: Sequence[float]) -> list[float]:
    """P values of a family of tests -> adjusted ones, by Holm's step-down procedure (Holm 1979)."""
    adjusted, most = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        most = max(most, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = most
    return adjusted


def _pair(a: str, b: str, scored: Mapping[str, tuple[Doubles, Doubles]], units: Ints) -> tuple[Comparison, float]:
    """A pair in its order, with the p value of this pair alone; `real` says yet only that no seed contradicts."""
    (right_a, weight), (right_b, other) = scored[a], scored[b]
    if weight.shape != other.shape or not np.array_equal(weight, other):
        raise ValueError(f"{a} and {b} were not tested on the same photos")
    values = (right_a - right_b) * weight
    if values.sum() < 0:
        a, b, values = b, a, -values
    difference = float(values.sum())
    made = Comparison(
        a=a,
        b=b,
        difference=difference,
        interval=drawn_anew(values, weight, units),
        p=1.0,
        real=difference > 0 and bool((values.sum(axis=1) >= 0).all()),
    )
    return made, sign_flip(by_unit(values.sum(axis=0), units))
