from __future__ import annotations

import numpy as np
import pytest

from mien.errors import DataError
from mien.train.samples import prepare
from mien.types import UNKNOWN
from tests.train.clusters import clusters


def test_no_photos_are_refused() -> None:
    with pytest.raises(DataError, match="no photo"):
        prepare(np.empty((0, 8), dtype=np.float32), [])


def test_one_class_is_refused_by_name() -> None:
    vectors, labels = clusters([10])
    with pytest.raises(DataError, match="only one class, 'person 00'"):
        prepare(vectors, labels)


def test_classes_with_one_photo_are_refused_by_name_with_what_to_do() -> None:
    vectors, labels = clusters([10, 1, 10, 1])
    with pytest.raises(DataError, match=r"only one photo of person 01, person 03 .* add photos there, or take"):
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
