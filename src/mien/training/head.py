"""The recipe `head`: a linear classifier on vectors, calibrated, that says "unknown"; and which embedder suits it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.svm import LinearSVC

from mien.errors import DataError
from mien.models.head import Doubles, Head, softmax, unit
from mien.training import FoldCounts, HeldOutPredictions
from mien.training.calibration import (
    Evidence,
    UnknownThreshold,
    check_rate,
    cross_calibrate,
    describe_threshold,
    fit_temperature,
    leave_classes_out,
    set_threshold,
)
from mien.training.folds import TRAIN_ONLY, Samples, Units, assign_folds, describe_folds, leaves_a_test, units_for_test
from mien.training.splits import HeadData, prepare
from mien.types import Floats, Ints

EMBEDDER_FOLDS = 3
EMBEDDER_PHOTOS = 2400
"""More photos would not change which embedder is better, and take longer."""

_COMPARE_ON = 4000
"""The candidates are compared on this many photos at most; the best is then fitted to all."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of head, and how freely it may fit (`c`, the inverse of the penalty; None where there is none)."""

    kind: str
    c: float | None = None

    def __str__(self) -> str:
        return self.kind if self.c is None else f"{self.kind} (C = {self.c:g})"


CANDIDATES = (
    Candidate("centres"),
    Candidate("logistic", 1.0),
    Candidate("logistic", 10.0),
    Candidate("logistic", 100.0),
    Candidate("linear-svm", 0.1),
    Candidate("linear-svm", 1.0),
    Candidate("linear-svm", 10.0),
)
"""The simplest first: of equals the first is taken."""

_EMBEDDER_CANDIDATES = (Candidate("logistic", 10.0), Candidate("logistic", 100.0))


@dataclass(frozen=True, slots=True, eq=False)
class LinearMap:
    """Vectors of length 1 -> logits: `weights` (k, d), `bias` (k,)."""

    weights: Doubles
    bias: Doubles

    def logits(self, vectors: Doubles) -> Doubles:
        """Vectors (n, d) -> logits (n, k)."""
        return np.asarray(vectors @ self.weights.T + self.bias)


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """How to train: the random seed, the share of strangers to let in, the number of folds.

    Raises:
        DataError: a value is out of range.
    """

    seed: int = 0
    false_accept_rate: float = 0.01
    folds: int = 5

    def __post_init__(self) -> None:
        check_rate(self.false_accept_rate)
        if self.folds < 2 or self.seed < 0:
            raise DataError(f"{self.folds} folds, seed {self.seed}: folds must be at least 2, and the seed at least 0")


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """A candidate's macro-F1 in cross-validation: mean and standard deviation over the folds."""

    kind: str
    c: float | None
    mean: float
    std: float


@dataclass(frozen=True, slots=True, eq=False)
class HeadFit:
    """A head, and all that is known about how good it is: see `Fit`.

    The strangers that set its threshold count as `seen`.
    """

    head: Head
    counts: Mapping[str, int]
    seen: Ints
    held_out: HeldOutPredictions
    compared: tuple[CandidateScore, ...]
    unknown: UnknownThreshold
    folds: FoldCounts
    notes: tuple[str, ...]
    parts: Mapping[str, bytes] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All but the head and single predictions, as strict JSON."""
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
    rows and seed give the same head, whatever the order of the rows.

    Rows labelled `UNKNOWN` are strangers: they only help to set the threshold, or to measure it.

    Raises:
        DataError: no photos, one class, a class with a single photo, nothing but copies, vectors that are not finite.
        ValueError: the arguments do not belong together.
    """
    options = options or HeadOptions()
    data = prepare(vectors, labels, groups, splits)
    units = units_for_test(data.train, options.folds, (options.seed, options.seed + 1))
    compared = _compare(data.train, units, options)
    best_embedder = _choose(compared, len(data.train))
    fold = assign_folds(data.train.y, units, options.folds, options.seed + 1)
    tested = np.flatnonzero(fold != TRAIN_ONLY)
    logits, familiarity = _out_of_fold(best_embedder, data.train, fold, options.seed)
    temperature = fit_temperature(logits[tested], data.train.y[tested])
    k = len(data.train.labels)
    linear = fit_candidate(best_embedder, data.train.vectors, data.train.y, k, options.seed)
    centres = class_centres(data.train.vectors, data.train.y, k)
    right = logits[tested].argmax(axis=1) == data.train.y[tested]
    unknown = set_threshold(_evidence(data, centres, familiarity[tested], right), k, options.false_accept_rate)
    if data.held is None:
        probabilities = cross_calibrate(logits[tested], data.train.y[tested], fold[tested])
        held_out = HeldOutPredictions("out-of-fold", data.train_rows[tested], probabilities, familiarity[tested])
    else:
        probabilities = softmax(linear.logits(data.held) / temperature)
        known = (data.held @ centres.T).max(axis=1)
        held_out = HeldOutPredictions(str(data.held_name), data.held_rows, probabilities, known)
    return HeadFit(
        head=_head(best_embedder.kind, data.train.labels, linear, centres, temperature, unknown),
        counts=dict(zip(data.train.labels, np.bincount(data.train.y, minlength=k).tolist(), strict=True)),
        seen=np.concatenate([data.train_rows, data.stranger_rows]),
        held_out=held_out,
        compared=compared,
        unknown=unknown,
        folds=FoldCounts(len(np.unique(fold[tested])), units.number, units.copies, len(fold) - len(tested)),
        notes=(*data.notes, *units.notes, *describe_folds(data.train, units, fold), describe_threshold(unknown)),
    )


