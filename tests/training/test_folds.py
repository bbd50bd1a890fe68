from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import DataError
from mien.models.head import unit
from mien.training.folds import TRAIN_ONLY, Samples, Units, assign_folds, find_units, leaves_a_test, units_for_test
from mien.types import Floats, Ints
from tests.training.clusters import clusters


def samples(
    vectors: Floats,
    labels: list[str],
    groups: Sequence[str | None] | None = None,
) -> Samples:
    names = tuple(sorted(set(labels)))
    y = np.array([names.index(label) for label in labels], dtype=np.int64)
    return Samples(unit(vectors), y, names, groups)


def folds_of(values: Sequence[str | None], fold: Ints) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for value, number in zip(values, fold.tolist(), strict=True):
        if value is not None:
            found.setdefault(value, set()).add(number)
    return found


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 12), st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_groups_never_straddle_and_every_class_stays_in_training(seed: int, k: int, families: int, folds: int) -> None:
    rng = np.random.default_rng(seed)
    n = 12 * k
    y = np.repeat(np.arange(k), 12)
    of = np.unique(rng.integers(0, families * k, n), return_inverse=True)[1].astype(np.int64)
    fold = assign_folds(y, Units(of, int(of.max()) + 1, 0), folds, seed)
    for u in range(int(of.max()) + 1):
        assert len(set(fold[of == u].tolist())) == 1
    for f in set(fold.tolist()) - {TRAIN_ONLY}:
        assert set(y[fold != f].tolist()) == set(range(k))


def test_families_that_span_classes_are_kept_on_one_side() -> None:
    vectors, labels = clusters([30, 30, 30])
    groups: list[str | None] = [f"family {i % 15}" for i in range(90)]
    data = samples(vectors, labels, groups=groups)
    units = find_units(data)
    assert units.number <= 15
    assert all(len(sides) == 1 for sides in folds_of(groups, assign_folds(data.y, units, 5, 0)).values())


def test_folds_are_even_and_stratified() -> None:
    vectors, labels = clusters([50, 20, 10])
    data = samples(vectors, labels)
    fold = assign_folds(data.y, find_units(data), 5, 0)
    assert [[int((fold[data.y == j] == f).sum()) for f in range(5)] for j in range(3)] == [[10] * 5, [4] * 5, [2] * 5]


def test_a_class_of_two_photos_is_tested_with_the_other_in_training() -> None:
    vectors, labels = clusters([40, 2])
    data = samples(vectors, labels)
    fold = assign_folds(data.y, find_units(data), 5, 0)
    small = fold[data.y == 1]
    assert small[0] != small[1]
    assert TRAIN_ONLY not in small


def test_the_seed_decides_the_folds_and_repeats_them() -> None:
    vectors, labels = clusters([30, 30])
    data = samples(vectors, labels)
    units = find_units(data)
    assert np.array_equal(assign_folds(data.y, units, 5, 7), assign_folds(data.y, units, 5, 7))
    assert not np.array_equal(assign_folds(data.y, units, 5, 7), assign_folds(data.y, units, 5, 8))


def test_near_duplicates_stay_together_and_are_counted() -> None:
    vectors, labels = clusters([30, 30])
    rng = np.random.default_rng(1)
    noise = 0.01 * rng.normal(size=(20, 64)) / 8
    copies = (vectors[:20] + noise).astype(np.float32)
    data = samples(np.concatenate([vectors, copies]), labels + labels[:20])
    units = find_units(data)
    assert units.copies == 20
    assert np.array_equal(units.of[:20], units.of[60:])
    assert units.number == 60


def test_photos_of_one_person_are_not_taken_for_copies() -> None:
    vectors, labels = clusters([40] * 5)
    assert find_units(samples(vectors, labels)).number == 200


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_the_bound_for_copies_follows_the_spread_of_the_data(scale: float) -> None:
    vectors, labels = clusters([20, 20], scale=scale)
    data = samples(np.concatenate([vectors, vectors[:5] * np.float32(1.001)]), labels + labels[:5])
    assert find_units(data).copies == 5


def test_equal_vectors_stay_together_even_across_labels() -> None:
    vectors, labels = clusters([10, 10])
    vectors[15] = vectors[3]
    units = find_units(samples(vectors, labels))
    assert units.of[3] == units.of[15]
    assert units.number == 19
    assert units.copies == 1


