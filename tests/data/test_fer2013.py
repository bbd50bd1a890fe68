"""FER2013's own table: pixels as text, and rows that are broken."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.data import DataOptions, open_data
from mien.data.fer2013 import EMOTIONS, is_fer2013
from mien.errors import DataError

Table = Callable[..., Path]
RAMP = np.arange(48 * 48, dtype=np.int64) % 256
PIXELS = " ".join(str(value) for value in RAMP)


def test_each_row_is_a_grey_picture_with_its_emotion_and_split(table: Table) -> None:
    lines = ["emotion,pixels,Usage", f"0,{PIXELS},Training", f"6,{PIXELS},PublicTest", f"3,{PIXELS},PrivateTest"]
    data = open_data(table("\n".join(lines) + "\n", name="fer2013.csv"))
    assert [(origin.uri, origin.label, origin.split) for origin in data.origins] == [
        ("fer2013.csv#0", "angry", "train"),
        ("fer2013.csv#1", "neutral", "val"),
        ("fer2013.csv#2", "happy", "test"),
    ]
    for ref in data.refs:
        assert ref.data is not None
        picture = Image.open(io.BytesIO(ref.data))
        assert (picture.mode, picture.size) == ("L", (48, 48))
        np.testing.assert_array_equal(np.asarray(picture), RAMP.reshape(48, 48).astype(np.uint8))
    assert list(data.notes) == []


def test_the_seven_emotions_are_in_the_order_of_their_numbers(table: Table) -> None:
    lines = "".join(f"{number},{PIXELS}\n" for number in range(7))
    data = open_data(table(f"emotion,pixels\n{lines}"))
    assert [origin.label for origin in data.origins] == list(EMOTIONS)
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert {origin.split for origin in data.origins} == {None}


def test_the_other_release_with_spaces_in_its_header_is_the_same(table: Table) -> None:
    data = open_data(table(f"emotion, Usage, pixels\n5,Training,{PIXELS}\n", name="icml_face_data.csv"))
    assert (data.origins[0].label, data.origins[0].split) == ("surprise", "train")


@pytest.mark.parametrize(
    "pixels",
    [
        PIXELS.rsplit(" ", 1)[0],
        PIXELS + " 1",
        PIXELS.replace("255", "256"),
        PIXELS.replace("255", "99999999999999999999"),
        PIXELS.replace("255", "-1"),
        PIXELS.replace("255", "x"),
        PIXELS.replace("255", "１"),
        "12.5 " * 2304,
        "",
    ],
)
def test_a_broken_row_costs_only_itself(table: Table, pixels: str) -> None:
    data = open_data(table(f"emotion,pixels,Usage\n0,{PIXELS},Training\n1,{pixels},Training\n2,{PIXELS},Training\n"))
    assert [origin.label for origin in data.origins] == ["angry", "disgust", "fear"]
    assert list(data.notes) == ["1 row of labels.csv has broken pixels: line 3"]
    broken = data.refs[1].data
    assert broken is not None
    assert not broken.startswith(b"P5")


def test_a_row_cut_short_costs_only_itself(table: Table) -> None:
    data = open_data(table(f"emotion,pixels,Usage\n0,{PIXELS},Training\n1\n"))
    assert len(data.refs) == 2
    assert data.origins[1].split is None


def test_rows_without_an_emotion_are_left_out_and_noted(table: Table) -> None:
    data = open_data(table(f"emotion,pixels\n7,{PIXELS}\n,{PIXELS}\nhappy,{PIXELS}\n3,{PIXELS}\n"))
    assert [origin.uri for origin in data.origins] == ["labels.csv#3"]
    assert list(data.notes) == ["left out 3 rows of labels.csv without an emotion of 0 to 6: line 2, 3, 4"]


def test_a_row_of_a_split_that_is_not_known_is_learnt_from_and_noted(table: Table) -> None:
    data = open_data(table(f"emotion,pixels,Usage\n0,{PIXELS},Training\n1,{PIXELS},Foo\n", name="fer2013.csv"))
    assert [origin.split for origin in data.origins] == ["train", None]
    assert list(data.notes) == ["1 row of fer2013.csv has no known split and will be used for training: line 3"]


def test_a_table_of_nothing_says_so(table: Table) -> None:
    with pytest.raises(DataError, match="has no row with an emotion of 0 to 6"):
        open_data(table("emotion,pixels,Usage\n"))


def test_it_is_told_from_a_table_of_files_by_its_columns(table: Table) -> None:
    assert is_fer2013(["emotion", "pixels", "Usage"])
    assert is_fer2013(["emotion", " Usage", " pixels"])
    assert not is_fer2013(["filename", "emotion"])


def test_its_columns_are_fixed(table: Table) -> None:
    with pytest.raises(DataError, match="--target does not apply"):
        open_data(table(f"emotion,pixels\n3,{PIXELS}\n"), DataOptions(target="pixels"))
