"""Rows get one role each: copies and groups stay on one side, whatever the order of the rows."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from mien.errors import DataError
from mien.training.splits import HELD_OUT, assign_splits, likeness, prepare, train_val_test_split
from mien.types import UNKNOWN
from tests.training.clusters import clusters


def test_rows_come_by_label_then_content_then_group() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 3, (60, 24, 24)).astype(np.uint8)
    inputs[:, :20] = 0  # alike for longer than is looked at first
    inputs[30:40] = inputs[0]
    labels = ["ab"[i % 2] for i in range(60)]
    groups = [None if i % 3 else f"g{i % 7}" for i in range(60)]
    whole = sorted(range(60), key=lambda i: (labels[i], inputs[i].tobytes(), groups[i] or ""))
    assert assign_splits(inputs, labels, groups).train.tolist() == whole


def test_ordering_large_crops_takes_little_memory() -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (200, 96, 96, 3)).astype(np.uint8)
    labels = ["a", "b"] * 100
    tracemalloc.start()
    assign_splits(inputs, labels)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < inputs.nbytes / 4


def test_photos_that_the_data_has_in_two_splits_are_counted() -> None:
    vectors, labels = clusters([20, 20])
    splits = ["val" if i % 4 == 0 else "train" for i in range(40)]
    assert not any("flatter" in note for note in assign_splits(vectors, labels, splits=splits).notes)
    vectors[[0, 20]] = vectors[[1, 21]]
    notes = assign_splits(vectors, labels, splits=splits).notes
    assert "2 of 10 photos of the val split are in the training set too: results are optimistic" in notes


def test_no_photos_are_refused() -> None:
    with pytest.raises(DataError, match="no photo"):
        prepare(np.empty((0, 8), dtype=np.float32), [])


def test_one_class_is_refused_by_name() -> None:
    vectors, labels = clusters([10])
    with pytest.raises(DataError, match="only one class, 'person 00'"):
        prepare(vectors, labels)


def test_classes_with_one_photo_are_refused_by_name_with_what_to_do() -> None:
    vectors, labels = clusters([10, 1, 10, 1])
    with pytest.raises(DataError, match=r"only one photo of person 01, person 03 .* add photos, or remove"):
        prepare(vectors, labels)


def test_vectors_that_are_not_finite_are_refused() -> None:
    vectors, labels = clusters([5, 5])
    vectors[2, 3] = np.inf
    with pytest.raises(DataError, match="1 of 10 vectors"):
        prepare(vectors, labels)


def test_nothing_but_test_photos_is_refused() -> None:
    vectors, labels = clusters([5, 5])
    with pytest.raises(DataError, match="training split"):
        prepare(vectors, labels, splits=["test"] * 10)


def test_rows_that_do_not_belong_together_are_a_programming_error() -> None:
    vectors, labels = clusters([5, 5])
    with pytest.raises(ValueError, match="10 vectors, but 9 labels"):
        prepare(vectors, labels[:9])
    with pytest.raises(ValueError, match="10 vectors, but 3 groups"):
        prepare(vectors, labels, groups=["a"] * 3)
    with pytest.raises(ValueError, match=r"\(n, d\)"):
        prepare(vectors[0], labels)


def test_small_classes_are_named_up_to_five() -> None:
    vectors, labels = clusters([3, 4, 5, 6, 7, 8, 25])
    (note,) = prepare(vectors, labels).notes
    assert "person 00 (3), person 01 (4), person 02 (5), person 03 (6), person 04 (7) and 1 more" in note
    assert "person 06" not in note


def test_large_classes_are_not_warned_about() -> None:
    vectors, labels = clusters([20, 20])
    assert prepare(vectors, labels).notes == ()


def test_unknown_is_not_a_class_but_strangers() -> None:
    vectors, labels = clusters([10, 10, 7])
    labels[20:] = [UNKNOWN] * 7
    made = prepare(vectors, labels)
    assert made.train.labels == ("person 00", "person 01")
    assert len(made.train) == 20
    assert len(made.strangers) == 7
    assert sorted(made.stranger_rows) == list(range(20, 27))


@pytest.mark.parametrize(
    ("splits", "held", "name"),
    [
        (["train"] * 10 + ["val"] * 4 + ["test"] * 6, 4, "val"),
        ([None] * 10 + ["val"] * 4 + ["test"] * 6, 4, "val"),
        (["train"] * 10 + ["test"] * 10, 10, "test"),
        ([None] * 10 + ["test"] * 10, 10, "test"),
    ],
)
def test_official_splits_are_respected(splits: list[str | None], held: int, name: str) -> None:
    vectors, labels = clusters([10, 10])
    mixed = [labels[i] for i in range(0, 20, 2)] + [labels[i] for i in range(1, 20, 2)]
    made = prepare(vectors, mixed, splits=splits)
    assert len(made.train) == 10
    assert made.held is not None
    assert len(made.held) == held
    assert made.held_name == name


def test_validation_classes_without_training_are_named_and_left_out() -> None:
    vectors, labels = clusters([22, 22, 4])
    splits = ["train"] * 20 + ["val"] * 2 + ["train"] * 20 + ["val"] * 6
    made = prepare(vectors, labels, splits=splits)
    assert made.held is not None
    assert len(made.held) == 4
    assert any("person 02" in note for note in made.notes)


def test_strangers_of_the_held_out_split_are_measured_and_not_learnt_from() -> None:
    vectors, labels = clusters([12, 12, 9])
    labels[24:] = [UNKNOWN] * 9
    splits: list[str | None] = [*["train", "train", "test"] * 8, *["train"] * 4, *["test"] * 5]
    made = prepare(vectors, labels, splits=splits)
    assert sorted(made.stranger_rows) == [24, 25, 26, 27]
    assert sorted(made.held_rows) == [*range(2, 24, 3), *range(28, 33)]
    assert made.held_name == "test"
    assert "unknown" not in "".join(made.notes)


def test_a_split_of_strangers_alone_measures_nothing() -> None:
    vectors, labels = clusters([5, 5, 5])
    labels[10:] = [UNKNOWN] * 5
    made = prepare(vectors, labels, splits=["train"] * 10 + ["test"] * 5)
    assert (made.held, made.held_name, len(made.held_rows)) == (None, None, 0)


def test_each_row_serves_one_purpose_and_none_is_lost() -> None:
    vectors, labels = clusters([30, 30, 30])
    dealt = train_val_test_split(vectors, assign_splits(vectors, labels), None, 0)
    rows = np.concatenate([dealt.train, dealt.stop, dealt.test])
    assert sorted(rows.tolist()) == list(range(90))
    assert dealt.method == HELD_OUT
    assert 14 <= len(dealt.test) <= 22
    assert 5 <= len(dealt.stop) <= 12


def test_the_same_seed_deals_alike_and_another_does_not() -> None:
    vectors, labels = clusters([30, 30])
    roles = assign_splits(vectors, labels)
    first, again, other = (train_val_test_split(vectors, roles, None, seed).test.tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_order_in_which_rows_came_changes_nothing() -> None:
    vectors, labels = clusters([20, 20])
    turned = np.random.default_rng(3).permutation(40)
    dealt = train_val_test_split(vectors, assign_splits(vectors, labels), None, 0)
    other = train_val_test_split(vectors[turned], assign_splits(vectors[turned], [labels[i] for i in turned]), None, 0)
    assert sorted(turned[other.test].tolist()) == sorted(dealt.test.tolist())


def test_groups_stay_on_one_side() -> None:
    vectors, labels = clusters([40, 40])
    groups = [f"{label} {i // 5}" for i, label in enumerate(labels)]
    dealt = train_val_test_split(vectors, assign_splits(vectors, labels, groups), groups, 0)
    sides = [{groups[i] for i in part.tolist()} for part in (dealt.train, dealt.stop, dealt.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_a_named_split_is_what_is_measured_on() -> None:
    vectors, labels = clusters([20, 20])
    splits = ["val" if i % 4 == 0 else "train" for i in range(40)]
    dealt = train_val_test_split(vectors, assign_splits(vectors, labels, splits=splits), None, 0)
    assert dealt.method == "val"
    assert {splits[i] for i in dealt.test} == {"val"}
    assert all(splits[i] == "train" for i in [*dealt.train, *dealt.stop])


def test_a_class_that_is_one_group_is_learnt_from_and_it_is_said() -> None:
    vectors, labels = clusters([20, 20, 20])
    groups = ["one" if label == "person 01" else None for label in labels]
    dealt = train_val_test_split(vectors, assign_splits(vectors, labels, groups), groups, 0)
    assert all(labels[i] != "person 01" for i in dealt.test)
    assert sum(labels[i] == "person 01" for i in [*dealt.train, *dealt.stop]) == dealt.training_only == 20
    assert any(note.startswith("all photos of person 01 are one group") for note in dealt.notes)


def test_a_class_that_is_one_group_is_tested_where_the_data_names_a_split() -> None:
    vectors, labels = clusters([20, 20, 20])
    groups = ["one" if label == "person 01" else None for label in labels]
    splits = ["val" if i % 4 == 0 else "train" for i in range(60)]
    dealt = train_val_test_split(vectors, assign_splits(vectors, labels, groups, splits), groups, 0)
    assert dealt.training_only == 0
    assert not any("not tested" in note for note in dealt.notes)


def test_what_was_stopped_by_and_learnt_from_alike_sets_no_threshold() -> None:
    vectors, labels = clusters([2, 2], spread=0.9)
    dealt = train_val_test_split(vectors, assign_splits(vectors, labels), None, 0)
    assert dealt.stop.tolist() == dealt.train.tolist()
    assert len(dealt.unseen) == 0
    vectors, labels = clusters([30, 30])
    dealt = train_val_test_split(vectors, assign_splits(vectors, labels), None, 0)
    assert sorted(dealt.unseen) == sorted(dealt.stop)


def test_strangers_are_neither_learnt_from_nor_stopped_by() -> None:
    vectors, labels = clusters([20, 20, 20])
    labels = [UNKNOWN if label == "person 02" else label for label in labels]
    dealt = train_val_test_split(vectors, assign_splits(vectors, labels), None, 0)
    assert all(labels[i] != UNKNOWN for i in [*dealt.train, *dealt.stop, *dealt.test])


def test_so_few_photos_that_none_is_left_to_stop_by_are_said() -> None:
    vectors, labels = clusters([2, 2], spread=0.9)
    dealt = train_val_test_split(vectors, assign_splits(vectors, labels), None, 0)
    assert len(dealt.train)
    assert len(dealt.stop)
    if dealt.stop.tolist() == dealt.train.tolist():
        assert any("too few photos to keep some back for early stopping" in note for note in dealt.notes)


def test_nothing_but_copies_is_refused() -> None:
    vectors = np.repeat(clusters([1, 1])[0], 6, axis=0)
    labels = ["a"] * 6 + ["b"] * 6
    with pytest.raises(DataError, match="copies"):
        train_val_test_split(vectors, assign_splits(vectors, labels), None, 0)


def crops(count: int, side: int = 48, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Smooth made-up pictures, so that neighbouring pixels are alike as in photos."""
    rough = np.random.default_rng(seed).integers(0, 256, (count, 6, 6))
    whole = np.repeat(np.repeat(rough, 8, axis=1), 8, axis=2)[:, :side, :side]
    return whole.astype(np.uint8)


