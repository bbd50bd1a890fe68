"""Rows of training data: which an epoch takes, in what order and under which seeds, as batches on the device.

Everything is drawn from the seed and the number of the epoch, so that an epoch is the same after a kill.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from mien.training.device import TrainingDevice
from mien.training.settings import Augment
from mien.types import Floats, Ints

Inputs: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""Crops (n, s, s) grey or (n, s, s, 3) RGB, uint8; or vectors (n, d), float32."""

_Hashes: TypeAlias = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """What to learn from: `inputs`, the class of each row `y` (n,), and the row numbers for each purpose.

    `train` are learnt from; `stop` choose the best epoch, and may be empty: then the last one is taken.

    Raises:
        ValueError: these do not belong together.
    """

    inputs: Inputs
    y: Ints
    train: Ints
    stop: Ints
    classes: int

    def __post_init__(self) -> None:
        crops = self.inputs.dtype == np.uint8 and self.inputs.ndim in (3, 4)
        if not crops and not (self.inputs.dtype == np.float32 and self.inputs.ndim == 2):
            raise ValueError(f"uint8 crops or float32 vectors are needed, not {self.inputs.dtype} {self.inputs.shape}")
        if len(self.y) != len(self.inputs) or (len(self.y) and not 0 <= self.y.min() <= self.y.max() < self.classes):
            raise ValueError(f"{len(self.inputs)} rows need one class each, from 0 to {self.classes - 1}")

    @property
    def crops(self) -> bool:
        return self.inputs.dtype == np.uint8


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an epoch chooses its rows: at most `most` of them.

    `balanced` draws each class equally often: rows of rare ones come several times, augmented afresh each time, and of
    common ones a part is left out until another epoch. With `variants` a row is only ever seen in that many variants,
    which take turns.
    """

    seed: int
    balanced: bool = False
    variants: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EpochRows:
    """The rows of one epoch in order (n,), and the seed of each one's augmentation (n,), below 2**63."""

    rows: Ints
    seeds: Ints

    def batches(self, size: int) -> list[tuple[Ints, list[int]]]:
        """Batches of `size` rows or one fewer: all rows are used, and no batch has a single row."""
        parts = max(1, min(math.ceil(len(self.rows) / size), len(self.rows) // 2))
        return [
            (rows, seeds.tolist())
            for rows, seeds in zip(np.array_split(self.rows, parts), np.array_split(self.seeds, parts), strict=True)
        ]


def sample_epoch(y: Ints, train: Ints, epoch: int, sampling: Sampling) -> EpochRows:
    """Classes of all rows (n,) and the numbers of those to learn from (m,) -> the rows of an epoch (from 0)."""
    rng = np.random.default_rng((sampling.seed, epoch))
    count = min(len(train), sampling.most or len(train))
    rows = rng.permutation(_balance(y, train, count, rng) if sampling.balanced else train)[:count]
    copies = _occurrences(rows)
    turns: Ints | int = epoch
    if sampling.variants is not None:
        turns, copies = (epoch + copies) % sampling.variants, np.zeros_like(copies)
    hashes = _mix(np.zeros(len(rows), np.uint64), sampling.seed)
    for part in (rows, turns, copies):
        hashes = _mix(hashes, part)
    return EpochRows(rows, (hashes >> np.uint64(1)).astype(np.int64))


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of whatever the network itself draws in an epoch, as dropout does."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])


def class_weights(y: Ints, classes: int) -> Floats:
    """Classes of rows (n,) -> a weight for each (classes,), so that all count the same in sum; 0 without rows."""
    counts = np.bincount(y, minlength=classes)
    present = max(int((counts > 0).sum()), 1)
    return np.where(counts > 0, len(y) / (present * np.maximum(counts, 1)), 0.0).astype(np.float32)


class Batches:
    """The rows of a training as batches (crops or vectors, classes) on the device."""

    def __init__(self, rows: TrainingRows, device: TrainingDevice) -> None:
        self._rows = rows
        self._device = device

    def augmented(
        self, batches: Iterable[tuple[Ints, Sequence[int]]], augment: Augment | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Row numbers and one seed per row -> batches to learn from, each row augmented under its seed."""
        for numbers, seeds in batches:
            batch = self._device.put(to_tensor(self._rows.inputs, numbers))
            if augment is not None:
                batch = augment(batch.contiguous(), seeds)
            yield self._device.lay(batch), self._classes(numbers)

    def plain(self, numbers: Ints, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Row numbers -> batches as they are."""
        for start in range(0, len(numbers), size):
            part = numbers[start : start + size]
            yield self._device.lay(self._device.put(to_tensor(self._rows.inputs, part))), self._classes(part)

    def _classes(self, numbers: Ints) -> torch.Tensor:
        return torch.from_numpy(self._rows.y[numbers]).to(self._device.device)


def to_tensor(inputs: Inputs, numbers: Ints) -> torch.Tensor:
    """Crops or vectors and row numbers -> (m, c, h, w) uint8 or (m, d) float32, a copy."""
    rows = torch.from_numpy(np.ascontiguousarray(inputs[numbers]))
    if rows.ndim == 3:
        return rows[:, None]
    return rows.permute(0, 3, 1, 2) if rows.ndim == 4 else rows


@torch.no_grad()
def score(
    module: torch.nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    device: TrainingDevice,
    *,
    weights: torch.Tensor | None,
    mirror: bool,
) -> tuple[float, float]:
    """A module in evaluation mode and batches (crops or vectors, classes) -> mean cross-entropy and accuracy.

    With `weights` (classes,) each row counts as its class does. `mirror` takes the mean of the logits of a crop and of
    its mirror image, as the finished network will.
    """
    loss = right = total = 0.0
    for x, y in batches:
        with device.autocast():
            logits = module(x).float()
            if mirror:
                logits = (logits + module(x.flip(-1)).float()) / 2
        counts = torch.ones(len(y), device=y.device) if weights is None else weights[y]
        loss += float((functional.cross_entropy(logits, y, reduction="none") * counts).sum())
        right += float(((logits.argmax(1) == y) * counts).sum())
        total += float(counts.sum())
    return loss / total, right / total


def _balance(y: Ints, train: Ints, count: int, rng: np.random.Generator) -> Ints:
    by_class = [train[y[train] == label] for label in np.unique(y[train])]
    shares = np.diff(np.linspace(0, count, len(by_class) + 1).round().astype(np.int64))
    chosen = []
    for rows, share in zip(by_class, shares, strict=True):
        rounds = [rng.permutation(rows) for _ in range(math.ceil(share / len(rows)))]
        chosen.append(np.concatenate([*rounds, rows[:0]])[:share])
    return np.concatenate(chosen)


def _occurrences(rows: Ints) -> Ints:
    """Of each row, how often it came before."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(rows) else np.zeros(0, np.int64)
    counts = np.diff(np.r_[starts, len(rows)])
    before = np.empty(len(rows), np.int64)
    before[order] = np.arange(len(rows)) - np.repeat(starts, counts)
    return before


def _mix(hashes: _Hashes, value: Ints | int) -> _Hashes:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014) over a hash and the next value."""
    with np.errstate(over="ignore"):
        mixed = hashes + np.asarray(value).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