def _compare(samples: Samples, units: Units, options: HeadOptions) -> tuple[CandidateScore, ...]:
    part, fold = _fold_sample(samples, units, options, _sample(samples.y, options.seed))
    if not leaves_a_test(fold):
        part, fold = _fold_sample(samples, units, options, np.arange(len(samples)))
    compared = []
    for candidate in CANDIDATES:
        guessed = _out_of_fold(candidate, part, fold, options.seed)[0].argmax(axis=1)
        scores = [_macro_f1(part.y[fold == f], guessed[fold == f]) for f in np.unique(fold[fold != TRAIN_ONLY])]
        compared.append(CandidateScore(candidate.kind, candidate.c, float(np.mean(scores)), float(np.std(scores))))
    return tuple(compared)


def _fold_sample(samples: Samples, units: Units, options: HeadOptions, rows: Ints) -> tuple[Samples, Ints]:
    part = Samples(samples.vectors[rows], samples.y[rows], samples.labels)
    return part, assign_folds(part.y, units.among(rows), options.folds, options.seed)


def _sample(y: Ints, seed: int) -> Ints:
    if len(y) <= _COMPARE_ON:
        return np.arange(len(y))
    counts = np.bincount(y)
    most = max(2, _COMPARE_ON // len(counts))
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(y == j))[:most] for j in range(len(counts))]
    return np.sort(np.concatenate(rows))


def _choose(compared: Sequence[CandidateScore], n: int) -> Candidate:
    best_embedder = max(row.mean for row in compared)
    chosen = next(row for row in compared if row.mean >= best_embedder - 1 / n)
    return Candidate(chosen.kind, chosen.c)


def _out_of_fold(candidate: Candidate, samples: Samples, fold: Ints, seed: int) -> tuple[Doubles, Doubles]:
    """Logits (n, k) and familiarities (n,) by heads that have not seen the fold; zero where never tested."""
    k = len(samples.labels)
    logits, familiarity = np.zeros((len(samples), k)), np.zeros(len(samples))
    for number in np.unique(fold[fold != TRAIN_ONLY]):
        here, rest = fold == number, fold != number
        vectors, y = samples.vectors[rest], samples.y[rest]
        logits[here] = fit_candidate(candidate, vectors, y, k, seed).logits(samples.vectors[here])
        familiarity[here] = (samples.vectors[here] @ class_centres(vectors, y, k).T).max(axis=1)
    return logits, familiarity


def _evidence(data: HeadData, centres: Doubles, known: Doubles, right: npt.NDArray[np.bool_]) -> Evidence:
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
    kind: str,
    labels: tuple[str, ...],
    linear: LinearMap,
    centres: Doubles,
    temperature: float,
    unknown: UnknownThreshold,
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


def class_centres(vectors: Doubles, y: Ints, k: int) -> Doubles:
    """Vectors (n, d) of length 1 -> the mean direction of each class (k, d), of length 1.

    A class whose vectors cancel out has none, and takes that of its first photo.
    """
    means = np.stack([vectors[y == j].mean(axis=0) for j in range(k)])
    firsts = np.stack([vectors[int(np.argmax(y == j))] for j in range(k)])
    return unit(np.where(np.linalg.norm(means, axis=1, keepdims=True) > 1e-9, means, firsts))


