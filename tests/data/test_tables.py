"""Tables in text: columns, dialects, and rows that are not as they should be."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.data import DataOptions, DataSet, open_data
from mien.data.dataset import parse_split
from mien.data.tables import FILES, choose_columns, find_column, label_doubts, rows
from mien.errors import DataError

Lay = Callable[..., Path]
Table = Callable[..., Path]


def pairs(data: DataSet) -> list[tuple[str, str | None]]:
    return [(origin.uri, origin.label) for origin in data.origins]


def test_files_lie_beside_the_table(lay: Lay) -> None:
    root = lay("x.jpg", "sub/y.jpg")
    (root / "labels.csv").write_text("filename,label\nsub/y.jpg,ben\nx.jpg,anna\n")
    data = open_data(root / "labels.csv")
    assert pairs(data) == [("sub/y.jpg", "ben"), ("x.jpg", "anna")]
    assert [ref.path for ref in data.refs] == [root / "sub/y.jpg", root / "x.jpg"]
    assert list(data.notes) == []


def test_files_lie_in_the_folder_that_the_user_names(lay: Lay, table: Table) -> None:
    data = open_data(table("filename,label\nx.jpg,a\n"), DataOptions(images=lay("x.jpg")))
    assert data.refs[0].path == lay() / "x.jpg"


@pytest.mark.parametrize("header", ["path,person", "image,emotion", "File,Class", "img_no,photo,name"])
def test_columns_are_found_by_name(lay: Lay, table: Table, header: str) -> None:
    extra = "7," if header.startswith("img_no") else ""
    data = open_data(table(f"{header}\n{extra}x.jpg,a\n"), DataOptions(images=lay("x.jpg")))
    assert pairs(data) == [("x.jpg", "a")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_dialect_of_csv_reads_the_same(lay: Lay, table: Table, delimiter: str, end: str, encoding: str) -> None:
    lines = ["filename,label", "x.jpg,Zoë", '"y.jpg",ben']
    text = end.join(lines).replace(",", delimiter) + end
    data = open_data(table(text, encoding=encoding), DataOptions(images=lay("x.jpg", "y.jpg")))
    assert pairs(data) == [("x.jpg", "Zoë"), ("y.jpg", "ben")]


def test_quoted_cells_may_hold_the_delimiter_and_lines(lay: Lay, table: Table) -> None:
    data = open_data(table('filename,label\n"x.jpg","Smith, Anna"\n'), DataOptions(images=lay("x.jpg")))
    assert data.labels == ["Smith, Anna"]


def test_the_target_names_the_label(lay: Lay, table: Table) -> None:
    text = "filename,label,age\nx.jpg,a,30-39\n"
    data = open_data(table(text), DataOptions(images=lay("x.jpg"), target="age"))
    assert data.labels == ["30-39"]


def test_split_group_and_licence_travel_with_the_photo(lay: Lay, table: Table) -> None:
    text = "filename,emotion,subject,Usage,licence\nx.jpg,happy,s1,PublicTest,CC0\ny.jpg,sad,,,\n"
    data = open_data(table(text), DataOptions(images=lay("x.jpg", "y.jpg")))
    first, second = data.origins
    assert (first.split, first.group, first.licence) == ("val", "s1", "CC0")
    assert (second.split, second.group, second.licence) == (None, None, None)


def test_unknown_splits_are_taken_for_none_and_noted(lay: Lay, table: Table) -> None:
    data = open_data(table("filename,label,split\nx.jpg,a,fold7\n"), DataOptions(images=lay("x.jpg")))
    assert data.origins[0].split is None
    assert "fold7" in data.notes[0]


def test_a_file_under_another_suffix_is_found_and_said_once(lay: Lay, table: Table) -> None:
    text = "filename,label\nx.jpg,a\nsub/y.jpg,b\n"
    data = open_data(table(text), DataOptions(images=lay("x.png", "sub/y.PNG", "sub/y.txt")))
    assert [origin.uri for origin in data.origins] == ["sub/y.PNG", "x.png"]
    assert list(data.notes) == ["found 2 photos of labels.csv under another suffix, such as x.png for x.jpg"]


def test_two_files_of_one_stem_are_not_guessed_between(lay: Lay, table: Table) -> None:
    text = "filename,label\nx.jpg,a\nz.jpg,a\n"
    data = open_data(table(text), DataOptions(images=lay("x.png", "x.webp", "z.jpg")))
    assert data.notes == ["1 photo named in labels.csv is not there: x.jpg"]


def test_a_name_without_a_suffix_is_found(lay: Lay, table: Table) -> None:
    data = open_data(table("image_id,label\n0001,a\n"), DataOptions(images=lay("0001.jpg")))
    assert data.origins[0].uri == "0001.jpg"


def test_a_missing_file_stays_in_and_is_noted(lay: Lay, table: Table) -> None:
    data = open_data(table("filename,label\ngone.jpg,a\nx.jpg,b\n"), DataOptions(images=lay("x.jpg")))
    assert pairs(data) == [("gone.jpg", "a"), ("x.jpg", "b")]
    assert data.refs[0].path == lay() / "gone.jpg"
    assert list(data.notes) == ["1 photo named in labels.csv is not there: gone.jpg"]


def test_when_no_file_is_there_the_folder_is_asked_for(table: Table) -> None:
    with pytest.raises(DataError, match=r"none of the 2 photos that .* names is in .*: name their folder with"):
        open_data(table("filename,label\nx.jpg,a\ny.jpg,b\n"))


def test_rows_that_repeat_or_contradict_are_noted_and_the_first_is_kept(lay: Lay, table: Table) -> None:
    text = "filename,label\nx.jpg,a\nx.jpg,a\nx.jpg,b\ny.jpg,b\n./y.jpg,b\n"
    data = open_data(table(text), DataOptions(images=lay("x.jpg", "y.jpg")))
    assert pairs(data) == [("x.jpg", "a"), ("y.jpg", "b")]
    assert list(data.notes) == [
        "left out 2 rows of labels.csv that repeat x.jpg, y.jpg",
        "left out 1 row of labels.csv with another label than before for x.jpg",
    ]


def test_rows_without_a_file_or_a_label_are_noted_by_line(lay: Lay, table: Table) -> None:
    text = "filename,label\nx.jpg,a\n,b\n\ny.jpg\nz.jpg, \n"
    data = open_data(table(text), DataOptions(images=lay("x.jpg")))
    assert len(data.refs) == 1
    assert list(data.notes) == ["left out 3 rows of labels.csv without a file or a label: lines 3, 5, 6"]


def test_windows_paths_are_understood(lay: Lay, table: Table) -> None:
    data = open_data(table("filename,label\nsub\\x.jpg,a\n"), DataOptions(images=lay("sub/x.jpg")))
    assert data.origins[0].uri == "sub/x.jpg"


def test_names_match_however_unicode_composes_them(lay: Lay, table: Table) -> None:
    on_disk = unicodedata.normalize("NFD", "Zoë.jpg")
    data = open_data(table("filename,label\nZoë.jpg,Zoë\n"), DataOptions(images=lay(on_disk)))
    assert data.refs[0].path is not None
    assert data.refs[0].path.exists()
    assert list(data.notes) == []


def test_absolute_paths_are_followed(lay: Lay, table: Table) -> None:
    file = lay("x.jpg") / "x.jpg"
    assert open_data(table(f"filename,label\n{file},a\n")).refs[0].path == file


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty: its first line must name the columns"),
        ("\n\n", "is empty: its first line must name the columns"),
        ("x.jpg,anna\ny.jpg,ben\n", "has no header: its first line must name the columns, such as filename,label"),
        ("name,label\nx,y\n", r"has no column of file names, such as filename \(its columns are: name, label\)"),
        ("filename,size\nx.jpg,3\n", r"no label column: .* \(its columns are: size\)"),
        ("filename,label\n", "has no row with both a file and a label"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(table: Table, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        open_data(table(text))


@pytest.mark.parametrize("encoding", ["utf-16", "cp949"])
def test_text_in_another_encoding_says_what_to_do(table: Table, encoding: str) -> None:
    with pytest.raises(DataError, match="is not text in UTF-8: save it as CSV in UTF-8"):
        open_data(table("filename,label\nx.jpg,사람\n", encoding=encoding))


def test_a_cell_without_end_is_an_error_with_a_line(table: Table) -> None:
    with pytest.raises(DataError, match=r"is not a table that can be read: field larger.* \(line \d+\)"):
        open_data(table('filename,label\nx.jpg,"' + "a" * 200_000))


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*gone\.csv: No such file"):
        list(rows(tmp_path / "gone.csv"))


def test_lines_are_counted_as_an_editor_shows_them(table: Table) -> None:
    assert list(rows(table("a,b\n\n1,2\n"))) == [(1, ["a", "b"]), (3, ["1", "2"])]


def test_images_must_be_a_folder(table: Table, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--images must be a folder"):
        open_data(table("filename,label\nx.jpg,a\n"), DataOptions(images=tmp_path / "nope"))


def test_a_folder_with_metadata_is_read_by_it(lay: Lay) -> None:
    root = lay("1.jpg", "2.jpg")
    (root / "metadata.csv").write_text("file_name,text,label\n1.jpg,hello,a\n2.jpg,you,b\n")
    assert pairs(open_data(root)) == [("1.jpg", "a"), ("2.jpg", "b")]
    assert open_data(root, DataOptions(target="text")).labels == ["hello", "you"]


def test_any_other_metadata_leaves_the_folders_in_force(lay: Lay) -> None:
    root = lay("anna/1.jpg")
    (root / "metadata.csv").write_text("camera,date\nx,y\n")
    assert open_data(root).labels == ["anna"]


def test_a_table_may_label_the_photos_of_a_folder(lay: Lay, table: Table) -> None:
    root = lay("a/1.jpg", "2.jpg", "3.jpg")
    data = open_data(root, DataOptions(labels=table("filename,label\na/1.jpg,x\n2.jpg,y\n")))
    assert pairs(data) == [("2.jpg", "y"), ("a/1.jpg", "x")]
    assert list(data.notes) == ["left out 1 photo that labels.csv does not label: 3.jpg"]


def test_a_table_of_labels_that_covers_the_folder_needs_no_note(lay: Lay, table: Table) -> None:
    data = open_data(lay("1.jpg"), DataOptions(labels=table("filename,label,age\n1.jpg,x,9\n"), target="age"))
    assert pairs(data) == [("1.jpg", "9")]
    assert list(data.notes) == []


def test_labels_go_with_a_folder_only(table: Table) -> None:
    labels = table("filename,label\n1.jpg,x\n")
    with pytest.raises(DataError, match="with --labels, DATA must be a folder"):
        open_data(labels, DataOptions(labels=labels))


def test_real_table_of_twenty_people(data: Path) -> None:
    identity = data / "identity"
    options = DataOptions(images=identity / "lfw", target="person")
    people = open_data(identity / "lfw_closed_set.csv", options)
    assert len(people.labels) == 20
    assert Counter(origin.split for origin in people.origins) == {"train": 195, "test": 197}
    assert all(ref.path is not None and ref.path.is_file() for ref in people.refs)
    assert all(origin.group is None for origin in people.origins)


@pytest.mark.parametrize("column", ["label", "Label", "emotion", "person", "class", "identity", " Category "])
def test_the_label_is_found_by_its_name_in_any_case(column: str) -> None:
    assert choose_columns(["size", column], None, "t.csv").label == column


def test_the_earlier_name_of_the_list_wins_over_the_earlier_column() -> None:
    assert choose_columns(["person", "label"], None, "t.csv").label == "label"
    assert find_column(["image", "filename"], FILES) == "filename"


def test_the_user_names_the_label() -> None:
    assert choose_columns(["label", "age"], "age", "t.csv").label == "age"
    assert choose_columns(["Age"], "age", "t.csv").label == "Age"


def test_without_a_label_the_columns_there_are_get_listed() -> None:
    with pytest.raises(DataError, match=r"t\.csv has no label column.*--target.*age, race"):
        choose_columns(["age", "race"], None, "t.csv")
    with pytest.raises(DataError, match=r"t\.csv has no column 'gender' \(its columns are: age, race\)"):
        choose_columns(["age", "race"], "gender", "t.csv")


def test_a_person_is_the_group_unless_it_is_the_label() -> None:
    assert choose_columns(["emotion", "person"], None, "t.csv").group == "person"
    assert choose_columns(["person", "split"], None, "t.csv").group is None
    assert choose_columns(["label", "subject", "group"], None, "t.csv").group == "group"


def test_the_split_and_the_licence_are_found() -> None:
    columns = choose_columns(["label", "Usage", "license"], None, "t.csv")
    assert (columns.split, columns.licence) == ("Usage", "license")
    assert columns.names == ["label", "Usage", "license"]


def test_a_column_is_read_once_though_it_means_two_things() -> None:
    assert choose_columns(["label", "subset"], "subset", "t.csv").split is None


def test_it_is_said_where_another_column_might_be_meant() -> None:
    assert label_doubts(["emotion", "person"], None) == [
        "took the column emotion for the label; --target names another, such as person"
    ]
    assert label_doubts(["emotion", "person"], "person") == []
    assert label_doubts(["label", "person"], None) == []
    assert label_doubts(["emotion", "size"], None) == []
    assert label_doubts(["age"], None) == []


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
    assert parse_split(text) == split
