"""Variants of a training: what each is worth, and which differences between them are real.

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
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mien.evaluation.confidence import Interval, wilson
from mien.text import pluralize
from mien.types import Ints

Doubles: TypeAlias = npt.NDArray[np.float64]

ALPHA = 0.05
"""A difference is called real where chance alone would show one as large in fewer than 1 of 20 studies."""

_SEED = 0  # the same trials give the same intervals and p values
_RESAMPLES = 2000
_EXACT_UP_TO = 13  # units that differ: their 8192 sign patterns are fewer than the draws
_DRAWS = 10_000
_ANGLES = 20_000
_NORMAL = 1e4  # with so many degrees of freedom Student's t is the normal distribution
_ALL_PAIRS_UP_TO = 3  # variants; with more, the verdict is about the best one


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One training of one variant, and its answers for photos that it had not seen.

    seed, fold: which split it was. rows (m,): the photos tested. answers (m,): the number of the class that was the
    answer for each, -1 for a class that was not trained on. learnt: the share of correct answers for photos it was
    trained on. seconds: of training. epochs, best_epoch: None where it does not train in epochs.
    """

    seed: int
    fold: int
    rows: Ints
    answers: Ints
    learnt: float
    seconds: float
    epochs: int | None = None
    best_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class VariantScore:
    """What a variant is worth, and what it costs: means over its trials.

    accuracy_mean, accuracy_std: over the seeds (standard deviation with n - 1). interval: of the mean, at 95 %, by
    resampling photos. n: different photos tested. gap: accuracy on photos trained on, less that on the others.
    """

    variant: str
    accuracy_mean: float
    accuracy_std: float
    interval: Interval
    macro_f1_mean: float
    n: int
    trials: int
    train_seconds: float
    epochs: float | None
    best_epoch: float | None
    train_accuracy: float
    gap: float

    def as_json(self) -> dict[str, Any]:
        """Every field, as strict JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two variants, `a` the better one of the two or as good: `difference` of their mean accuracies, 0 or more.

    interval: of the difference, at 95 %, for this pair alone, by resampling photos. p: the larger one of photos
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


def score_variant(variant: str, trials: Sequence[Trial], y: Ints, units: Ints) -> VariantScore:
    """Trials of a variant, the classes of all photos (n,) and their units (n,) -> what it is worth.

    Raises:
        ValueError: there are no trials.
    """
    right, weight = hits(trials, y)
    by_seed = (right * weight).sum(axis=1) / weight.sum(axis=1)
    seeds = sorted({trial.seed for trial in trials})
    learnt = float(np.mean([trial.learnt for trial in trials]))
    held_out = float(np.mean([(y[trial.rows] == trial.answers).mean() for trial in trials]))
    return VariantScore(
        variant=variant,
        accuracy_mean=float(by_seed.mean()),
        accuracy_std=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else 0.0,
        interval=_accuracy_interval(right * weight, weight, units),
        macro_f1_mean=float(np.mean([_macro_f1([t for t in trials if t.seed == seed], y) for seed in seeds])),
        n=int((weight > 0).any(axis=0).sum()),
        trials=len(trials),
        train_seconds=float(np.mean([trial.seconds for trial in trials])),
        epochs=_mean([trial.epochs for trial in trials]),
        best_epoch=_mean([trial.best_epoch for trial in trials]),
        train_accuracy=learnt,
        gap=learnt - held_out,
    )


def compare(trials: Mapping[str, Sequence[Trial]], y: Ints, units: Ints) -> tuple[Comparison, ...]:
    """Trials of each variant on the same splits, classes (n,) and units (n,) of all photos -> every pair compared.

    Raises:
        ValueError: the variants were not tested on the same photos with the same seeds.
    """
    scored = {name: hits(variant, y) for name, variant in trials.items()}
    pairs = [_compare_pair(a, b, scored, units) for a, b in combinations(scored, 2)]
    adjusted = holm([pair.p for pair in pairs])
    return tuple(replace(pair, p=p, real=p < ALPHA) for pair, p in zip(pairs, adjusted, strict=True))


def hits(trials: Sequence[Trial], y: Ints) -> tuple[Doubles, Doubles]:
    """Trials and classes (n,) -> for each seed and photo whether it was right, and the test's weight: (seeds, n).

    The weights of a seed are equal and add up to 1 over the number of seeds, and are 0 where a photo was not tested,
    so that the weighted sum is the mean accuracy of the seeds.

    Raises:
        ValueError: there are no trials, or a photo is tested twice with one seed.
    """
    seeds = sorted({trial.seed for trial in trials})
    if not seeds:
        raise ValueError("there are no trials")
    right, tests = np.zeros((len(seeds), len(y))), np.zeros((len(seeds), len(y)))
    for trial in trials:
        seed = seeds.index(trial.seed)
        right[seed, trial.rows] = y[trial.rows] == trial.answers
        tests[seed, trial.rows] += 1
    if tests.max() > 1:
        raise ValueError("a photo is tested twice with one seed")
    return right, tests / tests.sum(axis=1, keepdims=True) / len(seeds)


def by_unit(values: Doubles, units: Ints) -> Doubles:
    """Values of photos (n,) -> their sums over units (units,)."""
    return np.bincount(units, values).astype(np.float64)


def sign_flip(differences: Doubles) -> float:
    """Differences of units (m,) -> two-sided p value that their sum is that far from 0, if each sign were random.

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
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(p), 0, -1) * np.take(p, order)))
    return adjusted.tolist()


