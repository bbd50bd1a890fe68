"""`mien align`: crops, folders kept, and a run that was broken off."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mien.images import decode
from tests.conftest import Mien


@pytest.mark.parametrize(("view", "size"), [("openface", 96), ("dlib", 150), ("arcface", 112), ("box", 112)])
def test_each_view_cuts_its_size_and_keeps_the_folders(
    mien: Mien, album: Path, tmp_path: Path, view: str, size: int
) -> None:
    ran = mien("align", album / "photos", tmp_path / "crops", "--view", view, "--json")
    assert ran.code == 0
    assert {"photos", "crops", "rejected", "seconds", "counts"} <= ran.last.keys()
    assert (ran.last["photos"], ran.last["crops"], ran.last["rejected"]) == (24, 24, 0)
    assert ran.last["counts"] == {"Eileen Collins": 12, "Grace Hopper": 12}
    crop = decode((tmp_path / "crops" / "Grace Hopper" / "00.jpg").read_bytes(), max_megapixels=1)
    assert crop.pixels.shape == (size, size, 3)


def test_a_run_that_was_broken_off_goes_on_where_it_stopped(mien: Mien, album: Path, tmp_path: Path) -> None:
    mien("align", album / "photos", tmp_path / "crops", "--quiet")
    kept = tmp_path / "crops" / "Grace Hopper" / "00.jpg"
    gone = tmp_path / "crops" / "Grace Hopper" / "01.jpg"
    before = kept.stat().st_mtime_ns
    gone.unlink()
    ran = mien("align", album / "photos", tmp_path / "crops", "--json")
    assert (ran.last["crops"], ran.last["there"]) == (1, 23)
    assert gone.exists()
    assert kept.stat().st_mtime_ns == before


def test_crops_of_two_kinds_are_not_mixed_in_one_folder(mien: Mien, album: Path, tmp_path: Path) -> None:
    mien("align", album / "photos", tmp_path / "crops", "--quiet")
    ran = mien("align", album / "photos", tmp_path / "crops", "--size", 48)
    assert ran.code == 1
    assert "made with other settings" in ran.err


def test_what_was_rejected_is_listed_with_its_reason(mien: Mien, album: Path, tmp_path: Path) -> None:
    ran = mien("align", album / "inbox", tmp_path / "crops", "--format", "png")
    assert "3 rejected:" in ran.err
    assert "no-face at detect" in ran.err
    with (tmp_path / "crops" / "rejected.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(Path(row["path"]).name for row in rows) == ["chelsea.png", "coffee.png", "rocket.jpg"]
    assert {row["reason"] for row in rows} == {"no-face"}
    assert len(list((tmp_path / "crops").glob("*.png"))) == 12


def test_two_photos_of_one_stem_both_get_a_place(mien: Mien, album: Path, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for name, photo in (("me.jpg", "Grace Hopper"), ("me.jpeg", "Eileen Collins"), ("ME.JPG", "Grace Hopper")):
        (source / name).write_bytes((album / "originals" / f"{photo}.jpg").read_bytes())
    mien("align", source, tmp_path / "crops", "--quiet")
    assert len(list((tmp_path / "crops").glob("*.jpg"))) == 3


def test_innereyes_differ_from_outer_eyes_and_grey_is_grey(mien: Mien, album: Path, tmp_path: Path) -> None:
    mien("align", album / "originals", tmp_path / "a", "--format", "png", "--quiet")
    mien("align", album / "originals", tmp_path / "b", "--landmarks", "innerEyesAndBottomLip", "--format", "png")
    mien("align", album / "originals", tmp_path / "c", "--grey", "--format", "png", "--quiet")
    a, b, c = (decode((tmp_path / f / "Grace Hopper.png").read_bytes(), max_megapixels=1).pixels for f in "abc")
    assert abs(a.astype(int) - b).mean() > 5
    assert (c[..., 0] == c[..., 1]).all()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--view", "sideways"], "there is no view"),
        (["--format", "bmp"], "use jpeg or png"),
        (["--view", "dlib", "--landmarks", "outerEyesAndNose"], "does not go with"),
        (["--size", "3"], "not possible"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(
    mien: Mien, album: Path, tmp_path: Path, options: list[str], word: str
) -> None:
    ran = mien("align", album / "originals", tmp_path / "x", *options)
    assert ran.code == 1
    assert word in ran.err
    assert ran.err.count("\n") == 1


def test_the_crops_do_not_go_among_the_photos(mien: Mien, album: Path) -> None:
    ran = mien("align", album / "originals", album / "originals" / ".." / "originals", "--all-faces")
    assert ran.code == 1
    assert "choose another folder" in ran.err
    assert ran.err.count("\n") == 1
    assert not (album / "originals" / ".mien").exists()


def test_a_second_run_says_what_the_first_one_rejected(mien: Mien, album: Path, tmp_path: Path) -> None:
    first = mien("align", album / "inbox", tmp_path / "crops", "--json")
    again = mien("align", album / "inbox", tmp_path / "crops", "--json")
    assert (first.last["crops"], again.last["crops"], again.last["there"]) == (12, 0, 12)
    assert again.last["rejected"] == first.last["rejected"] == 3


def test_a_file_is_no_folder(mien: Mien, album: Path, tmp_path: Path) -> None:
    assert mien("align", album / "originals" / "Grace Hopper.jpg", tmp_path / "x").code == 1