def test_copies_of_crops_are_alike_and_others_are_not() -> None:
    pictures = crops(40)
    brighter = np.clip(pictures.astype(np.float32) * 0.8 + 20, 0, 255).astype(np.uint8)
    made = likeness(np.concatenate([pictures, brighter]))
    twins = np.linalg.norm(made[:40] - made[40:], axis=1)
    others = np.linalg.norm(made[:39] - made[1:40], axis=1)
    assert twins.max() < 0.1 < others.min()


def test_colour_and_any_side_are_taken() -> None:
    colour = np.repeat(crops(3)[..., None], 3, axis=3)
    assert np.allclose(likeness(colour), likeness(crops(3)), atol=1e-6)
    assert likeness(crops(3, side=8)).shape == (3, 64)
    assert likeness(crops(3, side=47)).shape == (3, 256)


def test_copies_of_a_crop_stay_on_one_side() -> None:
    pictures = np.concatenate([crops(30), crops(30)])
    labels = (["a"] * 15 + ["b"] * 15) * 2
    dealt = train_val_test_split(pictures, assign_splits(pictures, labels), None, 0)
    assert dealt.copies == 30
    held = set(dealt.test.tolist())
    assert all((i + 30) % 60 in held for i in held)


def test_long_vectors_keep_their_distances_nearly() -> None:
    vectors = np.random.default_rng(0).standard_normal((30, 4096)).astype(np.float32)
    near = vectors + 0.02 * np.random.default_rng(1).standard_normal((30, 4096)).astype(np.float32)
    made = likeness(np.concatenate([vectors, near]))
    assert made.shape == (60, 256)
    assert np.linalg.norm(made[:30] - made[30:], axis=1).max() < 0.05
    others = np.linalg.norm(made[:29] - made[1:30], axis=1)
    assert 1.1 < others.min() < others.max() < 1.7
