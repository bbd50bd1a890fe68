"""Batches: which rows an epoch takes, under which seeds, as tensors on the device, and their score."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import nn

from mien.training.batches import (
    Batches,
    EpochRows,
    Sampling,
    class_weights,
    epoch_seed,
    sample_epoch,
    score,
    to_tensor,
)
from mien.training.device import TrainingDevice
from mien.types import Ints
from tests.training.tasks import rows, vectors

WHERE = TrainingDevice(torch.device("cpu"), half=False)
NUMBERS: Ints = np.array([5, 3, 3, 8])


def test_grey_crops_get_a_channel() -> None:
    inputs = rows().inputs
    assert torch.equal(to_tensor(inputs, NUMBERS)[:, 0], torch.from_numpy(inputs[NUMBERS]))


def test_colours_become_channels() -> None:
    inputs = rows(colour=True).inputs
    assert torch.equal(to_tensor(inputs, NUMBERS)[:, 2], torch.from_numpy(inputs[NUMBERS][..., 2]))


def test_vectors_stay_as_they_are() -> None:
    inputs = vectors().inputs
    assert torch.equal(to_tensor(inputs, NUMBERS), torch.from_numpy(inputs[NUMBERS]))


def test_arrays_that_may_not_be_written_are_read() -> None:
    inputs = rows().inputs.copy()
    inputs.flags.writeable = False
    to_tensor(inputs, NUMBERS).zero_()
    assert inputs.any()


@pytest.mark.parametrize("colour", [False, True])
def test_rows_are_varied_under_their_seeds(colour: bool) -> None:
    task, seen = rows(colour=colour), []

    def augment(batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        assert batch.dtype == torch.float32
        assert batch.is_contiguous()
        seen.append((tuple(batch.shape), list(seeds)))
        return batch + 1

    batches = list(Batches(task, WHERE).augmented([(NUMBERS, [1, 2, 3, 4]), (NUMBERS[:2], [7, 8])], augment))
    channels = 3 if colour else 1
    assert seen == [((4, channels, 12, 12), [1, 2, 3, 4]), ((2, channels, 12, 12), [7, 8])]
    x, y = batches[0]
    assert torch.equal(x, to_tensor(task.inputs, NUMBERS).float() + 1)
    assert y.tolist() == task.y[NUMBERS].tolist()


def test_stop_rows_are_never_varied() -> None:
    task = rows()
    batches = list(Batches(task, WHERE).plain(task.stop, 16))
    assert [len(y) for _, y in batches] == [16, 16, 8]
    assert torch.equal(torch.cat([x for x, _ in batches]), to_tensor(task.inputs, task.stop).float())


Y: Ints = np.repeat(np.arange(3), [70, 20, 10])
TRAIN: Ints = np.arange(0, 100, 2)


def seeds_of_row(row: int, choice: Sampling, epochs: int) -> list[int]:
    found = []
    for epoch in range(epochs):
        drawn = sample_epoch(Y, TRAIN, epoch, choice)
        found += drawn.seeds[drawn.rows == row].tolist()
    return found


def test_every_row_to_learn_from_comes_once_and_no_other() -> None:
    assert sorted(sample_epoch(Y, TRAIN, 0, Sampling(0)).rows) == TRAIN.tolist()


@pytest.mark.parametrize("balanced", [False, True])
def test_a_part_of_the_rows_is_another_part_in_the_next_epoch(balanced: bool) -> None:
    drawn = [sample_epoch(Y, TRAIN, epoch, Sampling(0, balanced, most=9)).rows for epoch in range(300)]
    assert {len(rows) for rows in drawn} == {9}
    assert set(np.concatenate(drawn)) == set(TRAIN)
    if balanced:
        assert {tuple(np.bincount(Y[rows])) for rows in drawn} == {(3, 3, 3)}


def test_an_epoch_is_the_same_whatever_came_before() -> None:
    for epoch in (0, 7):
        one, two = (sample_epoch(Y, TRAIN, epoch, Sampling(3, balanced=True)) for _ in range(2))
        assert (one.rows == two.rows).all()
        assert (one.seeds == two.seeds).all()


def test_epochs_and_seeds_differ() -> None:
    orders = {sample_epoch(Y, TRAIN, epoch, Sampling(seed)).rows.tobytes() for epoch in range(4) for seed in range(4)}
    assert len(orders) == 16


def test_no_two_rows_epochs_or_seeds_share_a_variant() -> None:
    seeds = np.concatenate([sample_epoch(Y, TRAIN, e, Sampling(s)).seeds for e in range(20) for s in range(5)])
    assert len(np.unique(seeds)) == 20 * 5 * len(TRAIN)
    assert seeds.min() >= 0


def test_a_rows_seed_does_not_hang_on_the_other_rows() -> None:
    few, all_ = sample_epoch(Y, TRAIN[:5], 2, Sampling(1)), sample_epoch(Y, TRAIN, 2, Sampling(1))
    for row, seed in zip(few.rows, few.seeds, strict=True):
        assert all_.seeds[all_.rows == row] == [seed]


def test_fixed_variants_take_turns() -> None:
    seen = seeds_of_row(4, Sampling(0, variants=3), 9)
    assert len(set(seen)) == 3
    assert seen[:3] == seen[3:6] == seen[6:]


def test_without_a_number_variants_are_new_in_every_epoch() -> None:
    assert len(set(seeds_of_row(4, Sampling(0), 9))) == 9


def test_balanced_draws_give_each_class_the_same_share() -> None:
    drawn = sample_epoch(Y, TRAIN, 0, Sampling(0, balanced=True))
    assert len(drawn.rows) == len(TRAIN)
    assert np.ptp(np.bincount(Y[drawn.rows])) <= 1
    assert set(drawn.rows) <= set(TRAIN)


def test_a_row_that_is_drawn_again_is_varied_anew() -> None:
    drawn = sample_epoch(Y, TRAIN, 0, Sampling(0, balanced=True))
    assert len(np.unique(drawn.seeds)) == len(drawn.seeds)
    rare = drawn.rows[Y[drawn.rows] == 2]
    assert np.ptp(np.unique(rare, return_counts=True)[1]) <= 1, "rows of a rare class come equally often"


def test_balanced_draws_see_all_of_a_common_class_in_time() -> None:
    seen = {row for epoch in range(20) for row in sample_epoch(Y, TRAIN, epoch, Sampling(0, balanced=True)).rows}
    assert seen == set(TRAIN)


def test_fixed_variants_hold_for_balanced_draws_too() -> None:
    assert len(set(seeds_of_row(98, Sampling(0, balanced=True, variants=4), 12))) == 4


@given(some.integers(1, 400), some.integers(2, 64))
def test_batches_use_all_rows_and_none_stands_alone(n: int, size: int) -> None:
    order = np.arange(n)
    batches = EpochRows(order, order).batches(size)
    assert np.concatenate([rows for rows, _ in batches]).tolist() == order.tolist()
    sizes = [len(rows) for rows, _ in batches]
    assert min(sizes) >= min(n, 2)
    assert max(sizes) <= max(size, 3)
    assert all(len(seeds) == len(rows) and all(type(seed) is int for seed in seeds) for rows, seeds in batches)


@pytest.mark.parametrize("counts", [[70, 20, 10], [5, 0, 5], [1, 1, 98]])
def test_weights_make_classes_equal_in_sum(counts: list[int]) -> None:
    y = np.repeat(np.arange(3), counts)
    weights = class_weights(y, 3)
    sums = [float(weights[y[y == j]].sum()) for j in range(3) if counts[j]]
    assert sums == pytest.approx([len(y) / len(sums)] * len(sums))
    assert all(weights[j] == 0 for j in range(3) if not counts[j])
    assert weights.dtype == np.float32


def test_the_networks_own_seed_differs_from_epoch_to_epoch() -> None:
    assert len({epoch_seed(seed, epoch) for seed in range(10) for epoch in range(10)}) == 100
    assert epoch_seed(3, 4) == epoch_seed(3, 4)


WHERE_SCORING = TrainingDevice(torch.device("cpu"), half=False)
LOGITS = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
Y_SCORING = torch.tensor([0, 0, 0, 0])
WRONG, RIGHT = math.log1p(math.exp(4)), math.log1p(math.exp(-4))


def test_loss_and_accuracy_are_means_over_rows_and_not_over_batches() -> None:
    batches = [(LOGITS[:3], Y_SCORING[:3]), (LOGITS[3:], Y_SCORING[3:])]
    loss, accuracy = score(nn.Identity(), batches, WHERE_SCORING, weights=None, mirror=False)
    assert accuracy == 0.75
    assert loss == pytest.approx((3 * RIGHT + WRONG) / 4)


def test_with_weights_classes_count_the_same() -> None:
    y = torch.tensor([0, 0, 0, 0])
    y[3] = 1
    logits = LOGITS.clone()
    logits[3] = logits[0]
    loss, accuracy = score(
        nn.Identity(), [(logits, y)], WHERE_SCORING, weights=torch.tensor([1 / 3, 1.0]), mirror=False
    )
    assert accuracy == pytest.approx(0.5)
    assert loss == pytest.approx((RIGHT + WRONG) / 2)


def test_mirroring_takes_the_mean_of_the_logits() -> None:
    crop = torch.zeros(1, 1, 2, 2)
    crop[0, 0, 0, 0] = 6.0
    corner = nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        corner.weight.zero_()
        corner.weight[0, 0] = 1.0
    network = nn.Sequential(nn.Flatten(), corner)
    loss, _ = score(network, [(crop, torch.tensor([0]))], WHERE_SCORING, weights=None, mirror=True)
    assert loss == pytest.approx(math.log1p(math.exp(-3)))


def test_nothing_is_learnt() -> None:
    network = nn.Linear(2, 2)
    score(network, [(LOGITS, Y_SCORING)], WHERE_SCORING, weights=None, mirror=False)
    assert network.weight.grad is None
