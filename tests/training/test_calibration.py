"""The temperature, and the threshold for "unknown"."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mien.errors import DataError
from mien.evaluation import metrics
from mien.models.head import Doubles, softmax, unit
from mien.training.calibration import (
    MIN_KNOWN,
    Evidence,
    check_rate,
    cross_calibrate,
    describe_threshold,
    fit_temperature,
    leave_classes_out,
    set_from_few,
    set_from_logits,
    set_threshold,
)
from mien.training.head import class_centres
from mien.types import Ints


def drawn_from(logits: Doubles, seed: int = 0) -> Ints:
    """True classes drawn by the probabilities that the logits state."""
    rng = np.random.default_rng(seed)
    cumulated = softmax(logits).cumsum(axis=1)
    drawn = (rng.random((len(logits), 1)) > cumulated[:, :-1]).sum(axis=1)
    return np.asarray(drawn, dtype=np.int64)


def calibration_error(probabilities: Doubles, y: Ints) -> float:
    bins = metrics.reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == y)
    return metrics.calibration_error(bins) or 0.0


@pytest.mark.parametrize("factor", [0.02, 0.3, 1.0, 4.0, 50.0])
def test_the_temperature_undoes_a_wrong_scale(factor: float) -> None:
    logits = 2 * np.random.default_rng(1).normal(size=(4000, 5))
    y = drawn_from(logits)
    assert fit_temperature(logits * factor, y) == pytest.approx(factor, rel=0.1)


def test_calibration_lowers_the_error() -> None:
    logits = 2 * np.random.default_rng(1).normal(size=(3000, 4))
    y = drawn_from(logits)
    fold = np.arange(3000) % 5
    before = calibration_error(softmax(logits * 6), y)
    after = calibration_error(cross_calibrate(logits * 6, y, fold), y)
    assert before > 0.15
    assert after < 0.03


def test_flawless_answers_do_not_become_certainty() -> None:
    y = np.arange(40) % 4
    logits = np.eye(4)[y] * 3.0
    sure = softmax(logits / fit_temperature(logits, y)).max(axis=1)
    assert (sure > 0.9).all()
    assert (sure < 0.9999).all()


def test_logits_that_say_nothing_are_survived() -> None:
    y = np.array([0, 1, 0, 1])
    assert np.isfinite(fit_temperature(np.zeros((4, 2)), y))


def evidence(known: Doubles, left_out: Doubles, classes: int, strangers: Doubles | None = None) -> Evidence:
    return Evidence(
        known=known,
        right=np.ones(len(known), dtype=bool),
        left_out=left_out,
        left_out_y=np.arange(len(left_out)) % classes,
        strangers=np.empty(0) if strangers is None else strangers,
    )


def bell(n: int, mean: float, deviation: float, seed: int) -> Doubles:
    return np.random.default_rng(seed).normal(mean, deviation, n)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_with_many_classes_the_stated_rate_is_met(rate: float) -> None:
    made = set_threshold(evidence(bell(2000, 0.85, 0.1, 0), bell(2000, 0.5, 0.1, 1), 100), 100, rate)
    assert made.threshold is not None
    assert made.rate == rate
    assert (bell(100_000, 0.5, 0.1, 2) >= made.threshold).mean() == pytest.approx(rate, rel=0.25)


def test_a_lower_rate_never_lowers_the_threshold() -> None:
    facts = evidence(bell(300, 0.9, 0.05, 0), bell(300, 0.5, 0.1, 1), 20)
    thresholds = [set_threshold(facts, 20, rate).threshold or 0.0 for rate in (0.001, 0.01, 0.05, 0.2)]
    assert thresholds == sorted(thresholds, reverse=True)


def test_with_few_classes_the_threshold_is_more_cautious() -> None:
    known, left_out = bell(300, 0.95, 0.02, 0), bell(300, 0.5, 0.1, 1)
    few, many = (set_threshold(evidence(known, left_out, k), k, 0.01).threshold or 0.0 for k in (6, 100))
    assert few > many


def test_two_classes_get_a_guess_between_known_and_strangers() -> None:
    made = set_threshold(evidence(bell(40, 0.9, 0.02, 0), bell(40, 0.5, 0.06, 1), 2), 2, 0.01)
    assert made.rate is None
    assert made.threshold == pytest.approx(0.8, abs=0.03)
    assert "guess" in describe_threshold(made)
    assert "add classes, or photos of strangers" in describe_threshold(made)


def test_classes_that_mix_get_no_threshold() -> None:
    made = set_threshold(evidence(bell(200, 0.8, 0.1, 0), bell(200, 0.78, 0.1, 1), 7), 7, 0.01)
    assert made.threshold is None
    assert made.separation < 0.75
    assert "no face will be called unknown" in describe_threshold(made)


def test_a_threshold_that_would_lose_most_of_the_known_is_not_set() -> None:
    made = set_threshold(evidence(bell(200, 0.65, 0.1, 0), bell(200, 0.5, 0.1, 1), 50), 50, 0.001)
    assert made.threshold is None
    assert made.separation > 0.75


def test_strangers_in_the_data_stand_for_themselves() -> None:
    strangers = bell(1000, 0.6, 0.05, 3)
    made = set_threshold(evidence(bell(300, 0.9, 0.03, 0), bell(300, 0.4, 0.05, 1), 10, strangers), 10, 0.05)
    assert made.threshold == pytest.approx(float(np.quantile(strangers, 0.95)))
    assert made.strangers == 1000
    assert "strangers in the data" in made.method


def test_a_few_strangers_are_added_to_the_classes_left_out() -> None:
    strangers = bell(5, 0.6, 0.05, 3)
    made = set_threshold(evidence(bell(300, 0.9, 0.03, 0), bell(300, 0.4, 0.05, 1), 10, strangers), 10, 0.05)
    assert made.strangers == 305
    assert "leaving out each of 10 classes in turn, and from 5 photos of strangers" in made.method


def test_a_large_class_does_not_speak_for_all_strangers() -> None:
    large, small = np.full(1000, 0.2), bell(90, 0.6, 0.02, 1)
    facts = Evidence(
        known=bell(300, 0.95, 0.01, 0),
        right=np.ones(300, dtype=bool),
        left_out=np.concatenate([large, small]),
        left_out_y=np.concatenate([np.zeros(1000, dtype=np.int64), 1 + np.arange(90) % 9]),
        strangers=np.empty(0),
    )
    made = set_threshold(facts, 10, 0.05)
    assert made.threshold is not None
    assert made.threshold > 0.6


def test_photos_that_are_all_the_same_are_survived() -> None:
    made = set_threshold(evidence(np.ones(4), np.full(4, 0.5), 2), 2, 0.01)
    assert made.threshold == pytest.approx(0.75)


def test_leaving_a_class_out_is_what_a_head_without_it_would_say() -> None:
    rng = np.random.default_rng(0)
    vectors, y = unit(rng.normal(size=(40, 16))), np.repeat(np.arange(4), 10)
    scores = leave_classes_out(vectors, y, class_centres(vectors, y, 4))
    for j in range(4):
        rest = y != j
        without = class_centres(vectors[rest], np.repeat(np.arange(3), 10), 3)
        np.testing.assert_allclose(scores[y == j], (vectors[y == j] @ without.T).max(axis=1))


@pytest.mark.parametrize("known", [0, 1, 2, MIN_KNOWN - 1])
def test_a_handful_of_the_known_sets_no_threshold(known: int) -> None:
    made = set_from_few(evidence(bell(known, 0.9, 0.05, 0), bell(300, 0.5, 0.1, 1), 20), 20, 0.01)
    assert made.threshold is None
    assert (
        describe_threshold(made)
        == "no face will be called unknown: that needs more photos of the known, 10 of which are kept back for it"
    )


def test_enough_of_the_known_set_the_threshold_that_they_always_did() -> None:
    facts = evidence(bell(MIN_KNOWN, 0.9, 0.05, 0), bell(300, 0.5, 0.1, 1), 20)
    assert set_from_few(facts, 20, 0.01) == set_threshold(facts, 20, 0.01)


def test_without_likeness_strangers_are_needed() -> None:
    known, right = bell(50, 9.0, 1.0, 0), np.ones(50, dtype=bool)
    few = set_from_logits(known, right, bell(19, 2.0, 1.0, 1), 4, 0.05)
    assert (few.threshold, few.strangers, few.kept) == (None, 19, 1.0)
    assert (
        describe_threshold(few) == "no face will be called unknown: that needs 20 photos of others, labelled 'unknown'"
    )
    made = set_from_logits(known, right, bell(40, 2.0, 1.0, 1), 4, 0.05)
    assert made.threshold is not None
    assert 2 < made.threshold < 9


@pytest.mark.parametrize("rate", [0.0, 0.5, 2.0, -1.0, math.nan])
def test_a_share_of_strangers_is_above_nothing_and_below_half(rate: float) -> None:
    with pytest.raises(DataError, match=r"between 0 and 0\.5"):
        check_rate(rate)
