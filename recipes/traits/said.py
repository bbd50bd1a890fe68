"""What the base says of the pictures to train on: drawn and asked once, kept, and read again; knows no trait."""

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
from recipes.traits.mixing import Mix
from recipes.traits.teacher import Teacher

_TAUGHT = "taught-"
"""Before the names of the columns that a teacher filled."""


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """A batch: `steps` (n, c, h, w) uint8 of the base, each worth `scale`; labels and identity as in `mixing.Batch`.

    taught: trait -> the probabilities that a teacher gives its labels (n, k); empty without a teacher.
    """

    steps: Pixels
    scale: float
    labels: dict[str, Ints]
    identity: Floats
    taught: dict[str, Floats]

    def values(self) -> Tensor:
        """What the top takes, in the order that PyTorch's convolutions like."""
        return (torch.from_numpy(self.steps).float() * self.scale).contiguous(memory_format=torch.channels_last)

    def only(self, chosen: Ints) -> Said:
        """Some of the rows, in that order."""
        labels = {name: values[chosen] for name, values in self.labels.items()}
        taught = {name: values[chosen] for name, values in self.taught.items()}
        return Said(self.steps[chosen], self.scale, labels, self.identity[chosen], taught)


def blend(said: Said, share: float, rng: np.random.Generator) -> tuple[float, Said, Tensor]:
    """A batch -> the greater share, the batch in another order, and the values of both, mixed by these shares."""
    share = max(share, 1 - share)
    other = said.only(rng.permutation(len(said.steps)))
    return share, other, share * said.values() + (1 - share) * other.values()


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """The batches of an epoch, each of `variety` epochs drawn once; the files go when the shelf is closed."""

    mix: Mix
    base: Base
    teacher: Teacher | None
    size: int
    variety: int
    folder: Path

    def __enter__(self) -> Shelf:
        self._clear()  # what a killed training left may be of other pictures
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def batches(self, epoch: int) -> Sequence[Said]:
        """The batches of an epoch."""
        number = epoch % self.variety
        if not self._file(number).is_file():
            self._fill(number)
        with np.load(self._file(number), allow_pickle=False) as kept:
            columns = {name: kept[name] for name in kept.files}
        steps, identity = columns.pop("steps"), columns.pop("identity")
        taught = {name.removeprefix(_TAUGHT): columns.pop(name) for name in list(columns) if name.startswith(_TAUGHT)}
        whole = Said(steps, self.base.scale, columns, identity, taught)
        return [whole.only(np.arange(start, start + self.size)) for start in range(0, len(steps), self.size)]

    def _fill(self, number: int) -> None:
        rows: list[dict[str, Any]] = []
        for batch in self.mix.batches(number, self.size):
            taught = self.teacher(batch.pixels) if self.teacher else {}
            row = {"steps": self.base(batch.pixels), "identity": batch.identity, **batch.labels}
            rows.append(row | {_TAUGHT + name: values for name, values in taught.items()})
        columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        np.savez(self._file(number), allow_pickle=False, **columns)

    def _clear(self) -> None:
        for number in range(self.variety):
            self._file(number).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self.folder / f"said-{number}.npz"
