from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from mien.evaluation.comparison import (
    ALPHA,
    Comparison,
    Trial,
    best_of,
    by_unit,
    compare,
    equals_of,
    format_p,
    hits,
    holm,
    luck_of_runs,
    score_variant,
    sign_flip,
    student,
    verdict,
    with_units,
)
from mien.types import Ints
from tests.evaluation.factories import alone, answered, pair, score, trials_of

STUDIES = 300
"""Enough that a rate of 5 % is seen as 1.8 to 8.2 % with 99 % confidence."""


def chance_of(p: list[float]) -> float:
    return float(np.mean(np.array(p) < ALPHA))


@pytest.mark.parametrize("photos", [10, 60, 600])
def test_equal_classifiers_are_told_apart_in_about_one_study_of_twenty(photos: int) -> None:
    found = []
    for study in range(STUDIES):
        rng = np.random.default_rng(study)
        a, b = rng.random((2, 3, photos)) < 0.7
        found.append(sign_flip((a.mean(axis=0) - b.mean(axis=0)).astype(np.float64)))
    assert 0.0 <= chance_of(found) <= 0.082
    if photos > 10:  # few photos have few ways to differ, and the test errs on the safe side
        assert chance_of(found) >= 0.018


def test_copies_that_err_together_do_not_make_a_difference_of_chance_real() -> None:
    """Twenty units of ten copies each: counted one by one they would be called different much too often."""
    units = np.repeat(np.arange(20), 10)
    together, singly = [], []
    for study in range(STUDIES):
        rng = np.random.default_rng(study)
        difference = np.repeat(rng.integers(-1, 2, size=20), 10).astype(np.float64)
        together.append(sign_flip(by_unit(difference, units)))
        singly.append(sign_flip(difference))
    assert chance_of(together) <= 0.082
    assert chance_of(singly) > 0.3


def test_planted_differences_are_found_and_their_size_lies_in_most_intervals() -> None:
    y: Ints = np.zeros(900, dtype=np.int64)
    found: list[Comparison] = []
    for study in range(40):
        made = {"good": answered(y, 0.90, seed=2 * study), "poor": answered(y, 0.70, seed=2 * study + 1)}
        found += compare(made, y, alone(y))
    assert sum((pair.a, pair.real) == ("good", True) for pair in found) >= 36
    assert sum(pair.interval[0] <= 0.20 <= pair.interval[1] for pair in found) >= 35


def test_lucky_trainings_do_not_make_a_difference_real_however_many_photos_there_are() -> None:
    """Two ways that are equally good, each training up to some points better or worse by chance: many photos see it."""
    y: Ints = np.zeros(6000, dtype=np.int64)
    real = alone_by_photos = 0
    for study in range(100):
        luck = np.random.default_rng(study).normal(0, 0.02, size=(2, 3))
        made = {
            name: [answered(y, 0.75 + luck[way, s], seed=2 * study + way)[s] for s in range(3)]
            for way, name in enumerate("ab")
        }
        (pair,) = compare(made, y, alone(y))
        real += pair.real
        (right, weight), (others, _) = (hits(made[name], y) for name in "ab")
        alone_by_photos += sign_flip(((right - others) * weight).sum(axis=0)) < ALPHA
    assert alone_by_photos > 25
    assert real <= 12


def test_what_seeds_differ_by_because_of_their_photos_is_not_taken_for_luck() -> None:
    """Five seeds, all of whose trainings are equally good: the p value of photos stands."""
    p = []
    for study in range(50):
        rng = np.random.default_rng(study)
        values = np.zeros((5, 1000))
        for seed in range(5):
            rows = rng.permutation(1000)[:200]
            values[seed, rows] = (rng.random(200) < 0.80).astype(float) - (rng.random(200) < 0.72)
        p.append((sign_flip(values.sum(axis=0)), luck_of_runs(values)))
    photos, both = np.array(p).T
    assert (np.maximum(photos, both) < ALPHA).mean() > 0.9 * (photos < ALPHA).mean()


@pytest.mark.parametrize(
    ("t", "freedom", "p"),
    [
        (4.302653, 2, 0.05),  # the table of any textbook
        (2.228139, 10, 0.05),
        (1.959964, 1e6, 0.05),
        (63.656741, 1, 0.01),
        (0.0, 3, 1.0),
    ],
)
def test_students_p_values_are_those_of_the_tables(t: float, freedom: float, p: float) -> None:
    assert student(t, freedom) == pytest.approx(p, rel=2e-3)


def test_the_better_one_comes_first_whichever_was_named_first() -> None:
    y: Ints = np.zeros(300, dtype=np.int64)
    made = {"poor": answered(y, 0.5, seed=1), "good": answered(y, 0.9, seed=2)}
    (pair,) = compare(made, y, alone(y))
    assert (pair.a, pair.difference > 0) == ("good", True)
    assert compare(dict(reversed(made.items())), y, alone(y)) == (pair,)


