"""The base's features of the training pictures: computed once per epoch's draw, file in files, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mien.types import Floats, Ints, Pixels
from recipes.traits.backbone import Base
from recipes.traits.teacher import Teacher
from recipes.traits.training_batches import FaceSampler

_TEACHER_PREFIX = "taught-"
"""Prefix of the columns with a teacher's probabilities."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBatch:
    """A batch: the base's output `steps` (n, c, h, w) uint8 times `scale`; labels and identity as in `Batch`.

    taught: trait -> a teacher's probabilities of its labels (n, k); empty without a teacher.
    """

    steps: Pixels
    scale: float
    labels: dict[str, Ints]
    identity: Floats
    taught: dict[str, Floats]

    def values(self) -> Tensor:
        """The top's input, in the memory layout that is fastest for PyTorch's convolutions."""
        return (torch.from_numpy(self.steps).float() * self.scale).contiguous(memory_format=torch.channels_last)

    def only(self, chosen: Ints) -> FeatureBatch:
        """Some of the rows, in that order."""
        labels = {name: values[chosen] for name, values in self.labels.items()}
        taught = {name: values[chosen] for name, values in self.taught.items()}
        return FeatureBatch(self.steps[chosen], self.scale, labels, self.identity[chosen], taught)


def mixup(batch: FeatureBatch, share: float, rng: np.random.Generator) -> tuple[float, FeatureBatch, Tensor]:
    """A batch -> the larger share, the batch in another order, and the values of both, mixed by that share."""
    share = max(share, 1 - share)
    other = batch.only(rng.permutation(len(batch.steps)))
    return share, other, share * batch.values() + (1 - share) * other.values()


@dataclass(frozen=True, slots=True, eq=False)
class FeatureCache:
    """The batches of `variety` epochs, each drawn once, then repeated; the files are removed on closing."""

    sampler: FaceSampler
    base: Base
    teacher: Teacher | None
    size: int
    variety: int
    folder: Path

    def __enter__(self) -> FeatureCache:
        self._clear()  # files of a killed training may be of other pictures
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def batches(self, epoch: int) -> Sequence[FeatureBatch]:
        """The batches of an epoch."""
        number = epoch % self.variety
        if not self._file(number).is_file():
            self._fill(number)
        with np.load(self._file(number), allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
        steps, identity = columns.pop("steps"), columns.pop("identity")
        taught = {
            name.removeprefix(_TEACHER_PREFIX): columns.pop(name)
            for name in list(columns)
            if name.startswith(_TEACHER_PREFIX)
        }
        whole = FeatureBatch(steps, self.base.scale, columns, identity, taught)
        return [whole.only(np.arange(start, start + self.size)) for start in range(0, len(steps), self.size)]

    def _fill(self, number: int) -> None:
        rows: list[dict[str, Any]] = []
        for batch in self.sampler.batches(number, self.size):
            taught = self.teacher(batch.pixels) if self.teacher else {}
            row = {"steps": self.base(batch.pixels), "identity": batch.identity, **batch.labels}
            rows.append(row | {_TEACHER_PREFIX + name: values for name, values in taught.items()})
        columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        np.savez(self._file(number), allow_pickle=False, **columns)

    def _clear(self) -> None:
        for number in range(self.variety):
            self._file(number).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self.folder / f"features-{number}.npz"
