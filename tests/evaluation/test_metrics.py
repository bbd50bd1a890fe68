from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mien.evaluation.metrics import calibration_error, open_set, rank_auc, reliability


def test_calibrated_answers_have_hardly_any_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1.0, 20_000)
    error = calibration_error(reliability(confidence, rng.random(20_000) < confidence))
    assert error is not None
    assert error < 0.012


def test_answers_that_are_too_sure_err_by_as_much_as_they_boast() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1.0, 20_000)
    error = calibration_error(reliability(confidence, rng.random(20_000) < confidence - 0.2))
    assert error == pytest.approx(0.2, abs=0.01)


def test_many_photos_go_into_fifteen_bins_of_equal_width_by_hand() -> None:
    confidence = np.array([0.03] * 100 + [0.5] * 100 + [0.9] * 100)
    right = np.array([False] * 100 + [True] * 60 + [False] * 40 + [True] * 80 + [False] * 20)
    bins = reliability(confidence, right)
    assert [(round(b.confidence, 2), b.hits.right, b.hits.of) for b in bins] == [
        (0.03, 0, 100),
        (0.5, 60, 100),
        (0.9, 80, 100),
    ]
    assert calibration_error(bins) == pytest.approx((0.03 + 0.1 + 0.1) / 3)


def test_few_photos_share_bins_of_about_twenty() -> None:
    confidence = np.linspace(0.3, 1.0, 100)
    bins = reliability(confidence, confidence > 0.5)
    assert [b.hits.of for b in bins] == [20, 20, 20, 20, 20]


def test_equal_confidences_are_never_torn_apart() -> None:
    right = np.array([True, False] * 50)
    bins = reliability(np.full(100, 0.5), right)
    assert [(b.hits.right, b.hits.of) for b in bins] == [(50, 100)]
    assert calibration_error(bins) == 0.0


def test_no_photos_have_no_error_to_speak_of() -> None:
    assert calibration_error(reliability(np.array([]), np.array([], dtype=bool))) is None


KNOWN = np.array([5.0, 4.0, 3.0, 1.0])
RIGHT = np.array([True, True, False, True])
STRANGERS = np.array([2.0, 0.5])


def test_figures_by_hand() -> None:
    result = open_set(KNOWN, RIGHT, STRANGERS, threshold=1.5)
    assert result.known_named.value == 2 / 4
    assert result.false_accepts.value == 1 / 2
    assert result.auc == 7 / 8
    assert [(p.far, p.accepted, p.named) for p in result.roc] == [(0, 0.75, 0.5), (0.5, 1.0, 0.75), (1.0, 1.0, 0.75)]


def test_the_curve_is_short_and_only_rises() -> None:
    rng = np.random.default_rng(0)
    known, strangers = rng.normal(1, 1, 4000), rng.normal(0, 1, 3000)
    curve = open_set(known, rng.random(4000) < 0.9, strangers, 0.0).roc
    assert 30 < len(curve) <= 61
    assert all(a.far < b.far and a.named <= b.named <= b.accepted for a, b in pairwise(curve))
    assert (curve[0].far, curve[-1].far, curve[-1].accepted) == (0.0, 1.0, 1.0)


def test_a_stranger_is_let_in_no_more_often_than_the_curve_says_when_scores_tie() -> None:
    curve = open_set(np.array([1.0, 1.0]), np.array([True, True]), np.array([1.0, 1.0]), 1.0).roc
    assert [(p.far, p.named) for p in curve] == [(0.0, 0.0), (1.0, 1.0)]


def test_a_score_that_is_no_number_is_never_let_in() -> None:
    result = open_set(np.array([np.nan]), np.array([True]), np.array([np.nan, 1.0]), -1e9)
    assert result.known_named.value == 0.0
    assert result.false_accepts.value == 0.5


def test_ties_count_half_in_the_area() -> None:
    assert rank_auc(np.array([1.0, 2.0]), np.array([1.0])) == pytest.approx(0.75)
    assert rank_auc(np.array([]), np.array([1.0])) is None
