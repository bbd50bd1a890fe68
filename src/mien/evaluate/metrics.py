"""Predictions against labels: which photos count for what, and the figures that follow; reads and draws nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from mien.errors import DataError
from mien.evaluate.calibration import calibration_error, reliability
from mien.evaluate.evaluation import ClassScore, Confusion, Evaluation, Mistake, Sampled
from mien.evaluate.intervals import Share, alike, bootstrap
from mien.evaluate.strangers import open_set
from mien.types import UNCERTAIN, UNKNOWN, Ints, Origin, Prediction, Rejected

_SEED = 0  # the bootstrap's: the same predictions give the same interval


def evaluate(
    results: Iterable[Prediction | Rejected], labels: Sequence[str], threshold: float, *, grouped: bool = True
) -> Evaluation:
    """Predictions and rejections, the known labels, the unknown rule's threshold -> the figures.

    The truth is each result's `origin.label`. A photo whose label is not among `labels`, or is "unknown", shows a
    stranger; one without a label is counted and left out. Where `grouped`, photos of one `origin.group`, such as the
    variants of one, are taken not to vary by themselves, which widens the intervals of accuracy and F1.

    Raises:
        DataError: there are no photos, or none of them has a label.
    """
    known_labels = tuple(dict.fromkeys(label for label in labels if label != UNKNOWN))
    sorted_out = _sort_out(results, frozenset(known_labels))
    known, strangers = sorted_out.known, sorted_out.strangers
    index = {label: i for i, label in enumerate(known_labels)}
    matrix = _confusion(known, index)
    right = np.array([a.label == a.truth for a in known], dtype=bool)
    certain = np.array([a.certain for a in known], dtype=bool)
    bins = reliability(np.array([a.probability for a in known], dtype=np.float64), right)
    lost = [r for r in sorted_out.rejected if r.origin.label in index]
    missed = Counter(r.origin.label or "" for r in lost)
    groups = [*(a.group for a in known), *(r.origin.group for r in lost)]
    units = _units(groups if grouped else [None] * len(groups))
    hits, faces, n = int(right.sum()), len(known), len(known) + len(lost)
    together = alike(right, units[:faces]), alike(np.append(right, np.zeros(len(lost), dtype=bool)), units)
    return Evaluation(
        photos=sorted_out.photos,
        n=n,
        strangers=sorted_out.photos - n - sorted_out.unlabelled,
        unlabelled=sorted_out.unlabelled,
        rejections=tuple(sorted_out.rejected),
        accuracy=Share(hits, faces, together[0]),
        accuracy_all=Share(hits, n, together[1]),
        macro_f1=_macro_f1(matrix, known, index, units[:faces]),
        uncertain=Share(int((~certain).sum()), faces, alike(~certain, units[:faces])),
        accuracy_certain=Share(
            int(right[certain].sum()), int(certain.sum()), alike(right[certain], units[:faces][certain])
        ),
        ece=calibration_error(bins),
        bins=bins,
        per_class=_per_class(known_labels, matrix, missed),
        confusion=Confusion(known_labels, matrix),
        unknown=open_set(_familiarities(known), right, _familiarities(strangers), threshold),
        mistakes=_mistakes(known, strangers, threshold),
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is kept of a prediction: of a thousand labels to each of ten thousand photos only the best one counts."""

    uri: str
    truth: str | None
    group: str | None
    label: str
    probability: float
    familiarity: float
    certain: bool


@dataclass(slots=True)
class _SortedOut:
    """Photos by what they can say: the known and strangers with a face, all rejected ones, and the unlabelled."""

    photos: int = 0
    unlabelled: int = 0
    known: list[_Answer] = field(default_factory=list)
    strangers: list[_Answer] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def _sort_out(results: Iterable[Prediction | Rejected], labels: frozenset[str]) -> _SortedOut:
    first: dict[str, _Answer | Rejected] = {}
    for result in results:
        # One face of a photo may fail where another passes: then the photo has a result.
        if result.key not in first or (isinstance(first[result.key], Rejected) and isinstance(result, Prediction)):
            first[result.key] = result if isinstance(result, Rejected) else _answer(result)
    out = _SortedOut(photos=len(first))
    for kept in first.values():
        truth = kept.origin.label if isinstance(kept, Rejected) else kept.truth
        out.unlabelled += truth is None
        if isinstance(kept, Rejected):
            out.rejected.append(kept)
        elif truth in labels:
            out.known.append(kept)
        elif truth is not None:
            out.strangers.append(kept)
    if not out.photos:
        raise DataError("there is no photo to evaluate: the data named none")
    if out.unlabelled == out.photos:
        raise DataError(
            f"none of the {out.photos} photos has a label, so there is nothing to compare with: "
            "sort them into folders named after their label, or give a CSV with the columns filename,label"
        )
    return out


