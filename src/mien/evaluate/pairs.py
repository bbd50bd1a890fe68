"""The protocol of Labeled Faces in the Wild: distances of pairs in, accuracy over folds out; reads no file.

Huang, Ramesh, Berg & Learned-Miller 2007, "Labeled Faces in the Wild", section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.errors import DataError
from mien.evaluate.strangers import rank_auc

_DRAWN_FOLDS = 10
_SEED = 0
_FARS = (0.1, 0.01, 0.001)

_Distances = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PairsResult:
    """How well distances tell same from different.

    accuracy, accuracy_std: mean and sample standard deviation over the folds. A pair with a rejected photo is an
    error. thresholds: one a fold, learnt on the other folds; None where those held no distance at all.
    auc, tar_at_far: over all folds together; a rejected pair of the same person counts as refused, a rejected pair of
    different people is left out. tar_at_far holds only rates at which one false accept or more is allowed.
    drawn: the data had one fold only, and folds were drawn at random.
    """

    pairs: int
    folds: int
    accuracy: float
    accuracy_std: float
    auc: float | None
    tar_at_far: dict[float, float]
    thresholds: tuple[float | None, ...]
    rejected: int
    drawn: bool

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien benchmark pairs --json` prints."""
        return {
            "pairs": self.pairs,
            "folds": self.folds,
            "accuracy": self.accuracy,
            "accuracy_std": self.accuracy_std,
            "auc": self.auc,
            "tar_at_far": {f"{far:g}": tar for far, tar in self.tar_at_far.items()},
            "thresholds": list(self.thresholds),
            "rejected": self.rejected,
            "drawn": self.drawn,
        }


def pairs_score(distances: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike | None = None) -> PairsResult:
    """Distances (n,), whether each pair is one person (n,), and each pair's fold (n,) -> the protocol's figures.

    A distance that is not finite says that a photo of the pair was rejected. Two photos are called one person where
    their distance lies below the threshold. With one fold, or none given, up to ten are drawn with a fixed seed.

    Raises:
        DataError: there are fewer than two pairs.
    """
    d, is_same = np.asarray(distances, dtype=np.float64), np.asarray(same, dtype=bool)
    if len(d) < 2:
        raise DataError(f"there are {len(d)} pairs: a threshold needs pairs to be learnt on and others to be tried on")
    fold = np.zeros(len(d), dtype=np.int64) if folds is None else np.unique(np.asarray(folds), return_inverse=True)[1]
    drawn = int(fold.max()) == 0
    if drawn:
        fold = _draw_folds(is_same)
    scored = np.isfinite(d)
    accuracies, thresholds = [], []
    for i in range(int(fold.max()) + 1):
        here = fold == i
        threshold = best_threshold(d[scored & ~here], is_same[scored & ~here])
        # A rejected pair's distance is not finite, so that it must not be compared at all.
        right = scored & ((d < (-np.inf if threshold is None else threshold)) == is_same)
        accuracies.append(0.0 if threshold is None else float(right[here].mean()))
        thresholds.append(threshold)
    together, apart = np.where(scored, d, np.inf)[is_same], d[scored & ~is_same]
    return PairsResult(
        pairs=len(d),
        folds=len(accuracies),
        accuracy=float(np.mean(accuracies)),
        accuracy_std=float(np.std(accuracies, ddof=1)),
        auc=rank_auc(-together, -apart),
        tar_at_far=_tar_at_far(together, apart),
        thresholds=tuple(thresholds),
        rejected=int((~scored).sum()),
        drawn=drawn,
    )


def best_threshold(distances: _Distances, same: _Flags) -> float | None:
    """Distances (n,) and whether each pair is one person (n,) -> the threshold of the highest accuracy.

    Of several equally good ones it is the middle one, and it lies midway between two distances. None of no pairs.
    """
    if not len(distances):
        return None
    order = np.argsort(distances, kind="stable")
    d, gain = distances[order], np.where(same[order], 1, -1)
    right = np.concatenate([[0], np.cumsum(gain)])  # right[i]: the i smallest are called same; up to a constant
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(d) > 0) + 1, [len(d)]])
    best = cuts[right[cuts] == right[cuts].max()]
    i = int(best[(len(best) - 1) // 2])
    if i == 0:
        return float(d[0])
    if i == len(d):
        return float(np.nextafter(d[-1], np.inf))
    return float((d[i - 1] + d[i]) / 2)


def _draw_folds(same: _Flags) -> npt.NDArray[np.int64]:
    """Pairs -> folds with equal parts of same and different."""
    rng = np.random.default_rng(_SEED)
    shuffled = np.concatenate([rng.permutation(np.flatnonzero(same)), rng.permutation(np.flatnonzero(~same))])
    folds = np.empty(len(same), dtype=np.int64)
    folds[shuffled] = np.arange(len(same)) % min(_DRAWN_FOLDS, len(same))
    return folds


def _tar_at_far(together: _Distances, apart: _Distances) -> dict[float, float]:
    """For each false accept rate that the number of different pairs can show: the share of same pairs let in."""
    if not len(together):
        return {}
    nearest = np.sort(apart)
    rates = {}
    for far in _FARS:
        allowed = int(far * len(apart) + 1e-9)
        if allowed >= 1:
            limit = nearest[allowed] if allowed < len(apart) else np.inf
            rates[far] = float((together < limit).mean())
    return rates
