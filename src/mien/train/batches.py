"""Rows of arrays into batches of tensors on the device; knows augmentation as a callable, and no order of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from mien.train.device import Place
from mien.train.job import Augment, Inputs, Rows
from mien.types import Ints


class Batches:
    """The rows of a training as batches (crops or vectors, classes) on the device."""

    def __init__(self, rows: Rows, where: Place) -> None:
        self._rows = rows
        self._where = where

    def varied(
        self, drawn: Iterable[tuple[Ints, Sequence[int]]], augment: Augment | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Row numbers and a seed each -> batches to learn from, each row varied under its seed."""
        for numbers, seeds in drawn:
            batch = self._where.put(tensor(self._rows.inputs, numbers))
            if augment is not None:
                batch = augment(batch.contiguous(), seeds)
            yield self._where.lay(batch), self._classes(numbers)

    def plain(self, numbers: Ints, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Row numbers -> batches as they are."""
        for start in range(0, len(numbers), size):
            part = numbers[start : start + size]
            yield self._where.lay(self._where.put(tensor(self._rows.inputs, part))), self._classes(part)

    def _classes(self, numbers: Ints) -> torch.Tensor:
        return torch.from_numpy(self._rows.y[numbers]).to(self._where.device)


def tensor(inputs: Inputs, numbers: Ints) -> torch.Tensor:
    """Crops or vectors and numbers of some rows -> (m, c, h, w) uint8 or (m, d) float32, a copy."""
    picked = torch.from_numpy(np.ascontiguousarray(inputs[numbers]))
    if picked.ndim == 3:
        return picked[:, None]
    return picked.permute(0, 3, 1, 2) if picked.ndim == 4 else picked
