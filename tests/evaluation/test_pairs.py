from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mien.errors import DataError
from mien.evaluation import Pair, read_pairs, score_pairs
from mien.evaluation.pairs import best_threshold


def test_each_fold_is_judged_by_the_threshold_of_the_other() -> None:
    # Each fold is separable by itself, at 0.5 and at 1.5: choosing on one's own fold would give 100 %.
    distances = [0.4, 0.4, 0.6, 0.6, 1.4, 1.4, 1.6, 1.6]
    same = [True, True, False, False] * 2
    result = score_pairs(distances, same, [1] * 4 + [2] * 4)
    assert result.thresholds == pytest.approx((1.5, 0.5))
    assert result.accuracy == 0.5
    assert result.accuracy_std == 0.0
    assert (result.pairs, result.folds, result.rejected, result.drawn) == (8, 2, 0, False)


def test_mean_and_sample_deviation_are_over_folds() -> None:
    # The threshold of any two folds is 0.5; in fold 3 half the pairs lie on the wrong side of it.
    distances = [0.1, 0.9] * 2 * 2 + [0.1, 0.9, 0.8, 0.2]
    same = [True, False] * 6
    result = score_pairs(distances, same, np.repeat([1, 2, 3], 4))
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
    result = score_pairs(distances, same, [1] * 4 + [2] * 4)
    assert result.accuracy == (0.5 + 1.0) / 2
    assert result.rejected == 2
    assert result.auc == pytest.approx(0.75)  # the rejected pair of one person lies beyond all others


def test_all_rejected_gives_nought_and_no_threshold() -> None:
    result = score_pairs([np.nan] * 4, [True, False] * 2, [1, 1, 2, 2])
    assert (result.accuracy, result.thresholds, result.auc, result.tar_at_far) == (0.0, (None, None), None, {})
    json.dumps(result.as_json(), allow_nan=False)


def test_one_fold_is_split_by_drawing_and_says_so() -> None:
    rng = np.random.default_rng(1)
    same = np.arange(400) < 200
    distances = rng.normal(np.where(same, 0.4, 1.0), 0.05)
    result = score_pairs(distances, same, np.ones(400))
    assert (result.folds, result.drawn) == (10, True)
    assert result.accuracy == 1.0
    assert result == score_pairs(distances, same)


def test_known_error_rate_is_found() -> None:
    rng = np.random.default_rng(0)
    same = np.tile(np.arange(600) < 300, 10)
    distances = rng.normal(np.where(same, 0.0, 2.0), 1.0)  # one deviation to the middle: 15.87 % err
    result = score_pairs(distances, same, np.repeat(np.arange(10), 600))
    assert result.accuracy == pytest.approx(0.8413, abs=0.01)
    assert result.thresholds == pytest.approx((1.0,) * 10, abs=0.15)
    assert result.auc == pytest.approx(roc_auc_score(same, -distances))
    assert result.tar_at_far[0.1] == pytest.approx(0.764, abs=0.03)  # normal: P(z < 2 - 1.2816)


@pytest.mark.parametrize(("different", "rates"), [(9, []), (10, [0.1]), (600, [0.1, 0.01]), (1000, [0.1, 0.01, 0.001])])
def test_only_rates_that_the_number_of_pairs_can_show_are_given(different: int, rates: list[float]) -> None:
    distances = np.concatenate([[0.1, 0.2], np.linspace(0.5, 1.0, different)])
    same = np.arange(different + 2) < 2
    assert list(score_pairs(distances, same).tar_at_far) == rates


def test_the_accept_rate_is_kept() -> None:
    together, apart = np.array([0.1, 0.35, 0.6, 0.8]), np.arange(1, 11) / 10
    result = score_pairs(np.concatenate([together, apart]), np.arange(14) < 4)
    assert result.tar_at_far == {0.1: 0.25}  # below 0.2, which would be the second false accept


def test_json_keys_are_text() -> None:
    fields = score_pairs(np.linspace(0, 1, 40), np.arange(40) < 20, np.arange(40) % 2).as_json()
    assert fields["tar_at_far"] == {"0.1": 1.0}
    assert {"pairs", "folds", "accuracy", "accuracy_std", "auc", "tar_at_far", "rejected"} <= set(fields)


def test_pairs_of_one_kind_only_have_no_curve_but_an_accuracy() -> None:
    apart = score_pairs([0.9, 0.8, 0.7, 0.6] * 5, [False] * 20)
    assert (apart.accuracy, apart.auc, apart.tar_at_far) == (1.0, None, {})
    together = score_pairs([0.9, 0.8, 0.7, 0.6] * 5, [True] * 20)
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
    result = score_pairs([p[0] for p in pairs], [p[1] for p in pairs], [p[2] for p in pairs])
    assert 0 <= result.accuracy <= 1
    assert len(result.thresholds) == result.folds >= 2
    json.dumps(result.as_json(), allow_nan=False)


def test_scaling_all_distances_scales_the_thresholds_only() -> None:
    rng = np.random.default_rng(5)
    same = np.arange(300) % 2 == 0
    distances = rng.normal(np.where(same, 0.5, 0.8), 0.15)
    one, two = score_pairs(distances, same), score_pairs(2 * distances, same)
    assert one.accuracy == two.accuracy
    assert one.auc == two.auc
    assert one.tar_at_far == two.tar_at_far
    assert [2 * (t or 0) for t in one.thresholds] == pytest.approx(list(two.thresholds))


