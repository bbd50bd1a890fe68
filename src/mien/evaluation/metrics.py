"""Figures of arrays: macro-F1, calibration, and how well strangers are told from the known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import fsum
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mien.evaluation.confidence import Share, bootstrap
from mien.types import Ints

_SEED = 0  # of the bootstrap: the same predictions give the same interval
_BINS = 15  # Guo et al. 2017, "On calibration of modern neural networks", section 4
_FEW = 300  # below, fifteen bins hold fewer than 20 photos each
_PER_BIN = 20
_ROC_POINTS = 60

_Scores = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bin:
    """The predictions of about one confidence: their mean confidence, and how many of them were right."""

    confidence: float
    hits: Share


@dataclass(frozen=True, slots=True)
class RocPoint:
    """One threshold: share of strangers accepted, share of the known accepted, share of the known named correctly."""

    far: float
    accepted: float
    named: float


@dataclass(frozen=True, slots=True)
class OpenSet:
    """Strangers against the known, over photos with a face.

    known_named: known photos given the right name at the threshold (detection and identification rate);
    false_accepts: strangers given any name; auc: the chance that a known photo scores above a stranger's
    (Grother, Ngan & Hanaoka, NIST FRVT part 2; Phillips et al. 2011, "Evaluation methods in face recognition").
    """

    threshold: float
    known_named: Share
    false_accepts: Share
    auc: float | None
    roc: tuple[RocPoint, ...]

    def as_json(self) -> dict[str, Any]:
        """The fields of `unknown` that `mien evaluate --json` prints."""
        return {
            "threshold": self.threshold if np.isfinite(self.threshold) else None,
            "known": self.known_named.of,
            "strangers": self.false_accepts.of,
            "known_named": self.known_named.value,
            "known_named_interval": self.known_named.interval,
            "false_accepts": self.false_accepts.value,
            "false_accepts_interval": self.false_accepts.interval,
            "auc": self.auc,
            "roc": [asdict(point) for point in self.roc],
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """What `as_json` wrote -> the same figures."""
        threshold = fields["threshold"]
        return cls(
            threshold=-np.inf if threshold is None else threshold,
            known_named=Share.count(round((fields["known_named"] or 0) * fields["known"]), fields["known"]),
            false_accepts=Share.count(round((fields["false_accepts"] or 0) * fields["strangers"]), fields["strangers"]),
            auc=fields["auc"],
            roc=tuple(RocPoint(**point) for point in fields["roc"]),
        )


def macro_f1(truth: Ints, answers: Ints, classes: int, units: Ints) -> Share:
    """True and answered class (n,), number of classes, units (n,) -> mean F1 of the classes that occur as truth.

    Without a single error there is no interval: resampling hits alone gives nothing but hits.
    """
    cells, kinds = np.unique(truth * classes + answers, return_inverse=True)
    true, answered = np.divmod(cells, classes)

    def score(counts: Ints) -> float | None:
        rows, columns = np.bincount(true, counts, classes), np.bincount(answered, counts, classes)
        hits = np.bincount(true, counts * (true == answered), classes)
        occur = rows > 0
        return float((2 * hits[occur] / (rows + columns)[occur]).mean()) if occur.any() else None

    value = score(np.bincount(kinds, minlength=len(cells)))
    return Share(value, None if (true == answered).all() else bootstrap(kinds, units, score, _SEED))


def reliability(confidences: _Scores, right: _Flags) -> tuple[Bin, ...]:
    """Confidences (n,) and hits (n,) -> bins that are not empty, in order of confidence.

    Fifteen bins of equal width (Guo et al. 2017, eq. 3), or, under 300 photos, bins of about 20 photos each, since
    nearly empty bins would mistake chance for error (Nixon et al. 2019). Equal confidences share a bin.
    """
    n = len(confidences)
    if n >= _FEW:
        edges = np.linspace(0, 1, _BINS + 1)[1:-1]
    elif n:
        edges = np.quantile(confidences, np.linspace(0, 1, max(1, n // _PER_BIN) + 1)[1:-1])
    else:
        return ()
    index = np.searchsorted(edges, confidences, side="left")  # Guo's bins are open below and closed above
    bins = []
    for i in np.unique(index):
        inside = index == i
        hits = Share.count(int(right[inside].sum()), int(inside.sum()))
        bins.append(Bin(fsum(confidences[inside]) / hits.of, hits))
    return tuple(bins)


def calibration_error(bins: tuple[Bin, ...]) -> float | None:
    """Bins -> the mean gap between confidence and share of hits, weighted by photos (ECE; Guo et al. 2017, eq. 3)."""
    total = sum(b.hits.of for b in bins)
    return sum(abs(b.hits.right - b.confidence * b.hits.of) for b in bins) / total if total else None


def open_set(known: _Scores, right: _Flags, strangers: _Scores, threshold: float) -> OpenSet:
    """Familiarities of the known (n,), whether each was named correctly (n,), those of strangers (m,) -> figures.

    A photo is named where its familiarity reaches the threshold.
    """
    known, strangers = (np.where(np.isnan(scores), -np.inf, scores) for scores in (known, strangers))
    return OpenSet(
        threshold=float(threshold),
        known_named=Share.count(int((right & (known >= threshold)).sum()), len(known)),
        false_accepts=Share.count(int((strangers >= threshold).sum()), len(strangers)),
        auc=rank_auc(known, strangers),
        roc=_roc(known, right, strangers),
    )


def rank_auc(high: _Scores, low: _Scores) -> float | None:
    """The chance that one of `high` lies above one of `low`, ties half: the ROC's area (Hanley & McNeil 1982)."""
    if not len(high) or not len(low):
        return None
    order = np.sort(low)
    below, up_to = np.searchsorted(order, high, "left"), np.searchsorted(order, high, "right")
    return float((below + up_to).mean() / (2 * len(low)))


def _roc(known: _Scores, right: _Flags, strangers: _Scores) -> tuple[RocPoint, ...]:
    """The curve at the few highest scores of strangers, and evenly over the others."""
    if not len(known) or not len(strangers):
        return ()
    falling, half = np.sort(strangers)[::-1], _ROC_POINTS // 2
    ranks = np.unique([*range(min(len(falling), half)), *np.linspace(0, len(falling) - 1, half).astype(int)])
    points = {}
    for cut in falling[ranks]:
        far, accepted = float((strangers > cut).mean()), known > cut
        points[far] = RocPoint(far, float(accepted.mean()), float((right & accepted).mean()))
    points[1.0] = RocPoint(1.0, 1.0, float(right.mean()))
    return tuple(points[far] for far in sorted(points))
