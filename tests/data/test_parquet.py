"""Parquet in the Hugging Face image convention."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mien.data import DataOptions, open_data
from mien.errors import DataError

Lay = Callable[..., Path]
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(file: Path, rows: int = 3, row_group_size: int = 1000, **columns: Any) -> Path:
    """A file with a picture column whose bytes are the row's number."""
    pictures = [{"bytes": f"{file.stem}-{i}".encode(), "path": None} for i in range(rows)]
    arrays = {"image": pa.array(pictures, IMAGE), **columns}
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(arrays), file, row_group_size=row_group_size)
    return file


def with_classes(file: Path, numbers: list[int | None], names: list[str]) -> Path:
    """A file whose label is a ClassLabel, as the datasets library writes it."""
    info = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}}}
    pictures = pa.array([{"bytes": b"x", "path": None} for _ in numbers], IMAGE)
    table = pa.table({"image": pictures, "label": pa.array(numbers, pa.int64())})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), file)
    return file


def test_rows_become_photos_in_their_order(tmp_path: Path) -> None:
    data = open_data(write(tmp_path / "t.parquet", label=["b", "a", "b"], usage=["Training", "PublicTest", "fold"]))
    assert [(ref.key, ref.origin.label, ref.origin.split, ref.data) for ref in data.refs] == [
        ("t.parquet#0", "b", "train", b"t-0"),
        ("t.parquet#1", "a", "val", b"t-1"),
        ("t.parquet#2", "b", None, b"t-2"),
    ]
    assert data.labels == ["a", "b"]
    assert [ref.origin for ref in data.refs] == list(data.origins)


def test_numbers_get_the_names_in_the_schema(tmp_path: Path) -> None:
    data = open_data(with_classes(tmp_path / "t.parquet", [1, 0, 1], ["cat", "dog"]))
    assert [origin.label for origin in data.origins] == ["dog", "cat", "dog"]


def test_numbers_without_names_stay_numbers(tmp_path: Path) -> None:
    assert open_data(write(tmp_path / "t.parquet", label=[2, 10, 2])).labels == ["10", "2"]


def test_rows_without_a_label_are_left_out_and_noted(tmp_path: Path) -> None:
    data = open_data(with_classes(tmp_path / "t.parquet", [0, None, -1, 1, 7], ["cat", "dog"]))
    assert [ref.key for ref in data.refs] == ["t.parquet#0", "t.parquet#3"]
    assert list(data.notes) == ["left out 3 rows of t.parquet without a label: row 1, 2, 4"]


def test_the_target_names_the_label_and_the_rest_is_read_as_usual(tmp_path: Path) -> None:
    file = write(tmp_path / "t.parquet", age=["9", "9", "30"], subject=["s1", "s2", None], licence=["CC0"] * 3)
    data = open_data(file, DataOptions(target="age"))
    assert [(o.label, o.group, o.licence) for o in data.origins] == [
        ("9", "s1", "CC0"),
        ("9", "s2", "CC0"),
        ("30", None, "CC0"),
    ]
    with pytest.raises(DataError, match=r"name one with --target \(its columns are: age, subject, licence\)"):
        open_data(file)


def test_a_plain_column_of_bytes_will_do(tmp_path: Path) -> None:
    pq.write_table(pa.table({"img": pa.array([b"x"]), "label": ["a"]}), tmp_path / "t.parquet")
    assert open_data(tmp_path / "t.parquet").refs[0].data == b"x"


def test_labels_in_a_dictionary_will_do(tmp_path: Path) -> None:
    file = write(tmp_path / "t.parquet", label=pa.array(["a", "b", "a"]).dictionary_encode())
    assert open_data(file).labels == ["a", "b"]


def test_a_row_that_names_a_file_is_that_file_and_an_empty_one_is_empty(tmp_path: Path, lay: Lay) -> None:
    root = lay("x.jpg")
    cells = pa.array([{"bytes": None, "path": "x.jpg"}, None, {"bytes": b"", "path": None}], IMAGE)
    pq.write_table(pa.table({"image": cells, "label": ["a"] * 3}), tmp_path / "t.parquet")
    first, second, third = open_data(tmp_path / "t.parquet", DataOptions(images=root)).refs
    assert first.path == root / "x.jpg"
    assert first.data is None
    assert second.data == third.data == b""
    assert open_data(tmp_path / "t.parquet").refs[0].path == tmp_path / "x.jpg"


