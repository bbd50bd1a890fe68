"""Photos whose label is probably wrong, by confident learning: models that have not seen them take them for others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn depends on it

from mien.curation.features import ImageFeatures
from mien.curation.findings import KEEP, Finding, Kind
from mien.models import EMBEDDER_SEPARATOR
from mien.types import UNKNOWN, Floats, Ints

# A class of fewer photos is not judged: from four of them, out of fold, nothing can be learnt.
_MIN_PHOTOS = 10

# Labels are listed from this probability on, and another is proposed where it is likelier than the given one. A person
# who looks at those in between finds one wrong in four, where one in ten or twenty is.
_LISTED, _PROPOSED = 0.15, 0.5


def label_error_findings(
    photos: Sequence[ImageFeatures], seed: int = 0, excluded: frozenset[str] = frozenset()
) -> list[Finding]:
    """Labelled photos -> those whose label is doubtful, the most likely errors first.

    Main faces are judged, by identity vectors, by those of traits, or by both: whichever agrees with the labels best.
    excluded: keys of photos that are copies of others, which would vouch for them. Photos of one `group` are never
    judged by each other. Classes under ten photos, and photos labelled "unknown" or not at all, are left alone.
    """
    table = _table(photos, excluded)
    if table is None:
        return []
    errors = label_errors(table.vectors, table.y, _units(table), seed)
    order = np.argsort(-errors.wrong, kind="stable")
    return [_finding(table, errors, i) for i in order.tolist() if errors.wrong[i] >= _LISTED]


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Photos that are judged, their vectors (n, d) by kind, and the numbers (n,) of their labels."""

    photos: Sequence[ImageFeatures]
    vectors: Mapping[str, Floats]
    names: Sequence[str]
    y: Ints


def _table(photos: Sequence[ImageFeatures], excluded: frozenset[str]) -> _Table | None:
    labelled = [
        photo
        for photo in photos
        if photo.origin.label not in (None, UNKNOWN) and photo.key not in excluded and _has_all_vectors(photo)
    ]
    counts = Counter(photo.origin.label for photo in labelled)
    judged = [photo for photo in labelled if counts[photo.origin.label] >= _MIN_PHOTOS]
    labels = [photo.origin.label or "" for photo in judged]
    if len(set(labels)) < 2:
        return None
    vectors = {name: np.stack([photo.vectors[name][0] for photo in judged]) for name in sorted(judged[0].vectors)}
    if len(vectors) > 1:
        vectors[EMBEDDER_SEPARATOR.join(vectors)] = np.concatenate(list(vectors.values()), axis=1)
    names, y = np.unique(labels, return_inverse=True)
    return _Table(judged, vectors, names.tolist(), y.astype(np.int64))


def _has_all_vectors(photo: ImageFeatures) -> bool:
    columns = photo.vectors.values()
    return bool(columns) and all(len(rows) and np.isfinite(rows[0]).all() for rows in columns)


def _units(table: _Table) -> Ints:
    """What stays together: photos of one group, and equal files; groups are ignored where a class is a single one."""
    files = [photo.digest or photo.key.encode() for photo in table.photos]
    groups = [photo.origin.group or file for photo, file in zip(table.photos, files, strict=True)]
    for units in (groups, files):
        numbers = np.unique(np.array([str(unit) for unit in units]), return_inverse=True)[1]
        if all(len(np.unique(numbers[table.y == j])) > 1 for j in range(len(table.names))):
            return np.asarray(numbers, np.int64)
    return np.arange(len(files))


def _finding(table: _Table, errors: LabelErrors, i: int) -> Finding:
    photo, given = table.photos[i], int(table.y[i])
    truth = errors.truth[i].copy()
    truth[given] = -1
    best = int(truth.argmax())
    label, other = table.names[given], table.names[best]
    detail = f"looks like {other} ({truth[best]:.2f}) rather than {label} ({errors.truth[i, given]:.2f})"
    wrong = float(errors.wrong[i])
    proposed = other if wrong >= _PROPOSED else KEEP
    rows, vectors = np.flatnonzero(table.y == best), table.vectors[errors.kind]
    nearest = table.photos[int(rows[(vectors[rows] @ vectors[i]).argmax()])].key
    return Finding(Kind.LABEL_SUSPECT, photo.key, label, proposed, wrong, detail, nearest)


# Confident learning: vectors and classes in, probabilities out.

Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

_FOLDS = 5
_REPEATS = 3
"""Each photo is judged by so many models, none of which has seen it: the luck of one split is averaged away."""

# A third of the covariance is a diagonal one: between 0.1 and 0.6 the answers hardly change, on expressions and masks.
_SHRINKAGE = 0.3

# The prior: one label in twenty is wrong, with the weight of so many photos of one class.
_EXPECTED_RATE, _PRIOR_WEIGHT = 0.05, 100
_TEMPERATURE_DEVIATION = 2.0  # of the logarithm of the temperature, around 0


@dataclass(frozen=True, slots=True, eq=False)
class LabelErrors:
    """How likely each of n labels is wrong, by the kind of vectors that tells them apart best.

    kind: its name; accuracy: the share of labels that it agrees with. rate: the share of wrong labels that explains the
    probabilities best. wrong: (n,), the probability that a label is wrong; truth: (n, k), that each class is right.
    """

    kind: str
    accuracy: float
    rate: float
    wrong: Doubles
    truth: Doubles


