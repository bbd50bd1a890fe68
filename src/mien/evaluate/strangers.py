"""How well the known are told from strangers: open-set scores in, a threshold's figures and a curve out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.evaluate.intervals import Share

_POINTS = 60


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold: share of strangers let in, share of the known let in, share of the known named rightly."""

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
    roc: tuple[Point, ...]

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
            "roc": [{"far": p.far, "accepted": p.accepted, "named": p.named} for p in self.roc],
        }


def open_set(
    known: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
    strangers: npt.NDArray[np.float64],
    threshold: float,
) -> OpenSet:
    """Familiarities of the known (n,), whether each was named rightly (n,), and those of strangers (m,) -> figures.

    A photo is named where its familiarity reaches the threshold.
    """
    known, strangers = (np.where(np.isnan(scores), -np.inf, scores) for scores in (known, strangers))
    return OpenSet(
        threshold=float(threshold),
        known_named=Share(int((right & (known >= threshold)).sum()), len(known)),
        false_accepts=Share(int((strangers >= threshold).sum()), len(strangers)),
        auc=rank_auc(known, strangers),
        roc=_curve(known, right, strangers),
    )


def rank_auc(high: npt.NDArray[np.float64], low: npt.NDArray[np.float64]) -> float | None:
    """The chance that one of `high` lies above one of `low`, ties half: the ROC's area (Hanley & McNeil 1982)."""
    if not len(high) or not len(low):
        return None
    order = np.sort(low)
    below, up_to = np.searchsorted(order, high, "left"), np.searchsorted(order, high, "right")
    return float((below + up_to).mean() / (2 * len(low)))


def _curve(
    known: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], strangers: npt.NDArray[np.float64]
) -> tuple[Point, ...]:
    if not len(known) or not len(strangers):
        return ()
    falling = np.sort(strangers)[::-1]
    few = np.arange(min(len(falling), _POINTS // 2))
    ranks = np.unique([*few, *np.linspace(0, len(falling) - 1, _POINTS // 2).astype(int)])
    points = {}
    for cut in falling[ranks]:
        far = float((strangers > cut).mean())
        let_in = known > cut
        points[far] = Point(far, float(let_in.mean()), float((right & let_in).mean()))
    points[1.0] = Point(1.0, 1.0, float(right.mean()))
    return tuple(points[far] for far in sorted(points))
