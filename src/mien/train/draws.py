"""Which rows an epoch takes, in what order and under which seeds; knows numbers only, and nothing of what came before.

Everything is drawn from the seed and the number of the epoch, so that an epoch is the same after a kill.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.types import Floats, Ints

_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """The rows of one epoch in order (n,), and the seed of each one's variant (n,), below 2**63."""

    rows: Ints
    seeds: Ints

    def batches(self, size: int) -> list[tuple[Ints, list[int]]]:
        """Batches of `size` rows or one fewer: all rows are used, and none is left to a batch of its own."""
        parts = max(1, min(math.ceil(len(self.rows) / size), len(self.rows) // 2))
        return [
            (rows, seeds.tolist())
            for rows, seeds in zip(np.array_split(self.rows, parts), np.array_split(self.seeds, parts), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Choice:
    """How rows are chosen: at most `most` of them.

    `balanced` gives each class the same number of draws: rows of rare ones come several times, each time varied anew,
    and of common ones a part is left out until another epoch. With `variants` a row is only ever seen in so many ways,
    which take turns.
    """

    seed: int
    balanced: bool = False
    variants: int | None = None
    most: int | None = None


def draw(y: Ints, train: Ints, epoch: int, choice: Choice) -> Draw:
    """Classes of all rows (n,) and the numbers of those to learn from (m,) -> the rows of an epoch (from 0)."""
    rng = np.random.default_rng((choice.seed, epoch))
    count = min(len(train), choice.most or len(train))
    rows = rng.permutation(_balanced(y, train, count, rng) if choice.balanced else train)[:count]
    copies = _occurrences(rows)
    turns: Ints | int = epoch
    if choice.variants is not None:
        turns, copies = (epoch + copies) % choice.variants, np.zeros_like(copies)
    hashes = _mix(np.zeros(len(rows), np.uint64), choice.seed)
    for part in (rows, turns, copies):
        hashes = _mix(hashes, part)
    return Draw(rows, (hashes >> np.uint64(1)).astype(np.int64))


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of whatever the network itself draws in an epoch, as dropout does."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])


def class_weights(y: Ints, classes: int) -> Floats:
    """Classes of rows (n,) -> a weight for each (classes,), so that all count the same in sum; 0 without rows."""
    counts = np.bincount(y, minlength=classes)
    present = max(int((counts > 0).sum()), 1)
    return np.where(counts > 0, len(y) / (present * np.maximum(counts, 1)), 0.0).astype(np.float32)


def _balanced(y: Ints, train: Ints, count: int, rng: np.random.Generator) -> Ints:
    by_class = [train[y[train] == label] for label in np.unique(y[train])]
    shares = np.diff(np.linspace(0, count, len(by_class) + 1).round().astype(np.int64))
    drawn = []
    for rows, share in zip(by_class, shares, strict=True):
        rounds = [rng.permutation(rows) for _ in range(math.ceil(share / len(rows)))]
        drawn.append(np.concatenate([*rounds, rows[:0]])[:share])
    return np.concatenate(drawn)


def _occurrences(rows: Ints) -> Ints:
    """Of each row, how often it came before."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(rows) else np.zeros(0, np.int64)
    counts = np.diff(np.r_[starts, len(rows)])
    found = np.empty(len(rows), np.int64)
    found[order] = np.arange(len(rows)) - np.repeat(starts, counts)
    return found


def _mix(hashes: _Hashes, value: Ints | int) -> _Hashes:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014) over a hash and the next value."""
    with np.errstate(over="ignore"):
        mixed = hashes + np.asarray(value).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
