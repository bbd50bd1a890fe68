"""Several trainings of one way to train, put together: accuracy and its spread, cost, overfitting; compares nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mien.evaluate.intervals import Interval, wilson
from mien.types import Ints

Doubles: TypeAlias = npt.NDArray[np.float64]

_RESAMPLES = 2000
_SEED = 0  # the same trials give the same intervals


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One training of one variant, and its answers for photos that it had not seen.

    seed, fold: which split it was. rows (m,): the photos tested. answers (m,): the number of the class that each was
    taken for, -1 for one that was not learnt. learnt: the share that it names rightly of the photos it was trained
    on. seconds: of training. epochs, best_epoch: None where it does not learn in epochs.
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
class Measured:
    """What a variant is worth, and what it costs: means over its trials.

    accuracy_mean, accuracy_std: over the seeds (standard deviation with n - 1). interval: of the mean, at 95 %, by
    drawing photos anew. n: different photos tested. gap: accuracy on photos trained on, less that on the others.
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
        """All of it, as strict JSON."""
        return asdict(self)


def measure(variant: str, trials: Sequence[Trial], y: Ints, units: Ints) -> Measured:
    """Trials of a variant, the classes of all photos (n,) and their units (n,) -> what it is worth.

    Raises:
        ValueError: there are no trials.
    """
    right, weight = hits(trials, y)
    by_seed = (right * weight).sum(axis=1) / weight.sum(axis=1)
    seeds = sorted({trial.seed for trial in trials})
    learnt = float(np.mean([trial.learnt for trial in trials]))
    held = float(np.mean([(y[trial.rows] == trial.answers).mean() for trial in trials]))
    return Measured(
        variant=variant,
        accuracy_mean=float(by_seed.mean()),
        accuracy_std=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else 0.0,
        interval=_interval(right * weight, weight, units),
        macro_f1_mean=float(np.mean([_macro_f1([t for t in trials if t.seed == seed], y) for seed in seeds])),
        n=int((weight > 0).any(axis=0).sum()),
        trials=len(trials),
        train_seconds=float(np.mean([trial.seconds for trial in trials])),
        epochs=_mean([trial.epochs for trial in trials]),
        best_epoch=_mean([trial.best_epoch for trial in trials]),
        train_accuracy=learnt,
        gap=learnt - held,
    )


def hits(trials: Sequence[Trial], y: Ints) -> tuple[Doubles, Doubles]:
    """Trials and classes (n,) -> for each seed and photo whether it was right, and what the test weighs: (seeds, n).

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
        at = seeds.index(trial.seed)
        right[at, trial.rows] = y[trial.rows] == trial.answers
        tests[at, trial.rows] += 1
    if tests.max() > 1:
        raise ValueError("a photo is tested twice with one seed")
    return right, tests / tests.sum(axis=1, keepdims=True) / len(seeds)


def drawn_anew(values: Doubles, weights: Doubles, units: Ints) -> Interval:
    """Values and weights of tests (seeds, n), units (n,) -> 95 % interval of the sum of values over that of weights.

    Percentile bootstrap (Efron & Tibshirani 1993, chapter 13): units are drawn with replacement, for what is alike
    does not vary by itself. Units of equal value and weight are drawn together, from a multinomial.
    """
    cells = np.stack([by_unit(each.sum(axis=0), units) for each in (values, weights)], axis=1)
    cells, counts = np.unique(cells[cells[:, 1] > 0].round(12), axis=0, return_counts=True)
    total = int(counts.sum())
    draws = np.random.default_rng(_SEED).multinomial(total, counts / total, size=_RESAMPLES)
    sums = draws @ cells
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975])
    return float(low), float(high)


def by_unit(values: Doubles, units: Ints) -> Doubles:
    """Values of photos (n,) -> their sums over units (units,)."""
    return np.bincount(units, values).astype(np.float64)


def _interval(values: Doubles, weights: Doubles, units: Ints) -> Interval:
    low, high = drawn_anew(values, weights, units)
    if low < high:
        return low, high
    # Nothing varies, as when all are right: what other photos would do is still not certain.
    tested = len(np.unique(units[weights.sum(axis=0) > 0]))
    return wilson(round(low * tested), tested) or (low, high)


def _macro_f1(trials: Sequence[Trial], y: Ints) -> float:
    """The mean over the classes tested of F1 = 2 tp / (photos of the class + answers of the class)."""
    truth = np.concatenate([y[trial.rows] for trial in trials])
    answers = np.concatenate([trial.answers for trial in trials])
    scores = [
        2 * ((truth == j) & (answers == j)).sum() / ((truth == j).sum() + (answers == j).sum())
        for j in np.unique(truth)
    ]
    return float(np.mean(scores))


def _mean(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
