"""Label folders: what is a label, what is a split, and what is said about the rest."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.data import DataOptions, open_data
from mien.errors import DataError

Lay = Callable[..., Path]


def test_a_folder_is_a_label_and_deeper_folders_belong_to_it(lay: Lay) -> None:
    data = open_data(lay("anna/1.jpg", "anna/2020/may/2.jpg", "ben/1.png"))
    assert [(ref.key, ref.origin.label) for ref in data.refs] == [
        ("anna/1.jpg", "anna"),
        ("anna/2020/may/2.jpg", "anna"),
        ("ben/1.png", "ben"),
    ]
    assert data.labels == ["anna", "ben"]
    assert list(data.notes) == []


def test_the_order_does_not_depend_on_the_disk(lay: Lay) -> None:
    first = open_data(lay("b/2.jpg", "a/1.jpg", "b/1.jpg"))
    second = open_data(lay("a/1.jpg", "b/1.jpg", "b/2.jpg", folder="again"))
    assert list(first.origins) == list(second.origins)
    assert [ref.origin for ref in first.refs] == list(first.origins)


def test_every_photo_can_be_read_from_its_path(lay: Lay) -> None:
    for ref in open_data(lay("a/1.jpg", "b/c/2.jpg")).refs:
        assert ref.path is not None
        assert ref.path.read_bytes() == ref.key.encode()


def test_photos_beside_the_label_folders_are_left_out_and_noted(lay: Lay) -> None:
    data = open_data(lay("anna/1.jpg", "z1.jpg", "z2.jpg", "z3.jpg", "z4.jpg"))
    assert [ref.key for ref in data.refs] == ["anna/1.jpg"]
    assert list(data.notes) == ["left out 4 photos outside the label folders: z1.jpg, z2.jpg, z3.jpg, z4.jpg"]


def test_an_empty_label_folder_is_noted(lay: Lay) -> None:
    root = lay("anna/1.jpg", "ben/readme.txt")
    assert open_data(root).notes[0] == "found no photos in 1 label folder: ben"


def test_train_val_and_test_above_label_folders_are_splits(lay: Lay) -> None:
    data = open_data(lay("train/a/1.jpg", "Validation/a/2.jpg", "test/b/x/3.jpg", "train/b/4.jpg"))
    assert Counter((origin.split, origin.label) for origin in data.origins) == {
        ("train", "a"): 1,
        ("train", "b"): 1,
        ("val", "a"): 1,
        ("test", "b"): 1,
    }
    assert data.refs[0].key == "Validation/a/2.jpg"


def test_one_split_alone_is_a_split(lay: Lay) -> None:
    data = open_data(lay("train/a/1.jpg", "train/b/2.jpg"))
    assert data.labels == ["a", "b"]
    assert {origin.split for origin in data.origins} == {"train"}


def test_a_photo_loose_in_a_split_is_left_out_and_noted(lay: Lay) -> None:
    data = open_data(lay("train/a/1.jpg", "train/loose.jpg", "test/a/2.jpg"))
    assert len(data.refs) == 2
    assert "train/loose.jpg" in data.notes[0]


def test_an_empty_label_folder_inside_a_split_is_noted(lay: Lay) -> None:
    root = lay("train/a/1.jpg", "train/b/2.jpg", "test/a/3.jpg")
    (root / "test" / "b").mkdir()
    assert list(open_data(root).notes) == ["found no photos in 1 label folder: test/b"]


def test_train_beside_other_folders_is_a_label_and_that_is_said(lay: Lay) -> None:
    data = open_data(lay("train/x/1.jpg", "bus/2.jpg"))
    assert data.labels == ["bus", "train"]
    assert list(data.notes) == ["train: treated as label, since not all folders are splits that hold label folders"]


def test_flat_train_and_val_folders_are_labels(lay: Lay) -> None:
    data = open_data(lay("train/1.jpg", "val/2.jpg"))
    assert data.labels == ["train", "val"]
    assert data.notes


def test_labels_are_in_composed_unicode_however_the_disk_writes_them(lay: Lay) -> None:
    written = unicodedata.normalize("NFD", "José")
    data = open_data(lay(f"{written}/1.jpg", "한글/2.jpg"))
    assert data.labels == sorted(["José", "한글"])
    assert data.refs[0].path is not None
    assert data.refs[0].path.exists()


def test_nothing_to_read_is_one_sentence(lay: Lay, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no photos in"):
        open_data(lay("notes.txt"))
    with pytest.raises(DataError, match="has no label folders: put the photos of each label into a folder"):
        open_data(lay("1.jpg", "2.jpg", folder="flat"))
    with pytest.raises(DataError, match=r"there is no .*nowhere"):
        open_data(tmp_path / "nowhere")


@pytest.mark.parametrize("options", [DataOptions(target="age"), DataOptions(images=Path())])
def test_options_of_tables_do_not_apply_and_that_is_said(lay: Lay, options: DataOptions) -> None:
    with pytest.raises(DataError, match=r"--(target|images) does not apply to .*, which was read as label folders"):
        open_data(lay("a/1.jpg"), options)


def test_real_label_folders(data: Path) -> None:
    six = open_data(data / "attributes" / "six_class")
    assert set(Counter(origin.label for origin in six.origins).values()) == {50}
    assert six.labels == ["boy", "girl", "glasses_female", "glasses_male", "plain_female", "plain_male"]
    assert list(six.notes) == []


def test_real_folders_with_official_splits(data: Path) -> None:
    celebrities = open_data(data / "identity" / "celeb5")
    assert len(celebrities.labels) == 5
    assert Counter(origin.split for origin in celebrities.origins) == {"train": 93, "val": 25}
    assert all(ref.path is not None and ref.path.is_file() for ref in celebrities.refs)


def test_contact_sheets_are_not_taken_for_a_class(lay: Lay) -> None:
    root = lay("grid/anna/1.jpg", "grid_after/anna/1~00.jpg", "grid/ben/1.jpg", "grid_after/ben/1~00.jpg")
    assert open_data(root).labels == ["grid", "grid_after"]  # somebody's own labels
    (root / ".mien").mkdir()
    (root / ".mien" / "augment.json").write_text("{}")
    with pytest.raises(DataError, match=r"contact sheets beside their variants: use .*grid_after$"):
        open_data(root)
    assert open_data(root / "grid_after").labels == ["anna", "ben"]
