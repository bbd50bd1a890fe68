from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.evaluation.confidence import Share, between, bootstrap, design_effect, percent, wilson
from mien.types import Ints

FEW_WRONG: Ints = np.repeat([0, 1], [160, 40])


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, "Two-sided confidence intervals", table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(right: int, of: int, low: float, high: float) -> None:
    assert wilson(right, of) == pytest.approx((low, high), abs=5e-5)


def test_wilson_mirrors_and_stays_inside() -> None:
    low, high = wilson(20, 20) or (0.0, 0.0)
    assert high == 1.0
    assert low == pytest.approx(1 - 0.1611, abs=5e-5)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_wilson_holds_the_share_and_never_leaves_nought_to_one(of: int, part: float) -> None:
    right = round(of * part)
    low, high = wilson(right, of) or (1.0, 0.0)
    assert 0 <= low <= right / of <= high <= 1
    assert low < high


def test_wilson_covers_the_true_share_about_as_often_as_it_promises() -> None:
    rng = np.random.default_rng(2)
    intervals = [wilson(right, 400) or (1.0, 0.0) for right in rng.binomial(400, 0.97, 4000)]
    inside = [low <= 0.97 <= high for low, high in intervals]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_four_times_the_photos_halve_the_interval() -> None:
    few, many = wilson(240, 300) or (0, 0), wilson(960, 1200) or (0, 0)
    assert (many[1] - many[0]) / (few[1] - few[0]) == pytest.approx(0.5, abs=0.01)


def test_a_share_of_nothing_is_none() -> None:
    assert Share.count(0, 0).value is None
    assert Share.count(0, 0).interval is None


def test_the_bootstrap_of_a_share_is_near_its_normal_interval() -> None:
    def share(counts: Ints) -> float:
        return float(counts[0] / counts.sum())

    low, high = bootstrap(FEW_WRONG, np.arange(200), share, seed=3) or (0.0, 0.0)
    half = 1.96 * np.sqrt(0.8 * 0.2 / 200)
    assert (low, high) == pytest.approx((0.8 - half, 0.8 + half), abs=0.012)


def test_the_bootstrap_of_one_photo_is_none() -> None:
    assert bootstrap(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.max, seed=0) is None


def test_photos_that_belong_to_nothing_count_as_one_each() -> None:
    assert design_effect(np.array([True, False, True]), np.arange(3)) == 1.0
    assert design_effect(np.empty(0, dtype=bool), np.empty(0, dtype=np.int64)) == 1.0


def test_copies_count_as_one_photo() -> None:
    right, units = np.repeat(np.arange(60) % 4 > 0, 10), np.repeat(np.arange(60), 10)
    assert design_effect(right, units) == pytest.approx(10, rel=0.05)
    low, high = Share.count(450, 600, design_effect(right, units)).interval or (0.0, 0.0)
    assert (low, high) == pytest.approx(wilson(45, 60) or (0.0, 0.0), abs=0.01)


def test_photos_that_are_in_one_group_by_chance_count_nearly_in_full() -> None:
    right = np.random.default_rng(0).random(4000) < 0.8
    assert design_effect(right, np.arange(4000) // 4) == pytest.approx(1, abs=0.15)


def test_a_few_families_that_are_all_right_prove_little() -> None:
    units = np.repeat(np.arange(6), 64)
    whole = design_effect(np.ones(384, dtype=bool), units)
    one_wrong = design_effect(np.arange(384) > 0, units)
    assert whole > 30
    assert one_wrong == pytest.approx(whole, rel=0.05)


def test_what_belongs_together_covers_the_true_share_about_as_often_as_promised() -> None:
    rng = np.random.default_rng(4)
    units, inside = np.repeat(np.arange(30), 16), []
    for _ in range(600):
        right = rng.random(480) < np.repeat(rng.beta(4, 1, 30), 16)  # 0.8 in the mean, and each unit its own
        low, high = Share.count(int(right.sum()), 480, design_effect(right, units)).interval or (1.0, 0.0)
        inside.append(low <= 0.8 <= high)
    assert 0.93 <= np.mean(inside) <= 0.99


def test_units_are_drawn_as_a_whole() -> None:
    def share(counts: Ints) -> float:
        return float(counts[0] / counts.sum())

    alone = bootstrap(FEW_WRONG, np.arange(200), share, seed=3) or (0.0, 0.0)
    low, high = bootstrap(FEW_WRONG, np.repeat(np.arange(20), 10), share, seed=3) or (0.0, 0.0)
    assert (high - low) / (alone[1] - alone[0]) == pytest.approx(10**0.5, rel=0.15)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"),
        (0.0, "0\u00a0%"),
        (1.0, "100\u00a0%"),
        (0.975, "97.5\u00a0%"),
        (0.9996, "99.96\u00a0%"),
        (0.0004, "0.04\u00a0%"),
    ],
)
def test_a_percentage_never_rounds_to_all_or_nothing(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_an_interval_says_percent_once() -> None:
    assert between((0.951, 0.988)) == "95.1 to 98.8\u00a0%"
    assert between(None) == "–"


def test_a_share_prints_its_interval_and_turns_into_a_number() -> None:
    assert str(Share(0.982, (0.951, 0.994))) == "98.2 % (95.1 to 99.4)"
    assert str(Share(0.5)) == "50.0 %"
    assert str(Share.count(0, 0)) == "–"
    assert float(Share.count(3, 4)) == 0.75
    assert math.isnan(float(Share(None)))
    assert (Share(0.5, (0.4, 0.6)).low, Share(0.5, (0.4, 0.6)).high) == (0.4, 0.6)
    assert (Share(0.5).low, Share(0.5).high) == (None, None)
