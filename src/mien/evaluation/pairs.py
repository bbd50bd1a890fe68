"""The protocol of Labeled Faces in the Wild: lists of pairs, and how well distances tell same from different.

Huang, Ramesh, Berg & Learned-Miller 2007, "Labeled Faces in the Wild", section 3.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.errors import DataError
from mien.evaluation.metrics import rank_auc

_YES = frozenset(("1", "true", "yes", "same", "t", "y"))
_NO = frozenset(("0", "false", "no", "different", "f", "n", "-1"))
_DRAWN_FOLDS = 10
_SEED = 0
_FARS = (0.1, 0.01, 0.001)

_Distances = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, as paths relative to the folder of images, and whether they show one person."""

    fold: int
    a: str
    b: str
    same: bool


@dataclass(frozen=True, slots=True)
class PairsResult:
    """How well distances tell same from different.

    accuracy, accuracy_std: mean and sample standard deviation over the folds. A pair with a rejected photo is an
    error. thresholds: one per fold, chosen on the other folds; None where those held no distance at all.
    auc, tar_at_far: over all folds together; a rejected pair of the same person counts as refused, a rejected pair of
    different people is left out. tar_at_far holds only rates at which one false accept or more is allowed.
    drawn: the data had one fold only, and folds were drawn at random. detector, embedder: where the distances are from.
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
    detector: str | None = None
    embedder: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien benchmark pairs --json` prints."""
        rates = {f"{far:g}": tar for far, tar in self.tar_at_far.items()}
        fields = asdict(self) | {"tar_at_far": rates, "thresholds": list(self.thresholds)}
        if self.detector is None:
            del fields["detector"], fields["embedder"]
        return fields


def read_pairs(path: Path) -> list[Pair]:
    """A file of pairs -> its pairs, in the file's order.

    Either a CSV with the columns a, b, same and, where there are folds, fold; or `pairs.txt` as Labeled Faces in the
    Wild ships it: a header with the number of folds and pairs, then `name n1 n2` or `name1 n1 name2 n2`, tab-separated,
    which stand for name/name_0001.jpg.

    Raises:
        DataError: the file is missing, is in neither format, or has a bad line; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(f"the pairs cannot be read from {path}: {why}") from error
    lines = text.split("\n")
    head = next((line for line in lines if line.strip()), "")
    pairs = _lfw(path, lines) if all(part.isdecimal() for part in head.split()) else _table(path, lines)
    if not pairs:
        raise DataError(f"{path} holds no pairs: give a CSV with the columns fold,a,b,same, or LFW's pairs.txt")
    return pairs


def score_pairs(distances: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike | None = None) -> PairsResult:
    """Distances (n,), whether each pair is one person (n,), and each pair's fold (n,) -> the protocol's figures.

    A distance that is not finite says that a photo of the pair was rejected. Two photos are called one person where
    their distance lies below the threshold. With one fold, or none given, up to ten are drawn with a fixed seed.

    Raises:
        DataError: there are fewer than two pairs.
    """
    d, is_same = np.asarray(distances, dtype=np.float64), np.asarray(same, dtype=bool)
    if len(d) < 2:
        raise DataError(
            f"there are {len(d)} pairs: at least two are needed, one to choose a threshold and one to test it"
        )
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


def _table(path: Path, lines: Sequence[str]) -> list[Pair]:
    rows = _rows(path, lines)
    names = [name.strip().lower() for name in next(rows, (0, []))[1]]
    missing = [name for name in ("a", "b", "same") if name not in names]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}: its first line must read fold,a,b,same or a,b,same"
        )
    return [_row(f"{path}, line {line}", names, row) for line, row in rows]


def _rows(path: Path, lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Lines -> line number and values of each row that is not empty."""
    reader = csv.reader(lines)
    try:
        for row in reader:
            if any(value.strip() for value in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not a line of a CSV: {error}") from error


def _row(where: str, names: Sequence[str], row: Sequence[str]) -> Pair:
    values = dict(zip(names, row, strict=False))
    a, b, same, fold = (values.get(name, "").strip() for name in ("a", "b", "same", "fold"))
    if len(row) > len(names) or not a or not b:
        raise DataError(f"{where}: a pair needs two photos, in the columns a and b, and no more values than columns")
    if same.lower() not in _YES | _NO:
        raise DataError(f"{where}: the column same says {same!r}, and must say 1 or 0")
    if fold and not fold.isdecimal():
        raise DataError(f"{where}: the column fold says {fold!r}, and must be a whole number")
    return Pair(int(fold) if fold else 1, a, b, same.lower() in _YES)


def _lfw(path: Path, lines: Sequence[str]) -> list[Pair]:
    rows = [(i, line.split("\t") if "\t" in line else line.split()) for i, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        return []
    head, body = [int(part) for part in rows[0][1] if part.strip()], rows[1:]
    folds, size = (head[0], head[1]) if len(head) == 2 else (1, head[0])
    expected = 2 * folds * size
    if len(body) != expected or not size:
        raise DataError(f"{path} announces {folds} folds of 2 x {size} pairs and holds {len(body)} lines of pairs")
    return [_lfw_row(f"{path}, line {line}", i // (2 * size) + 1, row) for i, (line, row) in enumerate(body)]


def _lfw_row(where: str, fold: int, row: Sequence[str]) -> Pair:
    parts = [part.strip() for part in row]
    if len(parts) not in (3, 4):
        raise DataError(f"{where}: {len(parts)} values, where 'name n1 n2' or 'name1 n1 name2 n2' should stand")
    photos = []
    for name, number in (parts[:2], (parts[0 if len(parts) == 3 else 2], parts[-1])):
        if not number.isdecimal():
            raise DataError(f"{where}: {number!r} should be the number of a photo of {name}")
        photos.append(f"{name}/{name}_{int(number):04d}.jpg")
    return Pair(fold, photos[0], photos[1], len(parts) == 3)