def fit_candidate(candidate: Candidate, vectors: Doubles, y: Ints, k: int, seed: int) -> LinearMap:
    """Vectors (n, d) of length 1 and their classes, 0 to k - 1 and none missing -> logits of the k classes.

    Logistic regression and the support vector machine see the vectors less their mean and over their spread, so that
    `c` means the same for every embedder, and weigh each class alike however many photos it has.
    """
    if candidate.c is None:
        return LinearMap(class_centres(vectors, y, k), np.zeros(k))
    mean = vectors.mean(axis=0)
    spread = float(np.sqrt(((vectors - mean) ** 2).sum(axis=1).mean())) or 1.0
    model = _model(candidate.kind, candidate.c, seed)
    with warnings.catch_warnings():
        # scikit-learn warns that a fit has not quite converged, or scales badly: the penalty makes its answer as good,
        # cross-validation judges it, and the user could not act on a warning that names scikit-learn's own files.
        warnings.simplefilter("ignore")
        model.fit((vectors - mean) / spread, y)
    weights, bias = np.asarray(model.coef_) / spread, np.asarray(model.intercept_)
    if k == 2:  # one score for the second class: half of it for, half against, has the same softmax
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return LinearMap(weights, bias - weights @ mean)


def _model(kind: str, c: float, seed: int) -> Any:
    if kind == "logistic":
        return LogisticRegression(C=c, class_weight="balanced", max_iter=1000)
    return LinearSVC(C=c, class_weight="balanced", dual=False, max_iter=1000, random_state=seed)


@dataclass(frozen=True, slots=True)
class EmbedderScore:
    """What one embedder's vectors reached over all folds, with the better of two heads."""

    embedder: str
    accuracy: float
    macro_f1: float

    def as_json(self) -> dict[str, Any]:
        """Every field, as strict JSON."""
        return asdict(self)


def score_embedders(
    vectors: Mapping[str, Floats],
    labels: Sequence[str],
    groups: Sequence[str | None],
    splits: Sequence[str | None],
    seed: int,
) -> tuple[EmbedderScore, ...]:
    """Vectors (n, d) of each embedder by name, row for row of the same photos -> their scores in the same folds.

    Validation and test photos are left out, and so are strangers.

    Raises:
        DataError: too little data to compare on, as in `fit_head`.
    """
    rows: Ints | None = None
    scores = []
    for name, array in vectors.items():
        train = prepare(array, labels, groups, splits).train
        if rows is None:  # the folds are those of the first embedder, which finds the near-copies
            units = units_for_test(train, EMBEDDER_FOLDS, (seed,))
            rows = np.sort(np.random.default_rng(seed).permutation(len(train))[:EMBEDDER_PHOTOS])
            fold = assign_folds(train.y[rows], units.among(rows), EMBEDDER_FOLDS, seed)
        part = Samples(train.vectors[rows], train.y[rows], train.labels)
        own = [_score(name, candidate, part, fold, seed) for candidate in _EMBEDDER_CANDIDATES]
        scores.append(max(own, key=lambda score: score.macro_f1))
    return tuple(scores)


def best_embedder(scores: Sequence[EmbedderScore], n: int) -> EmbedderScore:
    """Scores in the order of the embedders' cost, on `n` photos -> the first within one standard error of the best.

    Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3; the error is that of a share of photos.
    """
    best_embedder = max(score.macro_f1 for score in scores)
    error = math.sqrt(best_embedder * (1 - best_embedder) / max(1, n))
    return next(score for score in scores if score.macro_f1 >= best_embedder - error)


def _score(name: str, candidate: Candidate, samples: Samples, fold: Ints, seed: int) -> EmbedderScore:
    guessed = np.full(len(samples), -1)
    for number in np.unique(fold[fold != TRAIN_ONLY]):
        here, rest = fold == number, fold != number
        head = fit_candidate(candidate, samples.vectors[rest], samples.y[rest], len(samples.labels), seed)
        guessed[here] = head.logits(samples.vectors[here]).argmax(axis=1)
    tested = fold != TRAIN_ONLY
    y, answers = samples.y[tested], guessed[tested]
    return EmbedderScore(name, float((y == answers).mean()), _macro_f1(y, answers))
