from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import DataError
from mien.evaluate import Pair, read_pairs


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
