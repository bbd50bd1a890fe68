from __future__ import annotations

import numpy as np
import pytest

from mien.types import Floats, Ints
from recipes.traits.heads import MIN_FACES, best_head, calibrate, fit_head, least_certainty, linear_head

LABELS = ("a", "b", "c")


def seen(n: int = 300, spread: float = 0.4) -> tuple[Floats, Ints]:
    """Vectors about three directions, and their classes."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    vectors = np.eye(3, 8)[y] + spread * rng.normal(size=(n, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), y


def test_a_head_answers_like_its_layer() -> None:
    vectors, y = seen()
    weights, bias = (np.eye(3, 8) * 9).astype(np.float32), np.zeros(3, np.float32)
    head = linear_head(LABELS, weights, bias, (vectors, y))
    assert head.labels == LABELS
    assert np.array_equal(head.probabilities(vectors).argmax(axis=1), (vectors @ weights.T).argmax(axis=1))
    assert np.allclose(np.linalg.norm(head.centres, axis=1), 1)


def test_calibration_makes_an_overconfident_head_less_sure() -> None:
    vectors, y = seen(spread=0.8)
    head = linear_head(LABELS, (np.eye(3, 8) * 99).astype(np.float32), np.zeros(3, np.float32), (vectors, y))
    fit_head = calibrate(head, vectors, y, 0.5)
    right = (fit_head.probabilities(vectors).argmax(axis=1) == y).mean()
    assert fit_head.temperature > 1
    assert abs(fit_head.probabilities(vectors).max(axis=1).mean() - right) < 0.05


def test_where_accuracy_suffices_nothing_is_uncertain() -> None:
    probabilities = np.tile(np.array([0.6, 0.4], np.float32), (100, 1))
    assert least_certainty(probabilities, np.zeros(100, np.int64), 0.9) == 0.0


def test_the_bound_reaches_the_accuracy_aimed_at() -> None:
    rng = np.random.default_rng(0)
    top = rng.uniform(0.5, 1, 4000)
    y = (rng.uniform(size=4000) >= top).astype(np.int64)  # the first label is right as often as it says
    bound = least_certainty(np.stack([top, 1 - top], axis=1).astype(np.float32), y, 0.9)
    above = top >= bound
    assert 0.75 < bound < 0.85
    assert (y[above] == 0).mean() >= 0.9


def test_a_bound_leaves_enough_faces_for_an_estimate() -> None:
    rng = np.random.default_rng(0)
    top = rng.uniform(0.5, 1, 500)
    bound = least_certainty(np.stack([top, 1 - top], axis=1).astype(np.float32), np.ones(500, np.int64), 0.99)
    assert (top >= bound - 0.01).sum() >= MIN_FACES


@pytest.mark.parametrize("labels", [("a", "b"), LABELS])
def test_a_fitted_head_knows_all_classes(labels: tuple[str, ...]) -> None:
    vectors, y = seen()
    y = np.minimum(y, len(labels) - 1)
    head = fit_head(labels, (vectors, y), 10.0)
    assert head.weights.shape == (len(labels), 8)
    assert (head.probabilities(vectors).argmax(axis=1) == y).mean() > 0.8


def test_the_best_head_is_chosen_and_among_equals_the_first() -> None:
    vectors, y = seen()
    good, bad = fit_head(LABELS, (vectors, y), 10.0), fit_head(LABELS, (vectors, (y + 1) % 3), 10.0)
    assert best_head([bad, good], vectors, y) is good
    assert best_head([good, good], vectors, y) is good
