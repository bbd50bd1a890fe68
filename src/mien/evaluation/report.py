"""What a classifier is worth: predictions and labels in, a `Report` of measured figures out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from mien import fileio
from mien.errors import DataError
from mien.evaluation.confidence import Share, design_effect
from mien.evaluation.metrics import Bin, OpenSet, calibration_error, macro_f1, open_set, reliability
from mien.evaluation.templating import environment, printable
from mien.text import pluralize
from mien.types import UNCERTAIN, UNKNOWN, Ints, Origin, Prediction, Reason, Rejected

if TYPE_CHECKING:
    import pandas as pd

_LABELS_IN_SUMMARY = 20
_COUNTS = ("photos", "n", "strangers", "unlabelled", "rejected")
_SHARES = ("accuracy", "accuracy_all", "macro_f1", "uncertain", "accuracy_certain")


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One label: `n` photos with it, `rejected` of them without a result; the rest is over those with one.

    recall: share of the label's photos that were given it; precision: share of the photos given it that have it;
    f1: their harmonic mean. Each is None where it would be out of nothing.
    """

    n: int
    rejected: int
    precision: Share
    recall: Share
    f1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Counts of photos with a result: `matrix` (k, k) int64, rows the true label, columns the answer."""

    labels: tuple[str, ...]
    matrix: Ints

    def occurring(self) -> Confusion:
        """The same with only those labels that occur, as truth or as answer."""
        rows = np.flatnonzero(self.matrix.sum(axis=0) + self.matrix.sum(axis=1))
        return Confusion(tuple(self.labels[i] for i in rows), self.matrix[np.ix_(rows, rows)])


@dataclass(frozen=True, slots=True)
class Mistake:
    """A photo that was given a wrong name; `stranger` where it should have been given none."""

    uri: str
    truth: str
    answer: str
    probability: float
    stranger: bool


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The figures of one set of predictions against one set of labels. A photo counts once, with its first face.

    photos: all; n: those whose label is among the known; strangers: those with another label; unlabelled: the rest.
    rejected: photos of any kind without a result; reasons: how many for which reason, the commonest first.
    accuracy: best answer right, whatever the threshold, over known photos with a result; accuracy_all: over all known
    photos, so that a missed face is an error. macro_f1: mean F1 of the labels that occur among the known photos with
    a result. uncertain: share of known photos with a result that were given no answer; accuracy_certain: best answer
    right, of the others. ece: expected calibration error over the same, from `bins`.
    mistakes: the most confident first. confusion: None where the report comes from a bundle, which does not keep it.
    detector, trained_on: what found the faces, and how many photos the bundle was trained on; None where not known.
    page: renders the report as a page of HTML, where there is something to make it from.
    """

    photos: int
    n: int
    strangers: int
    unlabelled: int
    rejected: int
    reasons: Mapping[Reason, int]
    accuracy: Share
    accuracy_all: Share
    macro_f1: Share
    uncertain: Share
    accuracy_certain: Share
    ece: float | None
    per_class: Mapping[str, ClassScore]
    unknown: OpenSet
    confusion: Confusion | None = None
    bins: tuple[Bin, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    rejections: tuple[Rejected, ...] = ()
    detector: str | None = None
    trained_on: int | None = None
    page: Callable[[], str] | None = field(default=None, repr=False)

    @property
    def note(self) -> str:
        """What to know before believing the figures; "" where there is nothing."""
        if not self.trained_on:
            return ""
        photos = f"{self.trained_on} of {pluralize(self.photos, 'photo')}"
        return f"{photos} were in the training set; results are optimistic"

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien evaluate --json` prints; plain values, None for what could not be measured."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in _COUNTS}
        fields["reasons"] = {str(reason): count for reason, count in self.reasons.items()}
        for name in _SHARES:
            share: Share = getattr(self, name)
            fields |= {name: share.value, f"{name}_interval": share.interval}
        del fields["uncertain_interval"]
        confusion = self.confusion
        fields |= {
            "ece": self.ece,
            "per_class": {label: _class_json(score) for label, score in self.per_class.items()},
            "confusion": confusion and {"labels": list(confusion.labels), "matrix": confusion.matrix.tolist()},
            "unknown": self.unknown.as_json(),
        }
        return fields if self.detector is None else {**fields, "detector": self.detector, "trained_on": self.trained_on}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """What `as_json` wrote, with or without the confusion, as a bundle's manifest holds it -> the figures.

        Raises:
            KeyError, TypeError, ValueError: the fields are not those of a report.
        """
        figures: dict[str, Any] = {name: fields[name] for name in _COUNTS}
        for name in _SHARES:
            interval = fields.get(f"{name}_interval")
            figures[name] = Share(fields[name], None if interval is None else (interval[0], interval[1]))
        matrix = fields.get("confusion")
        return cls(
            **figures,
            reasons={Reason(reason): count for reason, count in fields["reasons"].items()},
            ece=fields["ece"],
            per_class={label: _class_from_json(score) for label, score in fields["per_class"].items()},
            unknown=OpenSet.from_json(fields["unknown"]),
            confusion=matrix and Confusion(tuple(matrix["labels"]), np.array(matrix["matrix"], dtype=np.int64)),
            detector=fields.get("detector"),
            trained_on=fields.get("trained_on"),
        )

    def to_pandas(self) -> pd.DataFrame:
        """A table with a row per label: n, rejected, precision, recall, f1."""
        import pandas as pd

        rows = {label: _class_json(score) for label, score in self.per_class.items()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["n", "rejected", "precision", "recall", "f1"])

    def to_html(self, path: str | PathLike[str]) -> Path:
        """Write the page with the figures, charts and worst mistakes; gives back where.

        Raises:
            DataError: there is nothing to make a page from, or it cannot be written.
        """
        if self.page is None:
            raise DataError("this report has no page: evaluate the classifier on labelled photos to get one")
        fileio.write(Path(path), self.page().encode())
        return Path(path)

    def _repr_html_(self) -> str:
        confusion = self.confusion.occurring() if self.confusion else None
        small = confusion if confusion and 0 < len(confusion.labels) <= _LABELS_IN_SUMMARY else None
        return environment(printable).get_template("summary.html").render(report=self, confusion=small)


def measure(
    results: Iterable[Prediction | Rejected], labels: Sequence[str], threshold: float, *, grouped: bool = True
) -> Report:
    """Predictions and rejections, the known labels, the unknown rule's threshold -> the figures.

    The truth is each result's `origin.label`. A photo whose label is not among `labels`, or is "unknown", shows a
    stranger; one without a label is counted and left out. Where `grouped`, photos of one `origin.group`, such as the
    variants of one, are taken not to vary independently, which widens the intervals of accuracy and F1.

    Raises:
        DataError: there are no photos, or none of them has a label.
    """
    names = tuple(dict.fromkeys(label for label in labels if label != UNKNOWN))
    index = {label: i for i, label in enumerate(names)}
    photos = _sort_photos(results, index)
    known, strangers, missed = photos.known, photos.strangers, photos.missed
    truth, answers = (np.array(column, dtype=np.int64) for column in _columns(known, index))
    right = truth == answers
    certain = np.array([a.certain for a in known], dtype=bool)
    origins = [*(a.origin for a in known), *(r.origin for r in missed)]
    units = _units([origin.group if grouped else None for origin in origins])
    faces, n = len(known), len(known) + len(missed)
    matrix = np.bincount(truth * len(names) + answers, minlength=len(names) ** 2).reshape(len(names), -1)
    reasons = Counter(r.reason for r in photos.rejected)
    bins = reliability(np.array([a.probability for a in known], dtype=np.float64), right)
    return Report(
        photos=photos.count,
        n=n,
        strangers=photos.count - n - photos.unlabelled,
        unlabelled=photos.unlabelled,
        rejected=len(photos.rejected),
        reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        accuracy=_share(right, units[:faces]),
        accuracy_all=_share(np.append(right, np.zeros(len(missed), dtype=bool)), units),
        macro_f1=macro_f1(truth, answers, len(names), units[:faces]),
        uncertain=_share(~certain, units[:faces]),
        accuracy_certain=_share(right[certain], units[:faces][certain]),
        ece=calibration_error(bins),
        bins=bins,
        per_class=_per_class(names, matrix, Counter(r.origin.label for r in missed)),
        confusion=Confusion(names, matrix),
        unknown=open_set(_familiarities(known), right, _familiarities(strangers), threshold),
        mistakes=_mistakes(known, strangers, threshold),
        rejections=tuple(photos.rejected),
    )


def grouped_by_label(origins: Iterable[Origin]) -> bool:
    """Whether each label of a data set is a single group, as when the group is the person to be recognised."""
    pairs = {(origin.label, origin.group) for origin in origins}
    return len(pairs) == len({label for label, _ in pairs})


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is kept of a prediction: of a thousand labels for each of ten thousand photos only the best one counts."""

    origin: Origin
    label: str
    probability: float
    familiarity: float
    certain: bool


@dataclass(slots=True)
class _Photos:
    """Photos by what they can say: the known with a face and without one, strangers with a face, all rejected."""

    count: int
    unlabelled: int = 0
    known: list[_Answer] = field(default_factory=list)
    missed: list[Rejected] = field(default_factory=list)
    strangers: list[_Answer] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def _sort_photos(results: Iterable[Prediction | Rejected], labels: Mapping[str, int]) -> _Photos:
    first: dict[str, _Answer | Rejected] = {}
    for result in results:
        # One face of a photo may fail where another passes: then the photo has a result.
        if result.key not in first or (isinstance(first[result.key], Rejected) and isinstance(result, Prediction)):
            first[result.key] = result if isinstance(result, Rejected) else _answer(result)
    photos = _Photos(len(first))
    for item in first.values():
        truth = item.origin.label
        photos.unlabelled += truth is None
        if isinstance(item, Rejected):
            photos.rejected.append(item)
            if truth in labels:
                photos.missed.append(item)
        elif truth is not None:
            (photos.known if truth in labels else photos.strangers).append(item)
    if not photos.count:
        raise DataError("there are no photos to evaluate: the data is empty")
    if photos.unlabelled == photos.count:
        raise DataError(
            f"none of the {photos.count} photos has a label, so there is nothing to compare with: "
            "sort them into folders named after their label, or give a CSV with the columns filename,label"
        )
    return photos


def _answer(prediction: Prediction) -> _Answer:
    label, probability = prediction.top[0]
    probability = probability if isfinite(probability) else 0.0
    certain = prediction.label != UNCERTAIN
    return _Answer(prediction.origin, label, probability, prediction.familiarity, certain)


def _columns(known: Sequence[_Answer], index: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """The numbers of the true labels, and those of the answers."""
    for a in known:
        if a.label not in index:
            raise ValueError(f"the answer {a.label!r} for {a.origin.uri} is not among the labels")
    return [index[a.origin.label or ""] for a in known], [index[a.label] for a in known]


def _units(groups: Sequence[str | None]) -> Ints:
    """The group of each photo -> the number of its unit (n,): its group, or itself where it has none."""
    first: dict[str, int] = {}
    numbers = [i if group is None else first.setdefault(group, i) for i, group in enumerate(groups)]
    return np.unique(np.array(numbers, dtype=np.int64), return_inverse=True)[1]


def _share(right: npt.NDArray[np.bool_], units: Ints) -> Share:
    return Share.count(int(right.sum()), len(right), design_effect(right, units))


def _familiarities(answers: Sequence[_Answer]) -> npt.NDArray[np.float64]:
    return np.array([a.familiarity for a in answers], dtype=np.float64)


def _per_class(labels: Sequence[str], matrix: Ints, missed: Mapping[str | None, int]) -> dict[str, ClassScore]:
    scores = {}
    for i, label in enumerate(labels):
        hits, true, answered = int(matrix[i, i]), int(matrix[i].sum()), int(matrix[:, i].sum())
        f1 = 2 * hits / (true + answered) if true + answered else None
        rejected = missed.get(label, 0)
        scores[label] = ClassScore(true + rejected, rejected, Share.count(hits, answered), Share.count(hits, true), f1)
    return scores


def _mistakes(known: Sequence[_Answer], strangers: Sequence[_Answer], threshold: float) -> tuple[Mistake, ...]:
    wrong = [(a, False) for a in known if a.label != a.origin.label]
    wrong += [(a, True) for a in strangers if a.familiarity >= threshold]
    mistakes = [Mistake(a.origin.uri, a.origin.label or "", a.label, a.probability, stranger) for a, stranger in wrong]
    return tuple(sorted(mistakes, key=lambda m: (-m.probability, m.uri)))


def _class_json(score: ClassScore) -> dict[str, Any]:
    shares = {"precision": score.precision.value, "recall": score.recall.value}
    return {"n": score.n, "rejected": score.rejected, **shares, "f1": score.f1}


def _class_from_json(fields: Mapping[str, Any]) -> ClassScore:
    precision, recall = Share(fields["precision"]), Share(fields["recall"])
    return ClassScore(fields["n"], fields["rejected"], precision, recall, fields["f1"])