def label_errors(vectors: Mapping[str, Floats], y: Ints, units: Ints, seed: int = 0) -> LabelErrors:
    """Kinds of vectors (n, d) by name, classes (n,) from 0 on and what stays together (n,) -> how likely each is wrong.

    Confident learning (Northcutt et al. 2021, "Confident learning: estimating uncertainty in dataset labels") on
    out-of-fold probabilities, with three additions: the probabilities are means over several splits into folds; the
    share of wrong labels and the temperature are fitted together, so that the result is a probability; and the models
    that judge in the end have not learnt from labels that were found to be wrong.
    """
    # Small matrices, many times: threads would wait for each other longer than they work, and for other programs more.
    with threadpool_limits(1):
        fold = assign_folds(y, units, seed)
        first = {name: out_of_fold(rows, y, fold, np.ones(len(y), bool)) for name, rows in vectors.items()}
        kind = max(first, key=lambda name: float((first[name].argmax(axis=1) == y).mean()))
        _, wrong, _ = _estimate(first[kind], y)
        repeats = [
            out_of_fold(vectors[kind], y, assign_folds(y, units, seed + i), wrong < 0.5) for i in range(_REPEATS)
        ]
        mean = np.mean(repeats, axis=0)
        rate, wrong, truth = _estimate(mean, y)
        return LabelErrors(kind, float((mean.argmax(axis=1) == y).mean()), rate, wrong, truth)


def assign_folds(y: Ints, units: Ints, seed: int) -> Ints:
    """Classes (n,) and what stays together (n,) -> a fold for each row (n,); classes are spread evenly.

    The largest units come first, and each goes where its classes are rarest.
    """
    k, number = int(y.max()) + 1, int(units.max()) + 1
    counts = np.zeros((number, k))
    np.add.at(counts, (units, y), 1)
    order = np.random.default_rng(seed).permutation(number)
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    load, fold = np.zeros((_FOLDS, k)), np.zeros(number, np.int64)
    shares = counts / counts.sum(axis=0)
    for i in order:
        fold[i] = int(np.argmin(load @ shares[i] + 1e-9 * load.sum(axis=1)))
        load[fold[i]] += shares[i]
    return fold[units]


def out_of_fold(vectors: Floats, y: Ints, fold: Ints, trusted: Bools) -> Doubles:
    """Probabilities (n, k) by models that have learnt from no row of the same fold, and from trusted rows only."""
    k = int(y.max()) + 1
    probabilities = np.full((len(y), k), 1 / k)
    for number in np.unique(fold):
        test, train = fold == number, (fold != number) & trusted
        if len(seen := np.unique(y[train])) < 2:
            continue
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=_SHRINKAGE).fit(vectors[train], y[train])
        probabilities[np.ix_(test, seen)] = model.predict_proba(vectors[test])
        probabilities[np.ix_(test, np.setdiff1d(np.arange(k), seen))] = 0
    return probabilities


def _estimate(probabilities: Doubles, y: Ints) -> tuple[float, Doubles, Doubles]:
    """Out-of-fold probabilities (n, k) and labels -> the share of wrong ones, how likely each is wrong, and the truth.

    A label is seen as given with 1 - rate times the probability of its class, and by mistake with rate times that of
    the others, shared evenly. Temperature (Guo et al. 2017) and rate are those that make the labels most likely, and a
    class whose labels are hard to agree with is doubted less: its odds are divided by its mean probability among its
    own, as confident learning does.
    """
    n, k = probabilities.shape
    at = np.arange(n)
    logs = np.log(np.maximum(probabilities, 1e-30))

    def at_temperature(temperature: float) -> Doubles:
        scaled = logs / temperature
        scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))

    def loss(values: Sequence[float]) -> float:
        rate = 0.5 / (1 + math.exp(-values[1]))
        given = at_temperature(math.exp(values[0]))[at, y]
        likelihood = (1 - rate) * given + rate * (1 - given) / (k - 1)
        prior = _PRIOR_WEIGHT * (_EXPECTED_RATE * math.log(rate) + (1 - _EXPECTED_RATE) * math.log(1 - rate))
        prior -= _PRIOR_WEIGHT * (values[0] / _TEMPERATURE_DEVIATION) ** 2 / 2
        return float(-(np.log(likelihood).sum() + prior) / n)

    start = [[0.0, -2.0], [0.7, -2.0], [0.0, -3.0]]
    options = {"initial_simplex": start, "xatol": 1e-3, "fatol": 1e-6, "maxiter": 200}
    best = minimize(loss, start[0], method="Nelder-Mead", options=options)
    temperature, rate = math.exp(float(np.clip(best.x[0], -3, 3))), 0.5 / (1 + math.exp(-float(best.x[1])))
    truth = at_temperature(temperature)
    given = np.clip(truth[at, y], 1e-12, 1 - 1e-12)
    typical = np.bincount(y, given, minlength=k) / np.maximum(np.bincount(y, minlength=k), 1)
    odds = rate / (1 - rate) / (k - 1) * (1 - given) / given * (typical / typical.mean())[y]
    return rate, odds / (1 + odds), truth
