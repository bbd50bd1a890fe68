"""Files of vectors, as other programs read them."""

from __future__ import annotations

import csv
import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from mien.embedding.formats import FORMATS, format_of
from mien.errors import UnknownName
from mien.types import Detection, Embedding, Origin


def _embedding(path: str, label: str | None, value: float, index: int = 0) -> Embedding:
    vector = np.full(128, value, np.float32)
    return Embedding(Origin(path, label), Detection(index, (1, 2, 3, 4), 0.9), vector)


_SOME = [
    _embedding("b/2.jpg", "b", 0.1),
    _embedding("a/1.jpg", "a", -0.25),
    _embedding("c,d/x.jpg", "c,d", 1e-9),
    _embedding("b/1.jpg", "b", 0.3),
]


def test_openface_csv_has_no_header_and_numbers_labels_from_one_in_order() -> None:
    files = FORMATS["openface-csv"](_SOME, "photos")
    assert files["labels.csv"].decode().splitlines() == [
        "1,photos/a/1.jpg",
        "2,photos/b/1.jpg",
        "2,photos/b/2.jpg",
        '3,"photos/c,d/x.jpg"',
    ]


def test_openface_csv_prints_numbers_as_lua_does() -> None:
    lines = FORMATS["openface-csv"](_SOME, "photos")["reps.csv"].decode().splitlines()
    assert [len(line.split(",")) for line in lines] == [128] * 4
    assert lines[0].split(",")[0] == "-0.25"
    assert lines[2].split(",")[0] == "0.10000000149012"
    assert lines[3].split(",")[0] == "9.9999997171807e-10"


def test_openface_csv_rows_of_both_files_belong_together() -> None:
    files = FORMATS["openface-csv"](_SOME, "")
    paths = [row[1] for row in csv.reader(io.StringIO(files["labels.csv"].decode()))]
    values = [float(row[0]) for row in csv.reader(io.StringIO(files["reps.csv"].decode()))]
    wanted = {embedding.key: float(embedding.vector[0]) for embedding in _SOME}
    assert values == pytest.approx([wanted[path] for path in paths])


def test_parquet_keeps_everything() -> None:
    table = pq.read_table(io.BytesIO(FORMATS["parquet"](_SOME, "")["embeddings.parquet"]))
    assert table.column_names == ["path", "face", "label", "x1", "y1", "x2", "y2", "score", "vector"]
    assert table["path"].to_pylist() == [embedding.key for embedding in _SOME]
    assert np.array_equal(np.stack(table["vector"].to_pylist()), np.stack([e.vector for e in _SOME]))


def test_npz_holds_no_objects() -> None:
    data = FORMATS["npz"](_SOME, "")["embeddings.npz"]
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        assert np.array_equal(arrays["vectors"], np.stack([e.vector for e in _SOME]))
        assert arrays["paths"].tolist() == [e.key for e in _SOME]
        assert arrays["labels"].tolist() == ["b", "a", "c,d", "b"]
        assert arrays["boxes"].shape == (4, 4)


@pytest.mark.parametrize("name", list(FORMATS))
def test_no_faces_at_all_still_make_files(name: str) -> None:
    assert FORMATS[name]([], "")


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="openface-csv, parquet, npz"):
        format_of("xlsx")
