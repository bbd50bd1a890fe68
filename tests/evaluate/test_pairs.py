from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mien.errors import DataError
from mien.evaluate import pairs_score
from mien.evaluate.pairs import best_threshold


def test_each_fold_is_judged_by_the_threshold_of_the_other() -> None:
    # Each fold is separable by itself, at 0.5 and at 1.5: choosing on one's own fold would give 100 %.
    distances = [0.4, 0.4, 0.6, 0.6, 1.4, 1.4, 1.6, 1.6]
    same = [True, True, False, False] * 2
    result = pairs_score(distances, same, [1] * 4 + [2] * 4)
    assert result.thresholds == pytest.approx((1.5, 0.5))
    assert result.accuracy == 0.5
    assert result.accuracy_std == 0.0
    assert (result.pairs, result.folds, result.rejected, result.drawn) == (8, 2, 0, False)


def test_mean_and_sample_deviation_are_over_folds() -> None:
    # The threshold of any two folds is 0.5; in fold 3 half the pairs lie on the wrong side of it.
    distances = [0.1, 0.9] * 2 * 2 + [0.1, 0.9, 0.8, 0.2]
    same = [True, False] * 6
    result = pairs_score(distances, same, np.repeat([1, 2, 3], 4))
    assert result.accuracy == pytest.approx((1 + 1 + 0.5) / 3)
    assert result.accuracy_std == pytest.approx(np.std([1, 1, 0.5], ddof=1))


def test_the_threshold_is_the_middle_of_the_gap() -> None:
    assert best_threshold(np.array([0.2, 0.4, 1.0, 1.2]), np.array([True, True, False, False])) == pytest.approx(0.7)


def test_of_equally_good_thresholds_it_is_the_middle_one() -> None:
    distances = np.arange(8.0)
    same = np.array([True, True, False, True, False, True, False, False])
    assert best_threshold(distances, same) == 3.5  # 1.5, 3.5 and 5.5 each err twice


def test_one_kind_of_pairs_only_still_has_a_threshold() -> None:
    ones = np.array([0.3, 0.5])
    everything = best_threshold(ones, np.array([True, True]))
    nothing = best_threshold(ones, np.array([False, False]))
    assert everything is not None
    assert nothing is not None
    assert (ones < everything).all()
    assert not (ones < nothing).any()


def test_equal_distances_stay_on_one_side() -> None:
    threshold = best_threshold(np.full(5, 0.5), np.array([True, True, True, False, False]))
    assert threshold is not None
    assert threshold > 0.5


def test_a_rejected_pair_is_an_error_whatever_it_is_and_is_counted() -> None:
    distances = [0.1, np.nan, 0.9, np.nan, 0.1, 0.1, 0.9, 0.9]
    same = [True, True, False, False] * 2
    result = pairs_score(distances, same, [1] * 4 + [2] * 4)
    assert result.accuracy == (0.5 + 1.0) / 2
    assert result.rejected == 2
    assert result.auc == pytest.approx(0.75)  # the rejected pair of one person lies beyond all others


def test_all_rejected_gives_nought_and_no_threshold() -> None:
    result = pairs_score([np.nan] * 4, [True, False] * 2, [1, 1, 2, 2])
    assert (result.accuracy, result.thresholds, result.auc, result.tar_at_far) == (0.0, (None, None), None, {})
    json.dumps(result.as_json(), allow_nan=False)


def test_one_fold_is_split_by_drawing_and_says_so() -> None:
    rng = np.random.default_rng(1)
    same = np.arange(400) < 200
    distances = rng.normal(np.where(same, 0.4, 1.0), 0.05)
    result = pairs_score(distances, same, np.ones(400))
    assert (result.folds, result.drawn) == (10, True)
    assert result.accuracy == 1.0
    assert result == pairs_score(distances, same)


