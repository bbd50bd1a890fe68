"""What a path is taken for, and photos that have no label."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.data import READERS, DataOptions, open_data, photos
from mien.errors import DataError

Lay = Callable[..., Path]


def test_every_reader_in_the_table_loads() -> None:
    for name in READERS.names():
        assert callable(READERS.load(name))


def test_a_path_that_holds_no_data_says_what_to_give(lay: Lay, astronaut: bytes) -> None:
    root = lay("face.jpg", "notes.docx")
    (root / "face.jpg").write_bytes(astronaut)
    with pytest.raises(DataError, match=r"face\.jpg is one photo: use the folder"):
        open_data(root / "face.jpg")
    with pytest.raises(DataError, match=r"notes\.docx is not labelled data: use a folder of label folders"):
        open_data(root / "notes.docx")
    with pytest.raises(DataError, match=r"there is no .*nope"):
        open_data(root / "nope", DataOptions(labels=root))


def test_tables_are_known_by_their_suffix_in_any_case(lay: Lay) -> None:
    root = lay("x.jpg")
    for name in ("labels.CSV", "labels.tsv", "labels.txt"):
        (root / name).write_text("filename\tlabel\nx.jpg\ta\n")
        assert open_data(root / name).labels == ["a"]


def test_a_data_set_of_files_travels_to_another_process(lay: Lay) -> None:
    data = open_data(lay("a/1.jpg", "b/2.jpg"))
    again = pickle.loads(pickle.dumps(data))
    assert list(again.refs) == list(data.refs)
    assert again.labels == ["a", "b"]


def test_photos_come_in_the_order_given_with_the_path_as_typed(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    root = lay("b/2.jpg", "b/1.jpg", "b/notes.txt", "a.png")
    monkeypatch.chdir(root)
    refs = photos([Path("b"), Path("a.png"), root / "a.png"])
    assert [ref.key for ref in refs] == ["b/1.jpg", "b/2.jpg", "a.png", (root / "a.png").as_posix()]
    assert all(ref.origin.label is None and ref.path is not None and ref.path.exists() for ref in refs)


def test_a_photo_named_twice_is_taken_once(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lay("b/1.jpg"))
    assert [ref.key for ref in photos([Path("b/1.jpg"), Path("b"), Path("./b/1.jpg")])] == ["b/1.jpg"]


def test_a_file_that_is_missing_or_oddly_called_stays_in(lay: Lay) -> None:
    root = lay("face")
    refs = photos([root / "gone.jpg", root / "face"])
    assert [ref.path for ref in refs] == [root / "gone.jpg", root / "face"]


def test_the_working_folder_may_be_given(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lay("x.jpg"))
    assert [ref.key for ref in photos([Path()])] == ["x.jpg"]


def test_names_that_are_not_utf8_get_a_key_that_prints(lay: Lay) -> None:
    (ref,) = photos([lay(os.fsdecode(b"caf\xe9.jpg"))])
    assert ref.key.endswith("caf\\xe9.jpg")
    assert ref.key.encode()


def test_folders_without_a_photo_are_an_error(lay: Lay) -> None:
    with pytest.raises(DataError, match=r"there are no photos in .*data"):
        photos([lay("notes.txt")])
    with pytest.raises(DataError, match="there are no photos in nothing"):
        photos([])


def test_real_folders_of_photos(data: Path) -> None:
    refs = photos([data / "identity" / "orl", data / "identity" / "celeb5"])
    assert len(refs) == 318
    assert len({ref.key for ref in refs}) == 318


def test_a_path_may_be_text_and_a_data_set_passes_through(lay: Lay) -> None:
    root = lay("train/a/1.jpg", "test/a/2.jpg")
    data = open_data(str(root))
    assert open_data(data) is data
    assert [origin.uri for origin in open_data(data, split="test").origins] == ["test/a/2.jpg"]
    with pytest.raises(DataError, match="the data has no split 'val'"):
        open_data(root, split="val")


def test_options_may_be_given_as_keywords(lay: Lay) -> None:
    root = lay("photos/x.jpg")
    (root / "t.csv").write_text("file,who\nx.jpg,ana\n")
    for data in (
        open_data(root / "t.csv", images=str(root / "photos"), target="who"),
        open_data(str(root / "photos"), labels=str(root / "t.csv"), target="who"),
    ):
        assert data.labels == ["ana"]
