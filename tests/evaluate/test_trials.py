from __future__ import annotations

import numpy as np
import pytest

from mien.evaluate.trials import Trial, hits, measure
from mien.types import Ints
from tests.evaluate.trialled import alone, answered

Y: Ints = np.array([0, 0, 1, 1, 2, 2])


def trial(seed: int, rows: list[int], answers: list[int], learnt: float = 1.0, fold: int = 0) -> Trial:
    return Trial(seed, fold, np.array(rows), np.array(answers), learnt, 2.0 + seed, 10, 4 + seed)


def test_the_mean_is_over_seeds_and_the_spread_beside_it() -> None:
    found = measure("x", [trial(0, [0, 2], [0, 1]), trial(1, [1, 3], [0, 2]), trial(2, [4, 5], [0, 0])], Y, alone(Y))
    assert found.accuracy_mean == pytest.approx(0.5)
    assert found.accuracy_std == pytest.approx(0.5)
    assert (found.n, found.trials) == (6, 3)
    assert (found.train_seconds, found.epochs, found.best_epoch) == (3.0, 10.0, 5.0)


def test_a_seed_with_all_folds_weighs_as_much_as_one_with_a_single_fold() -> None:
    folds = [trial(0, [0, 1], [0, 0]), trial(0, [2, 3, 4, 5], [0, 0, 0, 0], fold=1)]
    found = measure("x", [*folds, trial(1, [2], [0])], Y, alone(Y))
    assert found.accuracy_mean == pytest.approx((2 / 6 + 0) / 2)


def test_the_gap_is_what_it_does_better_on_photos_it_was_trained_on() -> None:
    found = measure("x", [trial(0, [0, 2], [0, 0], learnt=0.9), trial(1, [1, 3], [0, 1], learnt=1.0)], Y, alone(Y))
    assert (found.train_accuracy, found.gap) == pytest.approx((0.95, 0.2))


def test_macro_f1_weighs_classes_alike_and_an_answer_of_no_class_is_an_error() -> None:
    found = measure("x", [trial(0, [0, 1, 2, 4], [0, 0, 0, -1])], Y, alone(Y))
    assert found.macro_f1_mean == pytest.approx((2 * 2 / (2 + 3) + 0 + 0) / 3)


def test_a_way_without_epochs_has_none() -> None:
    found = measure("head", [Trial(0, 0, np.array([0]), np.array([0]), 1.0, 0.1)], Y, alone(Y))
    assert (found.epochs, found.best_epoch, found.accuracy_std) == (None, None, 0.0)
    assert found.as_json()["epochs"] is None


def test_where_all_are_right_the_interval_still_leaves_room_for_doubt() -> None:
    y: Ints = np.zeros(50, dtype=np.int64)
    low, high = measure("x", answered(y, 1.0), y, alone(y)).interval
    assert 0.8 < low < 0.95
    assert high == 1.0


def test_copies_make_an_interval_no_narrower() -> None:
    y: Ints = np.zeros(300, dtype=np.int64)
    answers = np.repeat(np.random.default_rng(0).integers(0, 2, size=30), 10)
    trials = [Trial(0, 0, np.arange(300), answers, 1.0, 1.0)]
    singly = measure("x", trials, y, alone(y)).interval
    together = measure("x", trials, y, np.repeat(np.arange(30), 10)).interval
    assert together[1] - together[0] > 2 * (singly[1] - singly[0])


def test_a_photo_tested_twice_with_one_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="tested twice"):
        hits([trial(0, [0], [0]), trial(0, [0], [0], fold=1)], Y)
    with pytest.raises(ValueError, match="no trials"):
        hits([], Y)
