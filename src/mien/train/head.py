"""The recipe `head`: vectors and labels to a calibrated head that says "unknown"; knows no picture and no bundle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from mien.errors import DataError
from mien.models.head import Doubles, Head, softmax
from mien.train.calibrate import cross_fitted, fit_temperature
from mien.train.candidates import CANDIDATES, Candidate, Linear, class_centres, fit
from mien.train.samples import Prepared, Samples, prepare
from mien.train.split import TRAIN_ONLY, Units, deal_folds, describe_deal, leaves_a_test, units_to_test
from mien.train.unknown import Evidence, Unknown, check_rate, describe, leave_classes_out, set_threshold
from mien.types import Floats, Ints

_COMPARE_ON = 4000
"""The candidates are compared on so many photos at most; the best is then fitted to all."""


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """How to train: the seed of all that is drawn, the share of strangers to let in, the number of folds.

    Raises:
        DataError: a value is out of range.
    """

    seed: int = 0
    false_accept_rate: float = 0.01
    folds: int = 5

    def __post_init__(self) -> None:
        check_rate(self.false_accept_rate)
        if self.folds < 2 or self.seed < 0:
            raise DataError(f"{self.folds} folds and seed {self.seed}: give at least 2 folds, and a seed from 0 up")


@dataclass(frozen=True, slots=True)
class Compared:
    """What a candidate reached in cross-validation: mean and standard deviation over the folds of macro-F1."""

    kind: str
    c: float | None
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class FoldsUsed:
    """How the photos were dealt: folds, units that stay together, copies found, photos that were never tested on."""

    number: int
    units: int
    copies: int
    training_only: int


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Answers for photos that the head which gave them had not seen: what its quality is measured by.

    `method` is "out-of-fold" (folds drawn anew after the choice, each fold's temperature fitted on the others),
    "held-out" (a part kept back), or "val" or "test", the split of that name, with its strangers. `rows` (m,) are
    numbers of the rows that came; `probabilities` (m, k); `familiarity` (m,).
    """

    method: str
    rows: Ints
    probabilities: Doubles
    familiarity: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class HeadFit:
    """A head, and all that is known about how good it is.

    `counts` are the photos of each label trained on; `seen` (n,) are numbers of the rows that came which it was made
    from, the strangers that set its threshold among them.
    """

    head: Head
    counts: Mapping[str, int]
    seen: Ints
    held_out: HeldOut
    compared: tuple[Compared, ...]
    unknown: Unknown
    folds: FoldsUsed
    notes: tuple[str, ...]
    parts: Mapping[str, bytes] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All but the head and single answers, as strict JSON."""
        return {
            "held_out": {"method": self.held_out.method, "n": len(self.held_out.rows)},
            "compared": [asdict(row) for row in self.compared],
            "unknown": asdict(self.unknown),
            "folds": asdict(self.folds),
            "notes": list(self.notes),
        }


def fit_head(
    vectors: Floats,
    labels: Sequence[str],
    *,
    groups: Sequence[str | None] | None = None,
    splits: Sequence[str | None] | None = None,
    options: HeadOptions | None = None,
) -> HeadFit:
    """Vectors (n, d) and a label each -> the head that does best in cross-validation, calibrated, with a threshold.

    Class centres, logistic regression and linear support vector machines are compared by macro-F1 over folds that keep
    groups, copies and near-duplicates together; of those within one photo of the best the simplest is taken. The same
    rows and seed give the same head, in whatever order they come.

    Rows labelled `UNKNOWN` are nobody's photos: they only help to set the threshold, or to measure it.

    Raises:
        DataError: no photos, one class, a class with a single photo, nothing but copies, vectors that are not finite.
        ValueError: the arguments do not belong together.
    """
    options = options or HeadOptions()
    data = prepare(vectors, labels, groups, splits)
    units = units_to_test(data.train, options.folds, (options.seed, options.seed + 1))
    compared = _compare(data.train, units, options)
    best = _choose(compared, len(data.train))
    fold = deal_folds(data.train.y, units, options.folds, options.seed + 1)
    tested = np.flatnonzero(fold != TRAIN_ONLY)
    logits, familiarity = _out_of_fold(best, data.train, fold, options.seed)
    temperature = fit_temperature(logits[tested], data.train.y[tested])
    k = len(data.train.labels)
    linear = fit(best, data.train.vectors, data.train.y, k, options.seed)
    centres = class_centres(data.train.vectors, data.train.y, k)
    right = logits[tested].argmax(axis=1) == data.train.y[tested]
    unknown = set_threshold(_evidence(data, centres, familiarity[tested], right), k, options.false_accept_rate)
    if data.held is None:
        probabilities = cross_fitted(logits[tested], data.train.y[tested], fold[tested])
        held_out = HeldOut("out-of-fold", data.train_rows[tested], probabilities, familiarity[tested])
    else:
        probabilities = softmax(linear.logits(data.held) / temperature)
        known = (data.held @ centres.T).max(axis=1)
        held_out = HeldOut(str(data.held_name), data.held_rows, probabilities, known)
    return HeadFit(
        head=_head(best.kind, data.train.labels, linear, centres, temperature, unknown),
        counts=dict(zip(data.train.labels, np.bincount(data.train.y, minlength=k).tolist(), strict=True)),
        seen=np.concatenate([data.train_rows, data.stranger_rows]),
        held_out=held_out,
        compared=compared,
        unknown=unknown,
        folds=FoldsUsed(len(np.unique(fold[tested])), units.number, units.copies, len(fold) - len(tested)),
        notes=(*data.notes, *units.notes, *describe_deal(data.train, units, fold), describe(unknown)),
    )


def _compare(samples: Samples, units: Units, options: HeadOptions) -> tuple[Compared, ...]:
    part, fold = _deal_sample(samples, units, options, _sample(samples.y, options.seed))
    if not leaves_a_test(fold):
        part, fold = _deal_sample(samples, units, options, np.arange(len(samples)))
    compared = []
    for candidate in CANDIDATES:
        guessed = _out_of_fold(candidate, part, fold, options.seed)[0].argmax(axis=1)
        scores = [_macro_f1(part.y[fold == f], guessed[fold == f]) for f in np.unique(fold[fold != TRAIN_ONLY])]
        compared.append(Compared(candidate.kind, candidate.c, float(np.mean(scores)), float(np.std(scores))))
    return tuple(compared)


def _deal_sample(samples: Samples, units: Units, options: HeadOptions, rows: Ints) -> tuple[Samples, Ints]:
    part = Samples(samples.vectors[rows], samples.y[rows], samples.labels)
    return part, deal_folds(part.y, units.among(rows), options.folds, options.seed)


def _sample(y: Ints, seed: int) -> Ints:
    if len(y) <= _COMPARE_ON:
        return np.arange(len(y))
    counts = np.bincount(y)
    most = max(2, _COMPARE_ON // len(counts))
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(y == j))[:most] for j in range(len(counts))]
    return np.sort(np.concatenate(drawn))


def _choose(compared: Sequence[Compared], n: int) -> Candidate:
    best = max(row.mean for row in compared)
    chosen = next(row for row in compared if row.mean >= best - 1 / n)
    return Candidate(chosen.kind, chosen.c)


def _out_of_fold(candidate: Candidate, samples: Samples, fold: Ints, seed: int) -> tuple[Doubles, Doubles]:
    """Logits (n, k) and familiarities (n,) by heads that have not seen its fold; zero where a row is never tested."""
    k = len(samples.labels)
    logits, familiarity = np.zeros((len(samples), k)), np.zeros(len(samples))
    for number in np.unique(fold[fold != TRAIN_ONLY]):
        here, rest = fold == number, fold != number
        vectors, y = samples.vectors[rest], samples.y[rest]
        logits[here] = fit(candidate, vectors, y, k, seed).logits(samples.vectors[here])
        familiarity[here] = (samples.vectors[here] @ class_centres(vectors, y, k).T).max(axis=1)
    return logits, familiarity


def _evidence(data: Prepared, centres: Doubles, known: Doubles, right: npt.NDArray[np.bool_]) -> Evidence:
    return Evidence(
        known=known,
        right=right,
        left_out=leave_classes_out(data.train.vectors, data.train.y, centres),
        left_out_y=data.train.y,
        strangers=(data.strangers @ centres.T).max(axis=1),
    )


def _macro_f1(y: Ints, guessed: Ints) -> float:
    return float(f1_score(y, guessed, labels=np.unique(y), average="macro", zero_division=0))


def _head(
    kind: str, labels: tuple[str, ...], linear: Linear, centres: Doubles, temperature: float, unknown: Unknown
) -> Head:
    return Head(
        kind=kind,
        labels=labels,
        weights=linear.weights.astype(np.float32),
        bias=linear.bias.astype(np.float32),
        centres=centres.astype(np.float32),
        temperature=temperature,
        threshold=-math.inf if unknown.threshold is None else unknown.threshold,
    )
