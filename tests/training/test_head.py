"""The recipe `head`: candidates, choice, calibration, and the choice of an embedder."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest

from mien.errors import DataError
from mien.models.head import KINDS, Head, unit
from mien.training import RECIPES
from mien.training import head as head_module
from mien.training.head import (
    CANDIDATES,
    EMBEDDER_PHOTOS,
    Candidate,
    EmbedderScore,
    HeadFit,
    HeadOptions,
    best_embedder,
    class_centres,
    fit_candidate,
    fit_head,
    score_embedders,
)
from mien.types import UNKNOWN, Floats
from tests.training.clusters import clusters, world


@pytest.mark.parametrize("candidate", CANDIDATES, ids=str)
@pytest.mark.parametrize("k", [2, 3, 10])
def test_every_candidate_learns_clusters(candidate: Candidate, k: int) -> None:
    vectors = unit(clusters([30] * k)[0])
    y = np.repeat(np.arange(k), 30)
    fitted = fit_candidate(candidate, vectors[::2], y[::2], k, 0)
    assert fitted.weights.shape == (k, 64)
    assert fitted.bias.shape == (k,)
    assert (fitted.logits(vectors[1::2]).argmax(axis=1) == y[1::2]).mean() > 0.97


@pytest.mark.parametrize("kind", ["logistic", "linear-svm"])
def test_scikit_learns_warnings_do_not_reach_the_user(kind: str) -> None:
    """Neither a fit that does not converge, nor vectors that are all but equal."""
    vectors, labels = clusters([30, 30, 2], dimension=8, spread=3.0)
    y = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    flat = np.full((62, 8), 8**-0.5) + vectors * 1e-12
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for rows in (unit(vectors), unit(flat)):
            fit_candidate(Candidate(kind, 1e6), rows, y, 3, 0)
        fit_head(vectors, labels)
    assert caught == []


@pytest.mark.parametrize("candidate", CANDIDATES, ids=str)
def test_more_dimensions_than_photos_are_no_trouble(candidate: Candidate) -> None:
    vectors = unit(clusters([3, 3], dimension=1024)[0])
    y = np.repeat([0, 1], 3)
    assert (fit_candidate(candidate, vectors, y, 2, 0).logits(vectors).argmax(axis=1) == y).all()


@pytest.mark.parametrize("candidate", CANDIDATES, ids=str)
def test_a_rare_class_is_not_given_up(candidate: Candidate) -> None:
    vectors = unit(clusters([300, 300], spread=0.9, dimension=16)[0])
    y = np.repeat([0, 1], 300)
    rare = np.r_[np.arange(295), 300:306]  # 295 against 6
    fitted = fit_candidate(candidate, vectors[rare], y[rare], 2, 0)
    found = fitted.logits(vectors[306:]).argmax(axis=1) == 1
    assert found.mean() > 0.6


def test_they_stand_from_the_simplest_on() -> None:
    order = [KINDS.index(candidate.kind) for candidate in CANDIDATES]
    assert order == sorted(order)


def test_centres_have_length_one_even_where_a_class_cancels_out() -> None:
    vectors = np.array([[1.0, 0], [-1, 0], [0, 1], [0, 1]])
    centres = class_centres(vectors, np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(centres, [[1, 0], [0, 1]])


def accuracy(head: Head, vectors: Floats, labels: list[str]) -> float:
    guessed = [head.labels[i] for i in head.probabilities(vectors).argmax(axis=1)]
    return float(np.mean([a == b for a, b in zip(guessed, labels, strict=True)]))


def held_out_accuracy(fitted: HeadFit, labels: list[str]) -> float:
    guessed = [fitted.head.labels[i] for i in fitted.held_out.probabilities.argmax(axis=1)]
    return float(np.mean([a == labels[row] for a, row in zip(guessed, fitted.held_out.rows, strict=True)]))


def same(a: HeadFit, b: HeadFit) -> bool:
    arrays = [(x, b.head.to_arrays()[name]) for name, x in a.head.to_arrays().items()]
    return a.head.to_json() == b.head.to_json() and all(np.array_equal(x, y) for x, y in arrays)


def test_the_recipe_has_a_name() -> None:
    assert RECIPES.load("head") is fit_head


@pytest.mark.parametrize(("dimension", "scale"), [(32, 1.0), (128, 30.0), (512, 0.001), (1024, 1.0)])
def test_vectors_of_any_dimension_and_length_are_learned(dimension: int, scale: float) -> None:
    vectors, labels = clusters([20] * 6, dimension=dimension, scale=scale, spread=0.8)
    fitted = fit_head(vectors[::2], labels[::2])
    assert accuracy(fitted.head, vectors[1::2], labels[1::2]) > 0.97
    assert math.isfinite(fitted.head.threshold)


def test_the_validation_tells_what_new_photos_will_show() -> None:
    vectors, labels = clusters([60] * 8, spread=3.0)
    fitted = fit_head(vectors[::2], labels[::2])
    truth = accuracy(fitted.head, vectors[1::2], labels[1::2])
    assert fitted.held_out.method == "out-of-fold"
    assert sorted(fitted.held_out.rows) == list(range(240))
    assert held_out_accuracy(fitted, labels[::2]) == pytest.approx(truth, abs=0.08)
    assert 0.3 < truth < 0.98, "the task should be neither trivial nor hopeless"


def test_probabilities_can_be_believed_after_calibration() -> None:
    vectors, labels = clusters([60] * 8, spread=3.0)
    fitted = fit_head(vectors[::2], labels[::2])
    held = fitted.held_out.probabilities.max(axis=1)
    assert float(held.mean()) == pytest.approx(held_out_accuracy(fitted, labels[::2]), abs=0.05)
    sure = fitted.head.probabilities(vectors[1::2]).max(axis=1)
    assert float(sure.mean()) == pytest.approx(accuracy(fitted.head, vectors[1::2], labels[1::2]), abs=0.08)


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_the_threshold_meets_its_rate_on_strangers_never_seen(rate: float) -> None:
    vectors, labels, strangers = world(20, 60, photos=20, seed=3, spread=0.75)
    fitted = fit_head(vectors[::2], labels[::2], options=HeadOptions(false_accept_rate=rate))
    head = fitted.head
    assert fitted.unknown.rate == rate
    assert (head.familiarity(strangers) >= head.threshold).mean() < 2.5 * rate
    known = vectors[1::2]
    right = np.array([head.labels[i] for i in head.probabilities(known).argmax(axis=1)]) == np.array(labels[1::2])
    kept = float((right & (head.familiarity(known) >= head.threshold)).mean())
    assert kept > 0.97
    assert fitted.unknown.kept == pytest.approx(kept, abs=0.05)


def test_two_classes_work_and_say_that_the_threshold_is_a_guess() -> None:
    vectors, labels, strangers = world(2, 30, photos=20, seed=5, spread=0.6)
    fitted = fit_head(vectors[::2], labels[::2])
    assert accuracy(fitted.head, vectors[1::2], labels[1::2]) == 1
    assert fitted.unknown.rate is None
    assert any("guess" in note for note in fitted.notes)
    assert (fitted.head.familiarity(vectors[1::2]) >= fitted.head.threshold).mean() > 0.9
    assert (fitted.head.familiarity(strangers) >= fitted.head.threshold).mean() < 0.3


def test_two_photos_of_two_people_are_enough_to_train() -> None:
    vectors, labels = clusters([2, 2], spread=0.2)
    fitted = fit_head(vectors, labels)
    assert fitted.folds.number == 2
    assert accuracy(fitted.head, vectors, labels) == 1


def test_one_class_fifty_times_the_other_is_no_trouble() -> None:
    vectors, labels = clusters([500, 20], spread=0.9)
    rows = [*range(250), *range(500, 505)]
    fitted = fit_head(vectors[rows], [labels[i] for i in rows])
    assert accuracy(fitted.head, vectors[505:], labels[505:]) > 0.9
    assert accuracy(fitted.head, vectors[250:500], labels[250:500]) > 0.95


def test_classes_without_a_circle_of_their_own_get_no_threshold() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 32)).astype(np.float32)
    labels = ["smile" if x > 0 else "frown" for x in vectors[:, 0] + 0.2 * vectors[:, 1]]
    fitted = fit_head(vectors, labels)
    assert fitted.head.threshold == -math.inf
    assert fitted.unknown.threshold is None
    assert held_out_accuracy(fitted, labels) > 0.85
    assert any("no face will be called unknown" in note for note in fitted.notes)


def test_rows_labelled_unknown_set_the_threshold_and_are_no_class() -> None:
    vectors, labels, strangers = world(6, 50, photos=20, seed=9, spread=0.6)
    fitted = fit_head(np.concatenate([vectors, strangers[:500]]), labels + [UNKNOWN] * 500)
    assert fitted.unknown.strangers == 500
    assert UNKNOWN not in fitted.head.labels
    accepted = (fitted.head.familiarity(strangers[500:]) >= fitted.head.threshold).mean()
    assert accepted == pytest.approx(0.01, abs=0.015)
    assert sorted(fitted.seen) == list(range(len(labels) + 500))
    assert max(fitted.held_out.rows) < len(labels), "those that set the threshold cannot measure it"


def test_strangers_of_a_held_out_split_are_measured() -> None:
    vectors, labels, strangers = world(4, 10, photos=12, seed=9, spread=0.6)
    splits = [*(("train", "train", "test")[i % 3] for i in range(48)), *["test"] * 30]
    fitted = fit_head(np.concatenate([vectors, strangers[:30]]), labels + [UNKNOWN] * 30, splits=splits)
    assert sorted(fitted.held_out.rows) == [i for i, split in enumerate(splits) if split == "test"]
    assert sorted(fitted.seen) == [i for i, split in enumerate(splits) if split == "train"]
    assert same(fitted, fit_head(vectors, labels, splits=splits[:48]))


def test_the_same_seed_gives_the_same_head_in_any_order_of_rows() -> None:
    vectors, labels = clusters([12] * 5, spread=1.2)
    order = np.random.default_rng(4).permutation(60)
    first = fit_head(vectors, labels)
    assert same(first, fit_head(vectors, labels))
    shuffled = fit_head(vectors[order], [labels[i] for i in order])
    assert same(first, shuffled)
    assert np.array_equal(np.sort(first.held_out.familiarity), np.sort(shuffled.held_out.familiarity))
    assert first.notes == shuffled.notes


def test_another_seed_draws_other_folds() -> None:
    vectors, labels = clusters([30] * 4, spread=2.5)
    a, b = (fit_head(vectors, labels, options=HeadOptions(seed=seed)) for seed in (0, 1))
    assert a.compared != b.compared


def test_all_candidates_are_compared_and_the_simplest_of_equals_is_kept() -> None:
    vectors, labels = clusters([20] * 5, spread=0.3)
    fitted = fit_head(vectors, labels)
    assert [(row.kind, row.c) for row in fitted.compared] == [(c.kind, c.c) for c in CANDIDATES]
    assert all(row.mean == 1 for row in fitted.compared)
    assert fitted.head.kind == "centres"


def test_a_task_that_needs_more_than_centres_gets_more() -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(600, 24)) * np.linspace(3, 0.3, 24)
    labels = ["yes" if row[-1] > 0 else "no" for row in wide]  # the direction with the least spread decides
    fitted = fit_head(wide.astype(np.float32), labels)
    assert fitted.head.kind != "centres"
    assert held_out_accuracy(fitted, labels) > 0.8


def test_copies_across_folds_do_not_flatter_the_validation() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(60, 64)).astype(np.float32)
    vectors = np.repeat(noise, 4, axis=0) + 0.002 * rng.normal(size=(240, 64)).astype(np.float32)
    labels = [f"class {i % 2}" for i in range(60) for _ in range(4)]
    fitted = fit_head(vectors, labels)
    assert fitted.folds.copies == 180
    assert held_out_accuracy(fitted, labels) < 0.75
    assert any("180 photos are copies of others, or nearly so" in note for note in fitted.notes)


def test_groups_across_folds_do_not_flatter_the_validation() -> None:
    rng = np.random.default_rng(0)
    people = rng.normal(size=(30, 64))
    vectors = (np.repeat(people, 6, axis=0) + 0.5 * rng.normal(size=(180, 64))).astype(np.float32)
    groups = [f"person {i}" for i in range(30) for _ in range(6)]
    labels = [f"mood {i % 3}" for i in range(30) for _ in range(6)]
    with_groups = fit_head(vectors, labels, groups=groups)
    without = fit_head(vectors, labels)
    assert held_out_accuracy(without, labels) > 0.9
    assert held_out_accuracy(with_groups, labels) < 0.6


def test_expressions_of_two_subjects_are_learnt_with_a_note_that_results_are_optimistic() -> None:
    vectors, _ = clusters([6])
    subjects = ["s1"] * 3 + ["s2"] * 3
    fitted = fit_head(vectors, ["happy", "sad", "sad", "happy", "fear", "fear"], groups=subjects)
    assert len(fitted.held_out.rows) == 6
    assert any("groups were split" in note and "optimistic" in note for note in fitted.notes)


def test_a_class_of_copies_of_one_photo_is_named_and_not_counted_right() -> None:
    vectors, labels = clusters([6, 8])
    vectors[:6] = vectors[0]
    fitted = fit_head(vectors, labels)
    assert fitted.folds.copies == 5
    assert sorted(fitted.held_out.rows) == list(range(6, 14))
    assert any("person 00" in note and "copies of one photo" in note for note in fitted.notes)


def test_a_sample_to_compare_on_that_leaves_no_test_gives_way_to_all_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_module, "_COMPARE_ON", 4)
    vectors, labels = clusters([12, 12])
    fitted = fit_head(vectors, labels, groups=[str(i // 6) for i in range(24)])
    assert len(fitted.held_out.rows) == 24


def test_an_official_validation_split_is_what_is_measured_on() -> None:
    vectors, labels = clusters([30] * 4, spread=1.2)
    splits: list[str | None] = [("train", "train", "val")[i % 3] for i in range(120)]
    fitted = fit_head(vectors, labels, splits=splits)
    train = [i for i in range(120) if i % 3 != 2]
    val = [i for i in range(120) if i % 3 == 2]
    assert (fitted.held_out.method, sorted(fitted.held_out.rows)) == ("val", val)
    assert held_out_accuracy(fitted, labels) == accuracy(fitted.head, vectors[val], [labels[i] for i in val])
    alone = fit_head(vectors[train], [labels[i] for i in train])
    assert same(fitted, alone)


def test_a_class_in_one_burst_is_trained_on_and_named() -> None:
    vectors, labels = clusters([20, 20, 20])
    groups: list[str | None] = ["burst"] * 20 + [None] * 40
    fitted = fit_head(vectors, labels, groups=groups)
    assert fitted.folds.training_only == 20
    assert len(fitted.held_out.rows) == 40
    assert any("person 00" in note and "not tested" in note for note in fitted.notes)


def test_everything_known_about_the_fit_is_strict_json() -> None:
    vectors, labels = clusters([20, 20, 20])
    told = json.loads(json.dumps(fit_head(vectors, labels).as_json(), allow_nan=False))
    assert told["held_out"] == {"method": "out-of-fold", "n": 60}
    assert {"threshold", "rate", "kept", "method"} <= set(told["unknown"])


@pytest.mark.parametrize("rate", [0.0, 0.5, -1.0, math.nan])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(DataError, match="the false accept rate is"):
        HeadOptions(false_accept_rate=rate)


def test_impossible_folds_and_seeds_are_refused() -> None:
    with pytest.raises(DataError, match="folds must be at least 2"):
        HeadOptions(folds=1)
    with pytest.raises(DataError, match="seed"):
        HeadOptions(seed=-1)


def test_what_cannot_be_trained_on_is_refused_in_one_sentence() -> None:
    vectors, labels = clusters([5, 1])
    with pytest.raises(DataError, match="only one photo of person 01"):
        fit_head(vectors, labels)
    with pytest.raises(DataError, match="only one class"):
        fit_head(vectors[:5], labels[:5])


def test_thousands_of_photos_of_many_people_are_fitted() -> None:
    vectors, labels = clusters([120] * 35, dimension=16, spread=0.5)
    fitted = fit_head(vectors, labels)
    assert held_out_accuracy(fitted, labels) > 0.9


SIZES = [40, 40, 40]


def noise(n: int, d: int = 64) -> Floats:
    return np.random.default_rng(9).normal(size=(n, d)).astype(np.float32)


def nothing(n: int) -> list[None]:
    return [None] * n


def test_vectors_that_tell_the_labels_apart_do_better() -> None:
    vectors, labels = clusters(SIZES)
    none = nothing(len(labels))
    told, guessed = score_embedders({"told": vectors, "guessed": noise(len(labels))}, labels, none, none, 0)
    assert (told.embedder, guessed.embedder) == ("told", "guessed")
    assert told.accuracy > 0.95
    assert told.macro_f1 > 0.95
    assert guessed.accuracy < 0.6


def test_vectors_of_another_length_may_be_compared() -> None:
    vectors, labels = clusters(SIZES)
    none = nothing(len(labels))
    both = np.concatenate([vectors, noise(len(labels), 16)], axis=1)
    assert [one.embedder for one in score_embedders({"a": vectors, "b": both}, labels, none, none, 0)] == ["a", "b"]


def test_the_same_seed_gives_the_same_figures() -> None:
    vectors, labels = clusters(SIZES, spread=3.0)
    none = nothing(len(labels))
    first, again, other = (score_embedders({"a": vectors}, labels, none, none, seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_strangers_and_photos_to_measure_on_have_no_part() -> None:
    vectors, labels = clusters(SIZES)
    n = len(labels)
    alone = score_embedders({"a": vectors}, labels, nothing(n), nothing(n), 0)
    more = np.concatenate([vectors, noise(40)])
    splits = [*nothing(n), *["test"] * 20, *nothing(20)]
    together = score_embedders({"a": more}, [*labels, *["person 00"] * 20, *[UNKNOWN] * 20], nothing(n + 40), splits, 0)
    assert alone == together


def test_groups_stay_on_one_side() -> None:
    """Vectors that tell nothing but the group do well only where groups are torn apart."""
    rng = np.random.default_rng(1)
    groups = [f"group {i // 10}" for i in range(200)]
    labels = [("a", "b")[i // 10 % 2] for i in range(200)]
    centres = rng.normal(size=(20, 32))
    vectors = np.repeat(centres, 10, axis=0) + 0.6 * rng.normal(size=(200, 32))
    (kept,) = score_embedders({"a": vectors.astype(np.float32)}, labels, groups, nothing(200), 0)
    (torn,) = score_embedders({"a": vectors.astype(np.float32)}, labels, nothing(200), nothing(200), 0)
    assert torn.accuracy > 0.9 > kept.accuracy


def test_of_very_many_photos_some_are_enough() -> None:
    vectors, labels = clusters([EMBEDDER_PHOTOS // 2 + 50] * 2, dimension=8)
    none = nothing(len(labels))
    (found,) = score_embedders({"a": vectors}, labels, none, none, 0)
    assert found.accuracy > 0.9


def test_one_label_is_refused() -> None:
    vectors, _ = clusters([10])
    with pytest.raises(DataError):
        score_embedders({"a": vectors}, ["one"] * 10, nothing(10), nothing(10), 0)


def test_the_cheaper_one_is_taken_unless_the_other_is_clearly_better() -> None:
    cheap, dear = EmbedderScore("cheap", 0.80, 0.80), EmbedderScore("dear", 0.82, 0.82)
    assert best_embedder((cheap, dear), 100) == cheap
    assert best_embedder((cheap, dear), 10_000) == dear
    assert best_embedder((dear, cheap), 10_000) == dear


def test_figures_are_strict_json() -> None:
    assert json.loads(json.dumps(EmbedderScore("a", 0.5, 0.25).as_json(), allow_nan=False)) == {
        "embedder": "a",
        "accuracy": 0.5,
        "macro_f1": 0.25,
    }