def _answer(prediction: Prediction) -> _Answer:
    label, probability = prediction.top[0]
    sure = probability if isfinite(probability) else 0.0
    origin = prediction.origin
    certain = prediction.label != UNCERTAIN
    return _Answer(prediction.key, origin.label, origin.group, label, sure, prediction.familiarity, certain)


def grouped_by_label(origins: Iterable[Origin]) -> bool:
    """Whether each label of a data set is a single group, as when the group is the person to be recognised."""
    pairs = {(origin.label, origin.group) for origin in origins}
    return len(pairs) == len({label for label, _ in pairs})


def _units(groups: Sequence[str | None]) -> Ints:
    """The group of each photo -> the number of what it belongs to (n,): its group, or itself where it has none."""
    number: dict[str | int, int] = {}
    own = [i if group is None else group for i, group in enumerate(groups)]
    return np.array([number.setdefault(key, len(number)) for key in own], dtype=np.int64)


def _outcomes(kinds: Ints, units: Ints, most: int) -> tuple[Ints, Ints]:
    """Kind of outcome and unit of each photo -> kinds counted in each unit (u, m), and how many units are so (u,)."""
    if len(np.unique(units)) == len(units):
        return np.eye(most, dtype=np.int64), np.bincount(kinds, minlength=most)
    counts = np.zeros((int(units.max()) + 1, most), dtype=np.int64)
    np.add.at(counts, (units, kinds), 1)
    alike_ones, times = np.unique(counts[counts.any(axis=1)], axis=0, return_counts=True)
    return alike_ones, times


def _familiarities(answers: list[_Answer]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([a.familiarity for a in answers], dtype=np.float64)


def _confusion(known: list[_Answer], index: dict[str, int]) -> Ints:
    matrix = np.zeros((len(index), len(index)), dtype=np.int64)
    for a in known:
        if a.label not in index:
            raise ValueError(f"the answer {a.label!r} for {a.uri} is not among the labels")
        matrix[index[a.truth or ""], index[a.label]] += 1
    return matrix


def _per_class(labels: tuple[str, ...], matrix: Ints, missed: Counter[str]) -> dict[str, ClassScore]:
    scores = {}
    for i, label in enumerate(labels):
        hits, true, answered = int(matrix[i, i]), int(matrix[i].sum()), int(matrix[:, i].sum())
        f1 = 2 * hits / (true + answered) if true + answered else None
        score = ClassScore(true + missed[label], missed[label], Share(hits, answered), Share(hits, true), f1)
        scores[label] = score
    return scores


def _macro_f1(matrix: Ints, known: list[_Answer], index: dict[str, int], units: Ints) -> Sampled:
    """Mean F1 over the labels that occur as truth, and its bootstrap interval.

    Without a single error there is no interval: drawing anew from hits alone gives nothing but hits.
    """
    true, answered = np.nonzero(matrix)
    k = len(matrix)

    def score(counts: Ints) -> float | None:
        rows = np.bincount(true, counts, k)
        columns = np.bincount(answered, counts, k)
        hits = np.bincount(true, counts * (true == answered), k)
        occur = rows > 0
        return float((2 * hits[occur] / (rows + columns)[occur]).mean()) if occur.any() else None

    value = score(matrix[true, answered])
    if (true == answered).all():
        return Sampled(value, None)
    number = np.zeros_like(matrix)
    number[true, answered] = np.arange(len(true))
    kinds = np.array([number[index[a.truth or ""], index[a.label]] for a in known], dtype=np.int64)
    return Sampled(value, bootstrap(*_outcomes(kinds, units, len(true)), score, _SEED))


def _mistakes(known: list[_Answer], strangers: list[_Answer], threshold: float) -> tuple[Mistake, ...]:
    wrong = [(a, False) for a in known if a.label != a.truth]
    wrong += [(a, True) for a in strangers if a.familiarity >= threshold]
    mistakes = [Mistake(a.uri, a.truth or "", a.label, a.probability, stranger) for a, stranger in wrong]
    return tuple(sorted(mistakes, key=lambda m: (-m.probability, m.uri)))
