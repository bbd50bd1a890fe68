"""What an evaluation holds, and how it reads as JSON; computes nothing itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from mien.evaluate.calibration import Bin
from mien.evaluate.intervals import Interval, Share
from mien.evaluate.strangers import OpenSet
from mien.types import Ints, Reason, Rejected


@dataclass(frozen=True, slots=True)
class Sampled:
    """A figure that is no share of anything, with its bootstrap interval; None where there is nothing to go by."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One label: `n` photos that bear it, `rejected` of them without a result; the rest is over those with one.

    recall: share of the label's photos that were given it; precision: share of the photos given it that bear it;
    f1: their harmonic mean. Each is None where it would be out of nothing.
    """

    n: int
    rejected: int
    precision: Share
    recall: Share
    f1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Counts of photos with a result: `matrix` (k, k) int64, rows what was true, columns what was answered."""

    labels: tuple[str, ...]
    matrix: Ints


@dataclass(frozen=True, slots=True)
class Mistake:
    """A photo that was given a wrong name; `stranger` where it should have been given none."""

    uri: str
    truth: str
    answer: str
    probability: float
    stranger: bool


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The figures of one set of predictions against one set of labels. A photo counts once, with its first face.

    photos: all; n: those whose label is among the known; strangers: those with another label; unlabelled: the rest.
    rejected: photos of any kind without a result; rejections: each with its reason.
    accuracy: best answer right, whatever the threshold, over known photos with a result; accuracy_all: over all known
    photos, so that a missed face is an error. macro_f1: mean F1 of the labels that occur among the known photos with
    a result. uncertain: share of known photos with a result that was given no answer; accuracy_certain: best answer
    right, of the others. ece: expected calibration error over the same, from `bins`.
    mistakes: the most confident first.
    """

    photos: int
    n: int
    strangers: int
    unlabelled: int
    rejections: tuple[Rejected, ...]
    accuracy: Share
    accuracy_all: Share
    macro_f1: Sampled
    uncertain: Share
    accuracy_certain: Share
    ece: float | None
    bins: tuple[Bin, ...]
    per_class: dict[str, ClassScore]
    confusion: Confusion
    unknown: OpenSet
    mistakes: tuple[Mistake, ...]

    @property
    def rejected(self) -> int:
        return len(self.rejections)

    @property
    def reasons(self) -> dict[Reason, int]:
        """How many photos were rejected for which reason, the commonest first."""
        counts = Counter(r.reason for r in self.rejections)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien evaluate --json` prints; plain values, None for what could not be measured."""
        return {
            "photos": self.photos,
            "n": self.n,
            "strangers": self.strangers,
            "unlabelled": self.unlabelled,
            "rejected": self.rejected,
            "reasons": {str(reason): count for reason, count in self.reasons.items()},
            "accuracy": self.accuracy.value,
            "accuracy_interval": self.accuracy.interval,
            "accuracy_all": self.accuracy_all.value,
            "accuracy_all_interval": self.accuracy_all.interval,
            "macro_f1": self.macro_f1.value,
            "macro_f1_interval": self.macro_f1.interval,
            "uncertain": self.uncertain.value,
            "accuracy_certain": self.accuracy_certain.value,
            "accuracy_certain_interval": self.accuracy_certain.interval,
            "ece": self.ece,
            "per_class": {
                label: {
                    "n": s.n,
                    "rejected": s.rejected,
                    "precision": s.precision.value,
                    "recall": s.recall.value,
                    "f1": s.f1,
                }
                for label, s in self.per_class.items()
            },
            "confusion": {"labels": list(self.confusion.labels), "matrix": self.confusion.matrix.tolist()},
            "unknown": self.unknown.as_json(),
        }
