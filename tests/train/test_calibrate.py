from __future__ import annotations

import numpy as np
import pytest

from mien.evaluate import metrics
from mien.models.head import Doubles, softmax
from mien.train.calibrate import cross_fitted, fit_temperature
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
    after = calibration_error(cross_fitted(logits * 6, y, fold), y)
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
