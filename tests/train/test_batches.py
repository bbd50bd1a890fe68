"""Batches: rows in the order asked for, as the network takes them, varied only for learning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from mien.train.batches import Batches, tensor
from mien.train.device import Place
from mien.types import Ints
from tests.train.tasks import rows, vectors

WHERE = Place(torch.device("cpu"), half=False)
NUMBERS: Ints = np.array([5, 3, 3, 8])


def test_grey_crops_get_a_channel() -> None:
    inputs = rows().inputs
    assert torch.equal(tensor(inputs, NUMBERS)[:, 0], torch.from_numpy(inputs[NUMBERS]))


def test_colours_become_channels() -> None:
    inputs = rows(colour=True).inputs
    assert torch.equal(tensor(inputs, NUMBERS)[:, 2], torch.from_numpy(inputs[NUMBERS][..., 2]))


def test_vectors_stay_as_they_are() -> None:
    inputs = vectors().inputs
    assert torch.equal(tensor(inputs, NUMBERS), torch.from_numpy(inputs[NUMBERS]))


def test_arrays_that_may_not_be_written_are_read() -> None:
    inputs = rows().inputs.copy()
    inputs.flags.writeable = False
    tensor(inputs, NUMBERS).zero_()
    assert inputs.any()


@pytest.mark.parametrize("colour", [False, True])
def test_rows_are_varied_under_their_seeds(colour: bool) -> None:
    task, seen = rows(colour=colour), []

    def augment(batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        assert batch.dtype == torch.float32
        assert batch.is_contiguous()
        seen.append((tuple(batch.shape), list(seeds)))
        return batch + 1

    batches = list(Batches(task, WHERE).varied([(NUMBERS, [1, 2, 3, 4]), (NUMBERS[:2], [7, 8])], augment))
    channels = 3 if colour else 1
    assert seen == [((4, channels, 12, 12), [1, 2, 3, 4]), ((2, channels, 12, 12), [7, 8])]
    x, y = batches[0]
    assert torch.equal(x, tensor(task.inputs, NUMBERS).float() + 1)
    assert y.tolist() == task.y[NUMBERS].tolist()


def test_stop_rows_are_never_varied() -> None:
    task = rows()
    batches = list(Batches(task, WHERE).plain(task.stop, 16))
    assert [len(y) for _, y in batches] == [16, 16, 8]
    assert torch.equal(torch.cat([x for x, _ in batches]), tensor(task.inputs, task.stop).float())
