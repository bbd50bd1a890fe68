"""Which of several ways to train are really better: trials in, tested differences out; trains and draws nothing.

A difference may be chance in two ways, and has to be too large for both. By the choice of photos: every pair is
compared on the photos that both were tested on, by a sign-flip permutation test over units (photos that belong
together, or are copies, count as one), as Dror et al. 2018 advise, "The Hitchhiker's Guide to Testing Statistical
Significance in NLP". By the luck of each training, which no number of photos takes away (Bouthillier et al. 2021,
"Accounting for Variance in Machine Learning Benchmarks"): by a t test whose variance holds what the seeds differ by
beyond the photos. The p values of all pairs are adjusted by Holm's procedure (Holm 1979; see Demšar 2006, section
3.2.2, on comparing several classifiers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from math import atan, pi, sqrt
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
_ANGLES = 20_000
_NORMAL = 1e4  # with so many degrees of freedom Student's t is the normal distribution


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two variants, `a` the better one of the two or as good: `difference` of their mean accuracies, 0 or more.

    interval: of the difference, at 95 %, for this pair by itself, by drawing photos anew. p: the larger one of photos
    and of trainings, adjusted for the number of pairs. real: whether p is below `ALPHA`.
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

    Raises:
        ValueError: the variants were not tested on the same photos with the same seeds.
    """
    scored = {name: hits(each, y) for name, each in trials.items()}
    pairs = [_pair(a, b, scored, units) for a, b in combinations(scored, 2)]
    adjusted = holm([pair.p for pair in pairs])
    return tuple(replace(pair, p=p, real=p < ALPHA) for pair, p in zip(pairs, adjusted, strict=True))


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


def luck_of_runs(differences: Doubles) -> float:
    """Differences of units with each seed (seeds, m) -> two-sided p value of their sum, trainings drawn anew as well.

    The seeds differ by the photos that each tests, by answers of chance, and by how well each training came out. The
    first two are known from the units; what is left is the third. Degrees of freedom are Satterthwaite's (1946), so
    that few seeds which differ much say little.
    """
    seeds, units = differences.shape
    sums = differences.sum(axis=1) * seeds
    shared = (differences @ differences.T) * seeds**2
    apart = (np.trace(shared) - (shared.sum() - np.trace(shared)) / max(seeds - 1, 1)) / seeds
    between = float(sums.var(ddof=1)) if seeds > 1 else 0.0
    of_photos = float((differences.sum(axis=0) ** 2).sum())
    of_runs = max(0.0, between - float(apart)) / seeds
    if of_photos + of_runs == 0:
        return 1.0
    spread = of_photos**2 / units + ((between / seeds) ** 2 / (seeds - 1) if of_runs else 0.0)
    t = abs(float(sums.mean())) / sqrt(of_photos + of_runs)
    return student(t, (of_photos + of_runs) ** 2 / spread)


def student(t: float, freedom: float) -> float:
    """Student's t, 0 or more, and degrees of freedom -> two-sided p value.

    With t = sqrt(freedom) * tan(angle) the density is that of cos(angle) ** (freedom - 1), which has no tail to cut.
    """
    freedom = min(freedom, _NORMAL)
    parts = []
    for start in (atan(t / sqrt(freedom)), 0.0):
        width = (pi / 2 - start) / _ANGLES
        middles = start + width * (np.arange(_ANGLES) + 0.5)
        parts.append(width * float((np.cos(middles) ** (freedom - 1)).sum()))
    return parts[0] / parts[1]


def _pair(a: str, b: str, scored: Mapping[str, tuple[Doubles, Doubles]], units: Ints) -> Comparison:
    """A pair by itself, its p value not yet adjusted."""
    (right_a, weight), (right_b, other) = scored[a], scored[b]
    if weight.shape != other.shape or not np.array_equal(weight, other):
        raise ValueError(f"{a} and {b} were not tested on the same photos")
    values = (right_a - right_b) * weight
    if values.sum() < 0:
        a, b, values = b, a, -values
    tested = by_unit(weight.sum(axis=0), units) > 0
    differences = np.stack([by_unit(each, units)[tested] for each in values])
    p = max(sign_flip(differences.sum(axis=0)), luck_of_runs(differences))
    return Comparison(a, b, float(values.sum()), drawn_anew(values, weight, units), p, real=False)
