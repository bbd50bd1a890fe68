"""Which kind of vectors tells labels apart best: the same photos in the same folds for all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mien.errors import DataError
from mien.train.rivals import MOST, Rival, best, compare
from mien.types import UNKNOWN, Floats
from tests.train.clusters import clusters

SIZES = [40, 40, 40]


def noise(n: int, d: int = 64) -> Floats:
    return np.random.default_rng(9).normal(size=(n, d)).astype(np.float32)


def nothing(n: int) -> list[None]:
    return [None] * n


def test_vectors_that_tell_the_labels_apart_do_better() -> None:
    vectors, labels = clusters(SIZES)
    none = nothing(len(labels))
    told, guessed = compare({"told": vectors, "guessed": noise(len(labels))}, labels, none, none, 0)
    assert (told.embedder, guessed.embedder) == ("told", "guessed")
    assert told.accuracy > 0.95
    assert told.macro_f1 > 0.95
    assert guessed.accuracy < 0.6


def test_vectors_of_another_length_may_be_compared() -> None:
    vectors, labels = clusters(SIZES)
    none = nothing(len(labels))
    both = np.concatenate([vectors, noise(len(labels), 16)], axis=1)
    assert [one.embedder for one in compare({"a": vectors, "b": both}, labels, none, none, 0)] == ["a", "b"]


def test_the_same_seed_gives_the_same_figures() -> None:
    vectors, labels = clusters(SIZES, spread=3.0)
    none = nothing(len(labels))
    first, again, other = (compare({"a": vectors}, labels, none, none, seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_strangers_and_photos_to_measure_on_have_no_part() -> None:
    vectors, labels = clusters(SIZES)
    n = len(labels)
    alone = compare({"a": vectors}, labels, nothing(n), nothing(n), 0)
    more = np.concatenate([vectors, noise(40)])
    splits = [*nothing(n), *["test"] * 20, *nothing(20)]
    together = compare({"a": more}, [*labels, *["person 00"] * 20, *[UNKNOWN] * 20], nothing(n + 40), splits, 0)
    assert alone == together


def test_groups_stay_on_one_side() -> None:
    """Vectors that tell nothing but the group do well only where groups are torn apart."""
    rng = np.random.default_rng(1)
    groups = [f"group {i // 10}" for i in range(200)]
    labels = [("a", "b")[i // 10 % 2] for i in range(200)]
    centres = rng.normal(size=(20, 32))
    vectors = np.repeat(centres, 10, axis=0) + 0.6 * rng.normal(size=(200, 32))
    (kept,) = compare({"a": vectors.astype(np.float32)}, labels, groups, nothing(200), 0)
    (torn,) = compare({"a": vectors.astype(np.float32)}, labels, nothing(200), nothing(200), 0)
    assert torn.accuracy > 0.9 > kept.accuracy


def test_of_very_many_photos_some_are_enough() -> None:
    vectors, labels = clusters([MOST, MOST], dimension=8)
    none = nothing(len(labels))
    (found,) = compare({"a": vectors}, labels, none, none, 0)
    assert found.accuracy > 0.9


def test_one_label_is_refused() -> None:
    vectors, _ = clusters([10])
    with pytest.raises(DataError):
        compare({"a": vectors}, ["one"] * 10, nothing(10), nothing(10), 0)


def test_the_cheaper_one_is_taken_unless_the_other_is_clearly_better() -> None:
    cheap, dear = Rival("cheap", 0.80, 0.80), Rival("dear", 0.82, 0.82)
    assert best((cheap, dear), 100) == cheap
    assert best((cheap, dear), 10_000) == dear
    assert best((dear, cheap), 10_000) == dear


def test_figures_are_strict_json() -> None:
    assert json.loads(json.dumps(Rival("a", 0.5, 0.25).as_json(), allow_nan=False)) == {
        "embedder": "a",
        "accuracy": 0.5,
        "macro_f1": 0.25,
    }