def luck_of_runs(differences: Doubles) -> float:
    """Differences of units with each seed (seeds, m) -> two-sided p value of their sum, with trainings redrawn too.

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


def resampled_interval(values: Doubles, weights: Doubles, units: Ints) -> Interval:
    """Values and weights of tests (seeds, n), units (n,) -> 95 % interval of the sum of values over that of weights.

    Percentile bootstrap (Efron & Tibshirani 1993, chapter 13): units are drawn with replacement, for what is alike
    does not vary independently. Units of equal value and weight are drawn together, from a multinomial.
    """
    cells = np.stack([by_unit(column.sum(axis=0), units) for column in (values, weights)], axis=1)
    cells, counts = np.unique(cells[cells[:, 1] > 0].round(12), axis=0, return_counts=True)
    total = int(counts.sum())
    sums = np.random.default_rng(_SEED).multinomial(total, counts / total, size=_RESAMPLES) @ cells
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975])
    return float(low), float(high)


def verdict(scores: Sequence[VariantScore], comparisons: Sequence[Comparison]) -> str:
    """What beats what, what cannot be told apart, and which of these costs least; "" without comparisons."""
    if not comparisons:
        return ""
    best = best_of(scores)
    pairs = [pair for pair in comparisons if len(scores) <= _ALL_PAIRS_UP_TO or best.variant in (pair.a, pair.b)]
    sentences = [*_beaten([pair for pair in pairs if pair.real]), *_alike([pair for pair in pairs if not pair.real])]
    equals = equals_of(best, comparisons)
    if len(equals) > 1:
        cheapest = min((s for s in scores if s.variant in equals), key=lambda s: s.train_seconds)
        of_these = "of these, the" if len(scores) > len(equals) else "the"
        sentences.append(f"{of_these} quickest to train is {cheapest.variant}")
    return "; ".join(sentences)


def best_of(scores: Sequence[VariantScore]) -> VariantScore:
    """The variant of the highest mean accuracy; of equals the one that trains faster."""
    return max(scores, key=lambda s: (s.accuracy_mean, -s.train_seconds))


def equals_of(best: VariantScore, comparisons: Sequence[Comparison]) -> set[str]:
    """The best variant, and all that are not really worse."""
    pairs = [(pair.a, pair.b) for pair in comparisons if not pair.real]
    return {best.variant, *(name for pair in pairs if best.variant in pair for name in pair)}


def with_units(
    over: str, scores: Sequence[VariantScore], comparisons: Sequence[Comparison]
) -> tuple[list[VariantScore], list[Comparison]]:
    """Both with the numbers that name variants said in full: "16 variants", "48 px"."""

    def full(name: str) -> str:
        if not name.isdigit():
            return name
        return f"{name} px" if over == "size" else pluralize(int(name), "variant") if over == "augment" else name

    return (
        [replace(s, variant=full(s.variant)) for s in scores],
        [replace(pair, a=full(pair.a), b=full(pair.b)) for pair in comparisons],
    )


def format_p(p: float) -> str:
    """A p value -> "0.03", "0.004" or "< 0.001"."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.01 else f"{p:.2f}"


def _compare_pair(a: str, b: str, scored: Mapping[str, tuple[Doubles, Doubles]], units: Ints) -> Comparison:
    """A pair alone, its p value not yet adjusted."""
    (right_a, weight), (right_b, other) = scored[a], scored[b]
    if not np.array_equal(weight, other):
        raise ValueError(f"{a} and {b} were not tested on the same photos")
    values = (right_a - right_b) * weight
    if values.sum() < 0:
        a, b, values = b, a, -values
    tested = by_unit(weight.sum(axis=0), units) > 0
    differences = np.stack([by_unit(seed, units)[tested] for seed in values])
    p = max(sign_flip(differences.sum(axis=0)), luck_of_runs(differences))
    return Comparison(a, b, float(values.sum()), resampled_interval(values, weight, units), p, real=False)


def _accuracy_interval(values: Doubles, weights: Doubles, units: Ints) -> Interval:
    low, high = resampled_interval(values, weights, units)
    if low < high:
        return low, high
    # Nothing varies, as when all are right: what other photos would do is still not certain.
    tested = len(np.unique(units[weights.sum(axis=0) > 0]))
    return wilson(round(low * tested), tested) or (low, high)


def _macro_f1(trials: Sequence[Trial], y: Ints) -> float:
    """The mean over the classes tested of F1 = 2 tp / (photos of the class + answers of the class)."""
    truth = np.concatenate([y[trial.rows] for trial in trials])
    answers = np.concatenate([trial.answers for trial in trials])
    classes = np.unique(truth)[:, None]
    true, answered = truth == classes, answers == classes
    return float((2 * (true & answered).sum(axis=1) / (true.sum(axis=1) + answered.sum(axis=1))).mean())


def _mean(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _beaten(pairs: Sequence[Comparison]) -> list[str]:
    losers: dict[str, list[str]] = {pair.a: [] for pair in pairs}
    for pair in sorted(pairs, key=lambda pair: pair.difference):
        points = f"{100 * pair.difference:.1f}"
        unit = "point" if points == "1.0" else "points"
        losers[pair.a].append(f"{pair.b} by {points} {unit} (p {format_p(pair.p)})")
    return [f"{winner} beats {_and(names)}" for winner, names in losers.items()]


def _alike(pairs: Sequence[Comparison]) -> list[str]:
    if len(pairs) <= 1:
        return [f"{pair.a} and {pair.b} cannot be told apart" for pair in pairs]
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.a, pair.b)))
    shared = next((name for name in names if all(name in (pair.a, pair.b) for pair in pairs)), None)
    if shared is not None:
        return [f"{shared} cannot be told apart from {_and([name for name in names if name != shared])}"]
    return [f"{_and(names)} cannot be told apart from each other"]


def _and(parts: Sequence[str]) -> str:
    """Parts of a sentence -> "a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
