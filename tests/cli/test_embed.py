"""`mien embed`: files of vectors, and a second run that computes nothing."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.conftest import Mien


def test_openface_csv_is_the_default_for_a_folder(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("embed", album / "photos", tmp_path / "out", "--json")
    assert ran.code == 0
    assert {"photos", "faces", "rejected", "seconds", "photos_per_second"} <= ran.last.keys()
    assert (ran.last["photos"], ran.last["faces"]) == (24, 24)
    rows = list(csv.reader((tmp_path / "out" / "labels.csv").read_text().splitlines()))
    assert rows[0] == ["1", f"{album}/photos/Eileen Collins/00.jpg"]
    assert {row[0] for row in rows} == {"1", "2"}
    assert Path(rows[0][1]).exists()
    reps = np.loadtxt(tmp_path / "out" / "reps.csv", delimiter=",")
    assert reps.shape == (24, 128)


def test_the_ending_chooses_the_format(mien: Mien, album: Path, tmp_path: Path) -> None:
    mien("embed", album / "photos", tmp_path / "x.parquet", "--quiet")
    mien("embed", album / "photos", tmp_path / "x.npz", "--quiet")
    table = pq.read_table(tmp_path / "x.parquet")
    with np.load(tmp_path / "x.npz") as arrays:
        assert np.array_equal(np.stack(table["vector"].to_pylist()), arrays["vectors"])
        assert table["label"].to_pylist() == arrays["labels"].tolist()


def test_a_folder_without_labels_is_embedded_too(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("embed", album / "inbox", tmp_path / "out", "--json")
    assert (ran.last["photos"], ran.last["faces"], ran.last["rejected"]) == (15, 12, 3)
    assert "3 rejected" in ran.err
    assert len((tmp_path / "out" / "rejected.csv").read_text().splitlines()) == 4


def test_plain_vectors_are_the_networks_own(mien: Mien, album: Path, tmp_path: Path) -> None:
    mien("embed", album / "photos", tmp_path / "x.npz", "--plain", "--quiet")
    mien("embed", album / "photos", tmp_path / "y.npz", "--quiet")
    with np.load(tmp_path / "x.npz") as plain, np.load(tmp_path / "y.npz") as unit:
        assert np.linalg.norm(plain["vectors"], axis=1).min() > 1.1
        assert np.allclose(np.linalg.norm(unit["vectors"], axis=1), 1, atol=1e-5)


def test_people_lie_apart_and_each_by_itself(mien: Mien, album: Path, tmp_path: Path) -> None:
    mien("embed", album / "photos", tmp_path / "x.npz", "--quiet")
    with np.load(tmp_path / "x.npz") as arrays:
        similar = arrays["vectors"] @ arrays["vectors"].T
        same = arrays["labels"][:, None] == arrays["labels"]
    assert similar[same].min() > similar[~same].max()


@pytest.mark.parametrize(
    "options", [["--format", "xlsx"], ["--embedder", "vgg"], ["--detector", "x"], ["--faces", "x"]]
)
def test_words_without_meaning_are_refused(mien: Mien, album: Path, tmp_path: Path, options: list[str]) -> None:
    ran = mien("embed", album / "photos", tmp_path / "out", *options)
    assert ran.code == 1
    assert ran.err.startswith("mien: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(("form", "out"), [("openface-csv", "x.npz"), ("npz", "x.parquet"), ("openface-csv", "x.csv")])
def test_an_ending_that_contradicts_the_format_is_refused(
    mien: Mien, album: Path, tmp_path: Path, form: str, out: str
) -> None:
    ran = mien("embed", album / "photos", tmp_path / out, "--format", form)
    assert ran.code == 1
    assert f"cannot hold {form}: " in ran.err
    assert "give a folder" in ran.err
    assert not (tmp_path / out).exists()


def test_a_single_file_has_its_ledger_beside_it(mien: Mien, album: Path, tmp_path: Path) -> None:
    mien("embed", album / "inbox", tmp_path / "x.npz", "--quiet")
    assert len((tmp_path / "x.rejected.csv").read_text().splitlines()) == 4


def test_paths_in_labels_csv_lead_to_the_photos_of_a_table(mien: Mien, album: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("filename,label\nGrace Hopper.jpg,g\nEileen Collins.jpg,e\n")
    mien("embed", table, tmp_path / "out", "--images", album / "originals", "--quiet")
    rows = list(csv.reader((tmp_path / "out" / "labels.csv").read_text().splitlines()))
    assert [Path(row[1]).exists() for row in rows] == [True, True]


def test_loose_photos_beside_label_folders_are_embedded_without_a_label(
    mien: Mien, album: Path, tmp_path: Path
) -> None:
    shutil.copytree(album / "originals", tmp_path / "src")
    shutil.copytree(album / "photos" / "Grace Hopper", tmp_path / "src" / "Grace Hopper")
    ran = mien("embed", tmp_path / "src", tmp_path / "x.npz", "--json")
    assert ran.last["photos"] == 14
    with np.load(tmp_path / "x.npz") as arrays:
        assert sorted(set(arrays["labels"])) == ["", "Grace Hopper"]


def test_one_photo_can_be_embedded(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("embed", album / "originals" / "Grace Hopper.jpg", tmp_path / "x.npz", "--json")
    assert (ran.code, ran.last["faces"]) == (0, 1)


def test_broken_tables_are_told_and_not_passed_over(mien: Mien, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album / "photos", tmp_path / "src")
    (tmp_path / "src" / "metadata.csv").write_text("file_name,text\nnowhere.jpg,a\n")
    assert mien("embed", tmp_path / "src", tmp_path / "x.npz").code == 1
    assert mien("embed", album / "photos", tmp_path / "x.npz", "--images", tmp_path / "gone").code == 1


def test_a_place_that_cannot_be_written_is_named(mien: Mien, album: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    ran = mien("embed", album / "photos", tmp_path / "file" / "out.npz")
    assert ran.code == 1
    assert "could not be written" in ran.err