def test_a_class_of_copies_of_one_photo_is_not_tested_on_itself() -> None:
    vectors, labels = clusters([6, 8])
    vectors[:6] = vectors[0]
    data = samples(vectors, labels)
    units = find_units(data)
    assert (units.number, units.copies) == (9, 5)
    fold = assign_folds(data.y, units, 5, 0)
    assert (fold[:6] == TRAIN_ONLY).all()
    assert (fold[6:] != TRAIN_ONLY).all()


def test_where_the_group_is_the_class_itself_photos_are_split() -> None:
    vectors, labels = clusters([10, 10])
    units = find_units(samples(vectors, labels, groups=labels))
    assert units.number == 20
    assert any("every class is one group" in note for note in units.notes)


def test_a_class_that_is_one_group_is_trained_on_only() -> None:
    vectors, labels = clusters([10, 10])
    groups: list[str | None] = ["one burst"] * 10 + [None] * 10
    data = samples(vectors, labels, groups=groups)
    fold = assign_folds(data.y, find_units(data), 5, 0)
    assert (fold[:10] == TRAIN_ONLY).all()
    assert (fold[10:] != TRAIN_ONLY).all()


def test_a_class_whose_photos_are_all_alike_is_still_split_and_named() -> None:
    tight, _ = clusters([12], seed=1, spread=0.01)
    loose, _ = clusters([12, 12], seed=2)
    units = find_units(samples(np.concatenate([tight, loose]), ["a"] * 12 + ["b"] * 12 + ["c"] * 12))
    assert units.number == 36
    assert units.notes == ("all photos of a are nearly alike: if they are copies of one, results are optimistic",)


def test_copies_among_photos_that_are_all_alike_stay_together() -> None:
    tight, _ = clusters([12], seed=1, spread=0.01)
    tight[6:] = tight[0]
    loose, _ = clusters([12], seed=2)
    units = find_units(samples(np.concatenate([tight, loose]), ["a"] * 12 + ["b"] * 12))
    assert (units.number, units.copies) == (18, 6)
    assert len(set(units.of[6:12].tolist())) == 1


def test_nothing_but_copies_is_refused() -> None:
    vectors, labels = clusters([3, 3])
    vectors[:3], vectors[3:] = vectors[0], vectors[3]
    with pytest.raises(DataError, match="copies of one photo"):
        find_units(samples(vectors, labels))
    with pytest.raises(DataError, match="copies of one photo"):
        find_units(samples(np.ones((8, 4), dtype=np.float32), ["a", "b"] * 4))


def test_groups_that_leave_nothing_to_test_on_are_set_aside_and_that_is_said() -> None:
    vectors, _ = clusters([6])
    data = samples(vectors, ["happy", "sad", "sad", "happy", "fear", "fear"], ["s1"] * 3 + ["s2"] * 3)
    assert not leaves_a_test(assign_folds(data.y, find_units(data), 5, 0))
    units = units_for_test(data, 5, (0, 1))
    assert units.number == 6
    assert any("groups were split" in note for note in units.notes)
    assert all(leaves_a_test(assign_folds(data.y, units, 5, seed)) for seed in (0, 1))


def test_groups_that_leave_something_to_test_on_are_kept() -> None:
    vectors, _ = clusters([24])
    data = samples(vectors, ["happy", "sad", "fear"] * 8, [f"s{i // 6}" for i in range(24)])
    assert units_for_test(data, 5, (0, 1)).notes == ()
    assert units_for_test(data, 5, (0, 1)).number == 4


def test_where_too_little_differs_for_any_test_it_is_refused() -> None:
    vectors, _ = clusters([2])
    data = samples(vectors[[0, 1, 1, 1]], ["a", "a", "b", "b"])
    with pytest.raises(DataError, match="add different photos"):
        units_for_test(data, 5, (0, 1))


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_whatever_the_groups_each_deal_leaves_a_test(seed: int, k: int, families: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, labels = clusters([4] * k, seed=seed)
    data = samples(vectors, labels, [f"s{i}" for i in rng.integers(0, families, 4 * k)])
    units = units_for_test(data, 5, (seed, seed + 1))
    assert all(leaves_a_test(assign_folds(data.y, units, 5, s)) for s in (seed, seed + 1))


def test_thousands_of_copies_fit_into_memory() -> None:
    vectors, labels = clusters([2000, 2000], spread=0.02)
    tracemalloc.start()
    find_units(samples(vectors, labels))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6