def test_one_pair_is_refused() -> None:
    with pytest.raises(DataError, match="there are 1 pairs"):
        score_pairs([0.5], [True])


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_with_folds_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "fold,a,b,same\n1,x/1.jpg,x/2.jpg,1\n2,x/1.jpg,y/1.jpg,0\n")
    assert read_pairs(path) == [Pair(1, "x/1.jpg", "x/2.jpg", True), Pair(2, "x/1.jpg", "y/1.jpg", False)]


def test_fold_is_optional_and_columns_stand_in_any_order(tmp_path: Path) -> None:
    path = written(tmp_path, '\ufeffSame, B ,A\r\ntrue,2.jpg,1.jpg\r\n\r\nno,3.jpg,"one, two.jpg"\r\n')
    assert read_pairs(path) == [Pair(1, "1.jpg", "2.jpg", True), Pair(1, "one, two.jpg", "3.jpg", False)]


def test_the_form_of_the_original_list_is_read(tmp_path: Path) -> None:
    lines = ["2\t1", "Ann_Lee\t1\t12", "Ann_Lee\t1\tBob_Ray\t3", "Cy_Doe\t2\t3", "Cy_Doe\t2\tAnn_Lee\t1"]
    pairs = read_pairs(written(tmp_path, "\n".join(lines) + "\n"))
    assert pairs[0] == Pair(1, "Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0012.jpg", True)
    assert pairs[1] == Pair(1, "Ann_Lee/Ann_Lee_0001.jpg", "Bob_Ray/Bob_Ray_0003.jpg", False)
    assert [p.fold for p in pairs] == [1, 1, 2, 2]


def test_the_development_form_with_one_number_is_one_fold(tmp_path: Path) -> None:
    pairs = read_pairs(written(tmp_path, "1\nAnn\t1\t2\nAnn\t1\tBob\t1\n"))
    assert [(p.fold, p.same) for p in pairs] == [(1, True), (1, False)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fold,a,same\n1,x,1\n", "has no column b"),
        ("a,b,same\nx,y,1\nx,y,maybe\n", r"line 3: the column same says 'maybe'"),
        ("a,b,same\nx,,1\n", "line 2: a pair needs two photos"),
        ("a,b,same\nx,y,1,z\n", "line 2: a pair needs two photos"),
        ("fold,a,b,same\none,x,y,1\n", "line 2: the column fold says 'one'"),
        ("a,b,same\n", "holds no pairs"),
        ("", "holds no pairs"),
        ("2\t1\nAnn\t1\t2\n", "announces 2 folds of 2 x 1 pairs and holds 1 lines"),
        ("1\nAnn\t1\tx\nAnn\t1\tBob\t1\n", "line 2: 'x' should be the number of a photo of Ann"),
        ("1\nAnn\t1\t2\nAnn\t1\tBob\t1\t5\n", "line 3: 5 values"),
        ("0\t0\n", "announces 0 folds"),
        ("a,b,same\n" + "x" * 200_000 + ",y,1\n", "line 2: not a line of a CSV"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pairs(written(tmp_path, text))


@given(st.text(alphabet=st.sampled_from('ab,"\t\n01 same\x00é'), max_size=80), st.booleans())
def test_any_text_is_read_or_refused_in_words(text: str, headed: bool) -> None:
    with TemporaryDirectory() as folder:
        path = written(Path(folder), "a,b,same\n" + text if headed else text)
        with suppress(DataError):
            assert all(pair.a and pair.b for pair in read_pairs(path))


def test_empty_lines_and_windows_line_ends_do_not_shift_the_line_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes(b"a,b,same\r\n\r\nx,y,1\r\n\r\nx,y,perhaps\r\n")
    with pytest.raises(DataError, match="line 5: the column same says 'perhaps'"):
        read_pairs(path)


def test_names_of_photos_keep_their_spaces_and_letters(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b,same\n김 민수/1 a.jpg,Zoë/été.jpg,0\n")
    assert read_pairs(path) == [Pair(1, "김 민수/1 a.jpg", "Zoë/été.jpg", False)]


def test_a_missing_or_binary_file_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_pairs(tmp_path / "nowhere.csv")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match="cannot be read"):
        read_pairs(tmp_path / "photo.jpg")


def test_the_real_list_of_pairs_is_read(data: Path) -> None:
    pairs = read_pairs(data / "identity" / "lfw_pairs.csv")
    assert len(pairs) == 1200
    assert sum(p.same for p in pairs) == 600
    assert {p.fold for p in pairs} == {1, 2}
    assert all((data / "identity" / "lfw" / p.a).is_file() for p in pairs[:50])


def test_a_heading_that_ends_in_a_tab_is_no_accident(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("1\t\nAnna\t1\t2\nAnna\t1\tBert\t1\n")
    assert [pair.same for pair in read_pairs(tmp_path / "pairs.txt")] == [True, False]
    (tmp_path / "pairs.txt").write_text("0\t")
    with pytest.raises(DataError):
        read_pairs(tmp_path / "pairs.txt")
