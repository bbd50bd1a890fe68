"""Which column is taken for what."""

from __future__ import annotations

import pytest

from mien.data.columns import FILES, choose, doubts, first_of, split_named
from mien.errors import DataError


@pytest.mark.parametrize("column", ["label", "Label", "emotion", "person", "class", "identity", " Category "])
def test_the_label_is_found_by_its_name_in_any_case(column: str) -> None:
    assert choose(["size", column], None, "t.csv").label == column


def test_the_earlier_name_of_the_list_wins_over_the_earlier_column() -> None:
    assert choose(["person", "label"], None, "t.csv").label == "label"
    assert first_of(["image", "filename"], FILES) == "filename"


def test_the_user_names_the_label() -> None:
    assert choose(["label", "age"], "age", "t.csv").label == "age"
    assert choose(["Age"], "age", "t.csv").label == "Age"


def test_without_a_label_the_columns_there_are_get_listed() -> None:
    with pytest.raises(DataError, match=r"t\.csv has no column that is called like a label.*--target.*age, race"):
        choose(["age", "race"], None, "t.csv")
    with pytest.raises(DataError, match=r"t\.csv has no column 'gender' \(its columns are: age, race\)"):
        choose(["age", "race"], "gender", "t.csv")


def test_a_person_is_the_group_unless_it_is_the_label() -> None:
    assert choose(["emotion", "person"], None, "t.csv").group == "person"
    assert choose(["person", "split"], None, "t.csv").group is None
    assert choose(["label", "subject", "group"], None, "t.csv").group == "group"


def test_the_split_and_the_licence_are_found() -> None:
    columns = choose(["label", "Usage", "license"], None, "t.csv")
    assert (columns.split, columns.licence) == ("Usage", "license")
    assert columns.names == ["label", "Usage", "license"]


def test_a_column_is_read_once_though_it_means_two_things() -> None:
    assert choose(["label", "subset"], "subset", "t.csv").split is None


def test_it_is_said_where_another_column_might_be_meant() -> None:
    assert doubts(["emotion", "person"], None) == [
        "took the column emotion for the label; --target names another, such as person"
    ]
    assert doubts(["emotion", "person"], "person") == []
    assert doubts(["label", "person"], None) == []
    assert doubts(["emotion", "size"], None) == []
    assert doubts(["age"], None) == []


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("Training", "train"),
        ("PublicTest", "val"),
        ("PrivateTest", "test"),
        (" validation ", "val"),
        ("TEST", "test"),
        ("fold1", None),
        ("", None),
    ],
)
def test_splits_are_known_by_their_usual_names(text: str, split: str | None) -> None:
    assert split_named(text) == split
