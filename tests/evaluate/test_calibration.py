from __future__ import annotations

import numpy as np
import pytest

from mien.evaluate.calibration import calibration_error, reliability


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
