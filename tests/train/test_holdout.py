"""What is kept back is kept apart: copies and groups on one side, each row for one purpose."""

from __future__ import annotations

import numpy as np
import pytest

from mien.errors import DataError
from mien.train.holdout import HELD_OUT, deal, likeness
from mien.train.roles import assign
from mien.types import UNKNOWN
from tests.train.clusters import clusters


def test_each_row_serves_one_purpose_and_none_is_lost() -> None:
    vectors, labels = clusters([30, 30, 30])
    dealt = deal(vectors, assign(vectors, labels), None, 0)
    rows = np.concatenate([dealt.train, dealt.stop, dealt.test])
    assert sorted(rows.tolist()) == list(range(90))
    assert dealt.method == HELD_OUT
    assert 14 <= len(dealt.test) <= 22
    assert 5 <= len(dealt.stop) <= 12


def test_the_same_seed_deals_alike_and_another_does_not() -> None:
    vectors, labels = clusters([30, 30])
    roles = assign(vectors, labels)
    first, again, other = (deal(vectors, roles, None, seed).test.tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_order_in_which_rows_came_changes_nothing() -> None:
    vectors, labels = clusters([20, 20])
    turned = np.random.default_rng(3).permutation(40)
    dealt = deal(vectors, assign(vectors, labels), None, 0)
    other = deal(vectors[turned], assign(vectors[turned], [labels[i] for i in turned]), None, 0)
    assert sorted(turned[other.test].tolist()) == sorted(dealt.test.tolist())


def test_groups_stay_on_one_side() -> None:
    vectors, labels = clusters([40, 40])
    groups = [f"{label} {i // 5}" for i, label in enumerate(labels)]
    dealt = deal(vectors, assign(vectors, labels, groups), groups, 0)
    sides = [{groups[i] for i in part.tolist()} for part in (dealt.train, dealt.stop, dealt.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_a_named_split_is_what_is_measured_on() -> None:
    vectors, labels = clusters([20, 20])
    splits = ["val" if i % 4 == 0 else "train" for i in range(40)]
    dealt = deal(vectors, assign(vectors, labels, splits=splits), None, 0)
    assert dealt.method == "val"
    assert {splits[i] for i in dealt.test} == {"val"}
    assert all(splits[i] == "train" for i in [*dealt.train, *dealt.stop])


def test_a_class_that_is_one_group_is_learnt_from_and_it_is_said() -> None:
    vectors, labels = clusters([20, 20, 20])
    groups = ["one" if label == "person 01" else None for label in labels]
    dealt = deal(vectors, assign(vectors, labels, groups), groups, 0)
    assert all(labels[i] != "person 01" for i in dealt.test)
    assert sum(labels[i] == "person 01" for i in [*dealt.train, *dealt.stop]) == dealt.training_only == 20
    assert any(note.startswith("all photos of person 01 belong together") for note in dealt.notes)


def test_a_class_that_is_one_group_is_tested_where_the_data_names_a_split() -> None:
    vectors, labels = clusters([20, 20, 20])
    groups = ["one" if label == "person 01" else None for label in labels]
    splits = ["val" if i % 4 == 0 else "train" for i in range(60)]
    dealt = deal(vectors, assign(vectors, labels, groups, splits), groups, 0)
    assert dealt.training_only == 0
    assert not any("not tested" in note for note in dealt.notes)


def test_what_was_stopped_by_and_learnt_from_alike_sets_no_threshold() -> None:
    vectors, labels = clusters([2, 2], spread=0.9)
    dealt = deal(vectors, assign(vectors, labels), None, 0)
    assert dealt.stop.tolist() == dealt.train.tolist()
    assert len(dealt.unseen) == 0
    vectors, labels = clusters([30, 30])
    dealt = deal(vectors, assign(vectors, labels), None, 0)
    assert sorted(dealt.unseen) == sorted(dealt.stop)


def test_strangers_are_neither_learnt_from_nor_stopped_by() -> None:
    vectors, labels = clusters([20, 20, 20])
    labels = [UNKNOWN if label == "person 02" else label for label in labels]
    dealt = deal(vectors, assign(vectors, labels), None, 0)
    assert all(labels[i] != UNKNOWN for i in [*dealt.train, *dealt.stop, *dealt.test])


def test_so_few_photos_that_none_is_left_to_stop_by_are_said() -> None:
    vectors, labels = clusters([2, 2], spread=0.9)
    dealt = deal(vectors, assign(vectors, labels), None, 0)
    assert len(dealt.train)
    assert len(dealt.stop)
    if dealt.stop.tolist() == dealt.train.tolist():
        assert any("too few photos to stop" in note for note in dealt.notes)


def test_nothing_but_copies_is_refused() -> None:
    vectors = np.repeat(clusters([1, 1])[0], 6, axis=0)
    labels = ["a"] * 6 + ["b"] * 6
    with pytest.raises(DataError, match="copies"):
        deal(vectors, assign(vectors, labels), None, 0)


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
    dealt = deal(pictures, assign(pictures, labels), None, 0)
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
