"""Labels that are doubted: the wrong ones first, with probabilities that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from mien.curate.doubts import Doubts, deal, doubt
from mien.types import Floats, Ints


def _looks(n: int, k: int, apart: float, seed: int = 0) -> tuple[Floats, Ints]:
    """n vectors of k classes whose centres lie so far apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    return np.asarray(rng.normal(size=(n, 24)) + apart * rng.normal(size=(k, 24))[y], np.float32), y.astype(np.int64)


def _flipped(y: Ints, share: float, seed: int = 0) -> tuple[Ints, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    rng = np.random.default_rng(seed)
    wrong = np.zeros(len(y), bool)
    wrong[rng.choice(len(y), round(share * len(y)), replace=False)] = True
    k = int(y.max()) + 1
    return np.where(wrong, (y + rng.integers(1, k, len(y))) % k, y), wrong


def _found(
    apart: float, share: float, n: int = 1500, k: int = 4
) -> tuple[Doubts, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    x, y = _looks(n, k, apart)
    given, wrong = _flipped(y, share)
    return doubt({"x": x}, given, np.arange(n)), wrong


def test_where_classes_stand_apart_all_wrong_labels_are_found() -> None:
    found, wrong = _found(1.5, 0.1)
    assert ((found.wrong > 0.5) == wrong).mean() > 0.995
    assert found.rate == pytest.approx(0.1, abs=0.02)


def test_where_no_label_is_wrong_hardly_any_is_doubted() -> None:
    found, _ = _found(1.5, 0.0)
    assert (found.wrong > 0.5).sum() <= 3
    assert found.rate < 0.02


def test_where_classes_overlap_a_doubt_is_still_a_probability() -> None:
    found, wrong = _found(0.35, 0.1, n=4000)
    order = np.argsort(-found.wrong)
    assert wrong[order[:100]].mean() > 0.4
    for few in (order[:100], order[100:300], order[1000:]):
        assert found.wrong[few].mean() == pytest.approx(wrong[few].mean(), abs=0.15)
    assert (found.wrong > 0.5).mean() < 0.1


def test_what_is_proposed_is_mostly_the_right_label() -> None:
    x, y = _looks(1500, 4, 1.0)
    given, wrong = _flipped(y, 0.1)
    found = doubt({"x": x}, given, np.arange(1500))
    assert (found.truth.argmax(axis=1) == y)[wrong].mean() > 0.9
    np.testing.assert_allclose(found.truth.sum(axis=1), 1)


def test_the_vectors_that_tell_the_labels_apart_are_taken() -> None:
    x, y = _looks(600, 3, 1.0)
    noise = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    found = doubt({"noise": noise, "looks": x}, y, np.arange(600))
    assert found.kind == "looks"
    assert found.accuracy > 0.9


def test_the_same_seed_gives_the_same_answer() -> None:
    x, y = _looks(300, 3, 0.5)
    one, other = (doubt({"x": x}, y, np.arange(300), seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.wrong, other.wrong)


def test_what_stays_together_is_dealt_together_and_classes_evenly() -> None:
    y = np.random.default_rng(0).integers(0, 3, 600)
    units = np.arange(600) // 4
    fold = deal(y, units, 0)
    assert all(len(np.unique(fold[units == unit])) == 1 for unit in range(150))
    counts = np.array([np.bincount(y[fold == number], minlength=3) for number in range(5)])
    assert counts.min() > 0.6 * counts.mean()
    assert (deal(y, units, 1) != fold).any()


def test_copies_that_are_dealt_together_do_not_vouch_for_each_other() -> None:
    x, y = _looks(600, 3, 1.2)
    given, wrong = _flipped(y, 0.1)
    twice, labels, units = np.repeat(x, 4, axis=0), np.repeat(given, 4), np.repeat(np.arange(600), 4)
    found = doubt({"x": twice}, labels, units)
    assert (found.wrong > 0.5)[np.repeat(wrong, 4)].mean() > 0.95


def test_a_class_whose_photos_all_stay_together_is_survived() -> None:
    x, y = _looks(300, 3, 1.0)
    units = np.where(y == 0, 0, np.arange(300))
    units = np.unique(units, return_inverse=True)[1]
    assert np.isfinite(doubt({"x": x}, y, units).wrong).all()
