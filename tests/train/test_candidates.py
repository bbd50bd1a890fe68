from __future__ import annotations

import numpy as np
import pytest

from mien.models.head import KINDS, unit
from mien.train.candidates import CANDIDATES, Candidate, class_centres, fit
from tests.train.clusters import clusters


@pytest.mark.parametrize("candidate", CANDIDATES, ids=str)
@pytest.mark.parametrize("k", [2, 3, 10])
def test_every_candidate_learns_clusters(candidate: Candidate, k: int) -> None:
    vectors = unit(clusters([30] * k)[0])
    y = np.repeat(np.arange(k), 30)
    fitted = fit(candidate, vectors[::2], y[::2], k, 0)
    assert fitted.weights.shape == (k, 64)
    assert fitted.bias.shape == (k,)
    assert (fitted.logits(vectors[1::2]).argmax(axis=1) == y[1::2]).mean() > 0.97


@pytest.mark.parametrize("candidate", CANDIDATES, ids=str)
def test_more_dimensions_than_photos_are_no_trouble(candidate: Candidate) -> None:
    vectors = unit(clusters([3, 3], dimension=1024)[0])
    y = np.repeat([0, 1], 3)
    assert (fit(candidate, vectors, y, 2, 0).logits(vectors).argmax(axis=1) == y).all()


@pytest.mark.parametrize("candidate", CANDIDATES, ids=str)
def test_a_rare_class_is_not_given_up(candidate: Candidate) -> None:
    vectors = unit(clusters([300, 300], spread=0.9, dimension=16)[0])
    y = np.repeat([0, 1], 300)
    rare = np.r_[np.arange(295), 300:306]  # 295 against 6
    fitted = fit(candidate, vectors[rare], y[rare], 2, 0)
    found = fitted.logits(vectors[306:]).argmax(axis=1) == 1
    assert found.mean() > 0.6


def test_they_stand_from_the_simplest_on() -> None:
    order = [KINDS.index(candidate.kind) for candidate in CANDIDATES]
    assert order == sorted(order)


def test_centres_have_length_one_even_where_a_class_cancels_out() -> None:
    vectors = np.array([[1.0, 0], [-1, 0], [0, 1], [0, 1]])
    centres = class_centres(vectors, np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(centres, [[1, 0], [0, 1]])
