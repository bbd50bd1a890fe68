"""The learning rate: it rises over the warm-up, then stays or falls to nothing."""

from __future__ import annotations

import numpy as np
import pytest

from mien.train.schedule import rate
from tests.train.tasks import settings


def test_it_rises_evenly_over_the_warm_up() -> None:
    rates = [rate(settings(schedule="constant", warm_up=2), 0.4, step, 100, 10) for step in range(30)]
    assert np.diff(rates[:20]) == pytest.approx(0.02)
    assert rates[0] == pytest.approx(0.02)
    assert rates[19:] == pytest.approx([0.4] * 11)


def test_a_constant_rate_is_constant() -> None:
    assert {rate(settings(schedule="constant", warm_up=0), 0.1, step, 50, 10) for step in range(50)} == {0.1}


def test_a_cosine_falls_to_nothing() -> None:
    rates = [rate(settings(schedule="cosine", warm_up=0), 0.1, step, 50, 10) for step in range(50)]
    assert rates[0] == 0.1
    assert rates[25] == pytest.approx(0.05)
    assert 0 < rates[-1] < 2e-4
    assert all(np.diff(rates) < 0)


def test_a_warm_up_may_be_part_of_an_epoch() -> None:
    assert rate(settings(schedule="constant", warm_up=0.5), 0.1, 0, 50, 10) == pytest.approx(0.02)
    assert rate(settings(schedule="constant", warm_up=0.01), 0.1, 0, 50, 10) == 0.1