def test_a_folder_of_files_is_one_data_set_and_names_give_the_split(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write(root / "data" / "train-00000-of-00002.parquet", label=["a", "b", "a"])
    write(root / "data" / "train-00001-of-00002.parquet", rows=1, label=["b"])
    write(root / "validation" / "0000.parquet", rows=1, label=["b"])
    write(root / "other.parquet", rows=1, label=["c"])
    data = open_data(root)
    assert Counter(origin.split for origin in data.origins) == {"train": 4, "val": 1, None: 1}
    assert [ref.data for ref in data.refs] == [
        b"train-00000-of-00002-0",
        b"train-00000-of-00002-1",
        b"train-00000-of-00002-2",
        b"train-00001-of-00002-0",
        b"other-0",
        b"0000-0",
    ]
    assert data.origins[0].uri == "data/train-00000-of-00002.parquet#0"
    assert len({origin.uri for origin in data.origins}) == 6


def test_pictures_beside_a_parquet_file_make_it_a_folder_of_labels(lay: Lay) -> None:
    root = lay("a/1.jpg", "b/2.jpg")
    write(root / "cache.parquet", label=["x", "y", "z"])
    assert open_data(root).labels == ["a", "b"]


@pytest.mark.parametrize("row_group_size", [1, 7, 1000])
def test_any_photo_can_be_asked_for_by_its_place(tmp_path: Path, row_group_size: int) -> None:
    labels = ["a" if i % 3 else None for i in range(100)]
    data = open_data(write(tmp_path / "t.parquet", 100, row_group_size, label=labels))
    whole = [ref.data for ref in data.refs]
    assert whole == [f"t-{i}".encode() for i in range(100) if i % 3]
    assert [data.refs[i].data for i in (0, 41, -1)] == [whole[0], whole[41], whole[-1]]
    assert [ref.data for ref in data.refs[10:60:9]] == whole[10:60:9]
    assert [ref.data for ref in data.refs[::-20]] == whole[::-20]
    with pytest.raises(IndexError):
        data.refs[len(whole)]


def test_a_large_file_is_held_one_row_group_at_a_time(tmp_path: Path) -> None:
    size, count = 1 << 18, 200
    pictures = pa.array([{"bytes": bytes([i % 256]) * size, "path": None} for i in range(count)], IMAGE)
    table = pa.table({"image": pictures, "label": ["a"] * count})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=20, use_dictionary=False)
    del pictures, table
    pool = pa.default_memory_pool()
    pool.release_unused()
    before, highest = pool.bytes_allocated(), 0
    for number, ref in enumerate(open_data(tmp_path / "t.parquet").refs):
        assert ref.data is not None
        assert len(ref.data) == size
        assert ref.data[0] == number % 256
        highest = max(highest, pool.bytes_allocated() - before)
    assert highest < count * size / 2


def test_it_is_said_where_another_column_might_be_meant(tmp_path: Path) -> None:
    file = write(tmp_path / "t.parquet", emotion=["a", "b", "c"], person=["x", "y", "z"])
    assert list(open_data(file).notes) == [
        "took the column emotion for the label; --target names another, such as person"
    ]


def test_a_file_that_is_no_parquet_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match=r"t\.parquet is not a Parquet file, or is damaged"):
        open_data(tmp_path / "t.parquet")


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    file = write(tmp_path / "t.parquet", label=["a", "b", "c"])
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match="is not a Parquet file, or is damaged"):
        open_data(file)


def test_a_file_without_pictures_or_without_rows_says_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": ["a"]}), tmp_path / "bare.parquet")
    with pytest.raises(DataError, match=r"has no column of pictures in bytes \(its columns are: label\)"):
        open_data(tmp_path / "bare.parquet")
    with pytest.raises(DataError, match="has no row with a label"):
        open_data(write(tmp_path / "empty.parquet", rows=0, label=pa.array([], pa.string())))


def test_a_real_pool_with_usage(data: Path) -> None:
    pool = open_data(data / "pools" / "fer2013.parquet")
    assert len(pool.labels) == 7
    table = pq.read_table(data / "pools" / "fer2013.parquet", columns=["usage", "label"]).to_pydict()
    usages = Counter(u for u, label in zip(table["usage"], table["label"], strict=True) if label)
    assert Counter(origin.split for origin in pool.origins) == {
        "train": usages["Training"],
        "val": usages["PublicTest"],
    }
    last = pool.refs[-1].data
    assert last is not None
    assert last.startswith((b"\xff\xd8", b"\x89PNG"))


def test_a_real_pool_with_several_things_to_learn(data: Path) -> None:
    pool = open_data(data / "pools" / "fairface.parquet", DataOptions(target="gender"))
    assert pool.labels == ["Female", "Male"]
    assert sum(1 for ref in pool.refs if ref.data and ref.data.startswith((b"\xff\xd8", b"\x89PNG"))) == 16_000


def test_a_real_pool_of_masks(data: Path) -> None:
    assert open_data(data / "pools" / "mask.parquet").labels == ["incorrect", "with_mask", "without_mask"]


@pytest.mark.parametrize("path", ["/etc/hostname", "../outside.jpg", "a/../../outside.jpg"])
def test_a_table_from_elsewhere_has_no_say_over_other_files(tmp_path: Path, path: str) -> None:
    (tmp_path / "outside.jpg").write_bytes(b"private")
    (tmp_path / "data").mkdir()
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array([{"bytes": None, "path": path}], kind), "label": ["x"]})
    pq.write_table(table, tmp_path / "data" / "x.parquet")
    (ref,) = open_data(tmp_path / "data" / "x.parquet").refs
    assert (ref.path, ref.data) == (None, b"")