def test_every_pair_is_compared_and_one_variant_with_none() -> None:
    y: Ints = np.zeros(60, dtype=np.int64)
    made = {name: answered(y, 0.7, seed=i) for i, name in enumerate("abcd")}
    assert len(compare(made, y, alone(y))) == 6
    assert compare({"a": made["a"]}, y, alone(y)) == ()


def test_a_variant_against_itself_is_no_difference() -> None:
    y: Ints = np.zeros(60, dtype=np.int64)
    made = answered(y, 0.7)
    (pair,) = compare({"a": made, "b": made}, y, alone(y))
    assert (pair.difference, pair.p, pair.real, pair.interval) == (0.0, 1.0, False, (0.0, 0.0))


def test_few_differences_are_tested_exactly() -> None:
    differences = np.array([0.5, -0.25, 1.0, 0.0, 0.5, 0.5])
    kept = differences[differences != 0]
    sums = [abs(sum(s * d for s, d in zip(signs, np.abs(kept), strict=True))) for signs in product((1, -1), repeat=5)]
    wanted = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)
    assert sign_flip(differences) == pytest.approx(wanted)


def test_five_photos_in_favour_and_none_against_are_not_enough_and_six_are() -> None:
    assert sign_flip(np.ones(5)) == 2 / 2**5
    assert sign_flip(np.ones(6)) == 2 / 2**6


def test_drawn_and_exact_p_values_meet() -> None:
    """14 signs are drawn; the exact value is the binomial's: 2 * (1 + 14 + 91) / 2**14."""
    differences = np.array([1.0] * 12 + [-1.0] * 2)
    assert sign_flip(differences) == pytest.approx(2 * 106 / 2**14, abs=0.005)


def test_p_is_never_nought_and_the_same_twice() -> None:
    differences = np.ones(500)
    assert 0 < sign_flip(differences) == sign_flip(differences) < 0.001


def test_holm_gives_the_adjusted_values_of_the_procedure() -> None:
    # Worked by hand: 0.01 * 4, 0.02 * 3, then 0.03 * 2 and 0.04 * 1, which may not fall below those before them.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_many_equal_variants_seldom_give_any_real_difference() -> None:
    y: Ints = np.zeros(200, dtype=np.int64)
    wrong = 0
    for study in range(40):
        made = {str(i): answered(y, 0.7, seed=10 * study + i) for i in range(5)}
        wrong += any(pair.real for pair in compare(made, y, alone(y)))
    assert wrong <= 6


def test_variants_that_were_not_tested_alike_are_refused() -> None:
    y: Ints = np.zeros(60, dtype=np.int64)
    part = [Trial(0, 0, np.arange(10), y[:10], 1.0, 1.0)]
    with pytest.raises(ValueError, match="a and b were not tested on the same photos"):
        compare({"a": part, "b": trials_of(y, y)}, y, alone(y))


def test_photos_that_are_never_tested_change_nothing() -> None:
    y: Ints = np.zeros(120, dtype=np.int64)
    made = {name: answered(y[:30], share, seed=seed) for name, share, seed in (("a", 0.9, 0), ("b", 0.7, 1))}
    (few,) = compare(made, y[:30], alone(y[:30]))
    (many,) = compare(made, y, alone(y))
    assert many == few


Y: Ints = np.array([0, 0, 1, 1, 2, 2])


def trial(seed: int, rows: list[int], answers: list[int], learnt: float = 1.0, fold: int = 0) -> Trial:
    return Trial(seed, fold, np.array(rows), np.array(answers), learnt, 2.0 + seed, 10, 4 + seed)


def test_the_mean_is_over_seeds_and_the_spread_beside_it() -> None:
    found = score_variant(
        "x", [trial(0, [0, 2], [0, 1]), trial(1, [1, 3], [0, 2]), trial(2, [4, 5], [0, 0])], Y, alone(Y)
    )
    assert found.accuracy_mean == pytest.approx(0.5)
    assert found.accuracy_std == pytest.approx(0.5)
    assert (found.n, found.trials) == (6, 3)
    assert (found.train_seconds, found.epochs, found.best_epoch) == (3.0, 10.0, 5.0)


def test_a_seed_with_all_folds_weighs_as_much_as_one_with_a_single_fold() -> None:
    folds = [trial(0, [0, 1], [0, 0]), trial(0, [2, 3, 4, 5], [0, 0, 0, 0], fold=1)]
    found = score_variant("x", [*folds, trial(1, [2], [0])], Y, alone(Y))
    assert found.accuracy_mean == pytest.approx((2 / 6 + 0) / 2)


def test_the_gap_is_what_it_does_better_on_photos_it_was_trained_on() -> None:
    found = score_variant(
        "x", [trial(0, [0, 2], [0, 0], learnt=0.9), trial(1, [1, 3], [0, 1], learnt=1.0)], Y, alone(Y)
    )
    assert (found.train_accuracy, found.gap) == pytest.approx((0.95, 0.2))