def test_known_error_rate_is_found() -> None:
    rng = np.random.default_rng(0)
    same = np.tile(np.arange(600) < 300, 10)
    distances = rng.normal(np.where(same, 0.0, 2.0), 1.0)  # one deviation to the middle: 15.87 % err
    result = pairs_score(distances, same, np.repeat(np.arange(10), 600))
    assert result.accuracy == pytest.approx(0.8413, abs=0.01)
    assert result.thresholds == pytest.approx((1.0,) * 10, abs=0.15)
    assert result.auc == pytest.approx(roc_auc_score(same, -distances))
    assert result.tar_at_far[0.1] == pytest.approx(0.764, abs=0.03)  # normal: P(z < 2 - 1.2816)


@pytest.mark.parametrize(("different", "rates"), [(9, []), (10, [0.1]), (600, [0.1, 0.01]), (1000, [0.1, 0.01, 0.001])])
def test_only_rates_that_the_number_of_pairs_can_show_are_given(different: int, rates: list[float]) -> None:
    distances = np.concatenate([[0.1, 0.2], np.linspace(0.5, 1.0, different)])
    same = np.arange(different + 2) < 2
    assert list(pairs_score(distances, same).tar_at_far) == rates


def test_the_accept_rate_is_kept() -> None:
    together, apart = np.array([0.1, 0.35, 0.6, 0.8]), np.arange(1, 11) / 10
    result = pairs_score(np.concatenate([together, apart]), np.arange(14) < 4)
    assert result.tar_at_far == {0.1: 0.25}  # below 0.2, which would be the second false accept


def test_json_keys_are_text() -> None:
    fields = pairs_score(np.linspace(0, 1, 40), np.arange(40) < 20, np.arange(40) % 2).as_json()
    assert fields["tar_at_far"] == {"0.1": 1.0}
    assert {"pairs", "folds", "accuracy", "accuracy_std", "auc", "tar_at_far", "rejected"} <= set(fields)


def test_pairs_of_one_kind_only_have_no_curve_but_an_accuracy() -> None:
    apart = pairs_score([0.9, 0.8, 0.7, 0.6] * 5, [False] * 20)
    assert (apart.accuracy, apart.auc, apart.tar_at_far) == (1.0, None, {})
    together = pairs_score([0.9, 0.8, 0.7, 0.6] * 5, [True] * 20)
    assert (together.accuracy, together.auc, together.tar_at_far) == (1.0, None, {})


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=40))
def test_no_other_threshold_is_better(pairs: list[tuple[int, bool]]) -> None:
    distances = np.array([float(d) for d, _ in pairs])
    same = np.array([s for _, s in pairs])
    threshold = best_threshold(distances, same)
    assert threshold is not None
    reached = int(((distances < threshold) == same).sum())
    assert reached == max(int(((distances < t) == same).sum()) for t in np.arange(-0.5, 14))


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40))
def test_any_pairs_give_figures_between_nought_and_one(pairs: list[tuple[float, bool, int]]) -> None:
    result = pairs_score([p[0] for p in pairs], [p[1] for p in pairs], [p[2] for p in pairs])
    assert 0 <= result.accuracy <= 1
    assert len(result.thresholds) == result.folds >= 2
    json.dumps(result.as_json(), allow_nan=False)


def test_scaling_all_distances_scales_the_thresholds_only() -> None:
    rng = np.random.default_rng(5)
    same = np.arange(300) % 2 == 0
    distances = rng.normal(np.where(same, 0.5, 0.8), 0.15)
    one, two = pairs_score(distances, same), pairs_score(2 * distances, same)
    assert one.accuracy == two.accuracy
    assert one.auc == two.auc
    assert one.tar_at_far == two.tar_at_far
    assert [2 * (t or 0) for t in one.thresholds] == pytest.approx(list(two.thresholds))


def test_one_pair_is_refused() -> None:
    with pytest.raises(DataError, match="there are 1 pairs"):
        pairs_score([0.5], [True])
