"""Draws: every row once, in an order and under seeds that hang on the seed and the epoch alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from mien.train.draws import Choice, Draw, class_weights, draw, epoch_seed
from mien.types import Ints

Y: Ints = np.repeat(np.arange(3), [70, 20, 10])
TRAIN: Ints = np.arange(0, 100, 2)


def seeds_of_row(row: int, choice: Choice, epochs: int) -> list[int]:
    found = []
    for epoch in range(epochs):
        drawn = draw(Y, TRAIN, epoch, choice)
        found += drawn.seeds[drawn.rows == row].tolist()
    return found


def test_every_row_to_learn_from_comes_once_and_no_other() -> None:
    assert sorted(draw(Y, TRAIN, 0, Choice(0)).rows) == TRAIN.tolist()


@pytest.mark.parametrize("balanced", [False, True])
def test_a_part_of_the_rows_is_another_part_in_the_next_epoch(balanced: bool) -> None:
    drawn = [draw(Y, TRAIN, epoch, Choice(0, balanced, most=9)).rows for epoch in range(300)]
    assert {len(rows) for rows in drawn} == {9}
    assert set(np.concatenate(drawn)) == set(TRAIN)
    if balanced:
        assert {tuple(np.bincount(Y[rows])) for rows in drawn} == {(3, 3, 3)}


def test_an_epoch_is_the_same_whatever_came_before() -> None:
    for epoch in (0, 7):
        one, two = (draw(Y, TRAIN, epoch, Choice(3, balanced=True)) for _ in range(2))
        assert (one.rows == two.rows).all()
        assert (one.seeds == two.seeds).all()


def test_epochs_and_seeds_differ() -> None:
    orders = {draw(Y, TRAIN, epoch, Choice(seed)).rows.tobytes() for epoch in range(4) for seed in range(4)}
    assert len(orders) == 16


def test_no_two_rows_epochs_or_seeds_share_a_variant() -> None:
    seeds = np.concatenate([draw(Y, TRAIN, e, Choice(s)).seeds for e in range(20) for s in range(5)])
    assert len(np.unique(seeds)) == 20 * 5 * len(TRAIN)
    assert seeds.min() >= 0


def test_a_rows_seed_does_not_hang_on_the_other_rows() -> None:
    few, all_ = draw(Y, TRAIN[:5], 2, Choice(1)), draw(Y, TRAIN, 2, Choice(1))
    for row, seed in zip(few.rows, few.seeds, strict=True):
        assert all_.seeds[all_.rows == row] == [seed]


def test_fixed_variants_take_turns() -> None:
    seen = seeds_of_row(4, Choice(0, variants=3), 9)
    assert len(set(seen)) == 3
    assert seen[:3] == seen[3:6] == seen[6:]


def test_without_a_number_variants_are_new_in_every_epoch() -> None:
    assert len(set(seeds_of_row(4, Choice(0), 9))) == 9


def test_balanced_draws_give_each_class_the_same_share() -> None:
    drawn = draw(Y, TRAIN, 0, Choice(0, balanced=True))
    assert len(drawn.rows) == len(TRAIN)
    assert np.ptp(np.bincount(Y[drawn.rows])) <= 1
    assert set(drawn.rows) <= set(TRAIN)


def test_a_row_that_is_drawn_again_is_varied_anew() -> None:
    drawn = draw(Y, TRAIN, 0, Choice(0, balanced=True))
    assert len(np.unique(drawn.seeds)) == len(drawn.seeds)
    rare = drawn.rows[Y[drawn.rows] == 2]
    assert np.ptp(np.unique(rare, return_counts=True)[1]) <= 1, "rows of a rare class come equally often"


def test_balanced_draws_see_all_of_a_common_class_in_time() -> None:
    seen = {row for epoch in range(20) for row in draw(Y, TRAIN, epoch, Choice(0, balanced=True)).rows}
    assert seen == set(TRAIN)


def test_fixed_variants_hold_for_balanced_draws_too() -> None:
    assert len(set(seeds_of_row(98, Choice(0, balanced=True, variants=4), 12))) == 4


@given(some.integers(1, 400), some.integers(2, 64))
def test_batches_use_all_rows_and_none_stands_alone(n: int, size: int) -> None:
    order = np.arange(n)
    batches = Draw(order, order).batches(size)
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