def test_macro_f1_weighs_classes_alike_and_an_answer_of_no_class_is_an_error() -> None:
    found = score_variant("x", [trial(0, [0, 1, 2, 4], [0, 0, 0, -1])], Y, alone(Y))
    assert found.macro_f1_mean == pytest.approx((2 * 2 / (2 + 3) + 0 + 0) / 3)


def test_a_way_without_epochs_has_none() -> None:
    found = score_variant("head", [Trial(0, 0, np.array([0]), np.array([0]), 1.0, 0.1)], Y, alone(Y))
    assert (found.epochs, found.best_epoch, found.accuracy_std) == (None, None, 0.0)
    assert found.as_json()["epochs"] is None


def test_where_all_are_right_the_interval_still_leaves_room_for_doubt() -> None:
    y: Ints = np.zeros(50, dtype=np.int64)
    low, high = score_variant("x", answered(y, 1.0), y, alone(y)).interval
    assert 0.8 < low < 0.95
    assert high == 1.0


def test_copies_make_an_interval_no_narrower() -> None:
    y: Ints = np.zeros(300, dtype=np.int64)
    answers = np.repeat(np.random.default_rng(0).integers(0, 2, size=30), 10)
    trials = [Trial(0, 0, np.arange(300), answers, 1.0, 1.0)]
    singly = score_variant("x", trials, y, alone(y)).interval
    together = score_variant("x", trials, y, np.repeat(np.arange(30), 10)).interval
    assert together[1] - together[0] > 2 * (singly[1] - singly[0])


def test_a_photo_tested_twice_with_one_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="tested twice"):
        hits([trial(0, [0], [0]), trial(0, [0], [0], fold=1)], Y)
    with pytest.raises(ValueError, match="no trials"):
        hits([], Y)


def test_three_variants_are_told_pair_by_pair() -> None:
    three = [score("none", 0.80, 5.0), score("gentle", 0.821), score("extreme", 0.803)]
    found = [
        pair("gentle", "none", 2.1, 0.01),
        pair("gentle", "extreme", 1.8, 0.03),
        pair("extreme", "none", 0.3, 1.0),
    ]
    assert verdict(three, found) == (
        "gentle beats extreme by 1.8 points (p 0.03) and none by 2.1 points (p 0.01);"
        " extreme and none cannot be told apart"
    )


def test_of_equals_the_cheapest_is_named() -> None:
    two = [score("96", 0.81, 40.0), score("48", 0.80, 9.0)]
    assert verdict(two, [pair("96", "48", 1.0, 0.4)]) == "96 and 48 cannot be told apart; the quickest to train is 48"


def test_of_many_variants_only_the_best_one_is_spoken_of() -> None:
    many = [score(name, 0.7 + 0.01 * i, 10.0 - i) for i, name in enumerate("abcd")]
    pairs = [
        pair("d", "a", 3.0, 0.0001),
        pair("d", "b", 2.0, 0.2),
        pair("d", "c", 1.0, 0.6),
        pair("c", "a", 2.0, 0.01),
    ]
    said = verdict(many, [*pairs, pair("b", "a", 1.0, 0.3), pair("c", "b", 1.0, 0.3)])
    assert said == (
        "d beats a by 3.0 points (p < 0.001); d cannot be told apart from b and c; of these, the quickest to train is d"
    )


def test_three_equals_are_one_sentence() -> None:
    three = [score("a", 0.7, 1.0), score("b", 0.7, 2.0), score("c", 0.7, 3.0)]
    said = verdict(three, [pair("a", "b", 0.0, 1.0), pair("a", "c", 0.0, 1.0), pair("b", "c", 0.0, 1.0)])
    assert said == "a, b and c cannot be told apart from each other; the quickest to train is a"


def test_one_variant_is_no_verdict() -> None:
    assert verdict([score("head", 0.9)], []) == ""


def test_the_best_of_equal_accuracy_is_the_faster_and_what_is_not_worse_is_its_equal() -> None:
    slow, fast = score("slow", 0.9, 20.0), score("fast", 0.9, 2.0)
    assert best_of([slow, fast]) is fast
    pairs = [pair("slow", "fast", 0.0, 1.0), pair("fast", "poor", 9.0, 0.001)]
    assert equals_of(fast, pairs) == {"slow", "fast"}
    assert equals_of(replace(fast, variant="alone"), pairs) == {"alone"}


@pytest.mark.parametrize(("p", "text"), [(0.0004, "< 0.001"), (0.004, "0.004"), (0.0312, "0.03"), (1.0, "1.00")])
def test_p_is_told_as_exactly_as_it_is_of_use(p: float, text: str) -> None:
    assert format_p(p) == text


def test_numbers_are_called_what_they_count() -> None:
    both = [score("1", 0.7), score("16", 0.8), score("none", 0.6)]
    said, pairs = with_units("augment", both, [pair("16", "1", 10.0, 0.001)])
    assert [m.variant for m in said] == ["1 variant", "16 variants", "none"]
    assert (pairs[0].a, pairs[0].b) == ("16 variants", "1 variant")
    assert with_units("size", both[:1], [])[0][0].variant == "1 px"
    assert with_units("recipe", both, [])[0] == both
