"""`mien augment`: what its user gets, is told, and is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mien.augmentation.policy import METHODS
from mien.images import decode, encode
from tests.conftest import Mien

BOX = ("--view", "box", "--detector", "mtcnn")


@pytest.fixture
def few(album: Path, tmp_path: Path) -> Path:
    """Two photos of two people each."""
    for person in ("Eileen Collins", "Grace Hopper"):
        (tmp_path / "few" / person).mkdir(parents=True)
        for name in ("00.jpg", "01.jpg"):
            shutil.copy(album / "photos" / person / name, tmp_path / "few" / person / name)
    return tmp_path / "few"


@pytest.fixture
def crops(mien: Mien, few: Path, tmp_path: Path) -> Path:
    mien("align", few, tmp_path / "crops", *BOX, "--size", 40, "--quiet")
    return tmp_path / "crops"


def test_sixty_four_variants_and_a_sheet_of_each_face(mien: Mien, few: Path, tmp_path: Path) -> None:
    ran = mien("augment", few, tmp_path / "out", "--grid", "--policy", "sixty-four", "--detector", "mtcnn", "--json")
    assert ran.code == 0
    fields = {"faces", "variants", "grids", "seconds", "photos", "there", "rejected", "policy", "detector"}
    assert set(ran.last) == fields
    assert [ran.last[name] for name in ("faces", "variants", "grids", "photos")] == [4, 256, 4, 4]
    assert (ran.last["policy"], ran.last["detector"]) == ("sixty-four", "mtcnn")
    sheet = decode((tmp_path / "out/grid/Grace Hopper/01.jpg").read_bytes(), max_megapixels=1).pixels
    assert sheet.shape == (768, 768, 3)
    assert len(list((tmp_path / "out/grid_after/Grace Hopper").glob("01~*.jpg"))) == 64
    assert (tmp_path / "out/grid_after/Grace Hopper/01~63.jpg").exists()


def test_a_person_reads_what_came_of_it_and_then_that_it_was_done(mien: Mien, crops: Path, tmp_path: Path) -> None:
    first = mien("augment", crops, tmp_path / "out", "--variants", 3, "--grid")
    assert "12 variants and 4 sheets of 4 faces by gentle in" in first.out
    assert (
        "0 variants and 0 sheets of 0 faces"
        in (again := mien("augment", crops, tmp_path / "out", "--variants", 3, "--grid")).out
    )
    assert ", 4 photos done before: " in again.out


def test_faces_that_align_cut_are_taken_as_they_are_and_that_is_said(mien: Mien, crops: Path, tmp_path: Path) -> None:
    ran = mien("augment", crops, tmp_path / "out", "--variants", 2, "--format", "png", "--json")
    assert "faces cut by mien, which are taken as they are" in ran.err
    assert (ran.last["faces"], ran.last["detector"]) == (4, "none")
    made = tmp_path / "out" / "Grace Hopper" / "00~01.png"
    assert decode(made.read_bytes(), max_megapixels=1).pixels.shape == (40, 40, 3)
    assert "taken as they are" not in mien("augment", crops, tmp_path / "q", "--variants", 1, "--quiet").err


def test_variants_can_be_varied_and_trained_on(mien: Mien, crops: Path, tmp_path: Path) -> None:
    mien("augment", crops, tmp_path / "out", "--variants", 6, "--quiet")
    again = mien("augment", tmp_path / "out", tmp_path / "more", "--variants", 2, "--json")
    assert again.last["variants"] == 48
    ran = mien("train", tmp_path / "out", "--faces", "cut", "--out", tmp_path / "p.mien", "--no-cache", "--json")
    assert ran.code == 0
    assert ran.last["counts"] == {"Eileen Collins": 12, "Grace Hopper": 12}


@pytest.mark.parametrize("name", ["sheet.png", "sheet.jpg"])
def test_a_preview_shows_every_method_by_its_name(mien: Mien, few: Path, tmp_path: Path, name: str) -> None:
    ran = mien("augment", few, "--preview", tmp_path / name, *BOX, "--json")
    assert ran.code == 0
    assert (ran.last["preview"], ran.last["variants"]) == (str(tmp_path / name), 0)
    sheet = decode((tmp_path / name).read_bytes(), max_megapixels=2).pixels
    assert sheet.shape[1] < sheet.shape[0] < 1.5 * sheet.shape[1]
    assert len(METHODS) + 2 == 16, "as it is, the methods, and the policy fill four rows of four"
    assert not list(tmp_path.glob("*/.mien"))


def test_a_preview_and_variants_in_one_run(mien: Mien, few: Path, tmp_path: Path) -> None:
    ran = mien("augment", few, tmp_path / "out", "--variants", 2, "--preview", tmp_path / "p.png", *BOX)
    assert ran.out.splitlines()[0] == f"what each method makes of a face: {tmp_path / 'p.png'}"
    assert ran.out.splitlines()[1].startswith("8 variants of 4 faces by gentle in ")


def test_a_policy_of_the_users_own(mien: Mien, crops: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror.toml").write_text('[[step]]\nmethod = "flip"\n', "utf-8")
    options = ("--variants", 2, "--format", "png", "--policy", tmp_path / "mirror.toml")
    assert mien("augment", crops, tmp_path / "out", *options, "--json").last["policy"] == "mirror"
    face, mirrored = (
        decode((tmp_path / f"out/Grace Hopper/00~0{i}.png").read_bytes(), max_megapixels=1).pixels for i in (0, 1)
    )
    assert np.abs(face[:, ::-1].astype(int) - mirrored).max() <= 1


def test_what_was_rejected_is_told_with_a_hint_where_it_is_most(
    mien: Mien, album: Path, few: Path, tmp_path: Path
) -> None:
    nobody = encode(np.full((120, 120, 3), 90, np.uint8), "png")
    for i in range(6):
        (few / f"{i}.png").write_bytes(nobody)
    ran = mien("augment", few, tmp_path / "out", "--variants", 2, *BOX, "--json")
    assert (ran.code, ran.last["faces"], ran.last["rejected"]) == (0, 4, 6)
    assert "6 rejected:" in ran.err
    assert "most photos show no face: if they are faces already cut, give --faces cut" in ran.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["out", "--policy", "wild"], "there is no policy called 'wild'"),
        (["out", "--policy", "none.toml"], "cannot be read"),
        (["out", "--format", "bmp"], "use jpeg or png"),
        (["out", "--faces", "look"], "use 'find' or 'cut'"),
        (["out", "--size", "4"], "not possible"),
        (["out", "--faces", "cut", "--view", "box"], "does not go with --faces cut"),
        (["--preview", "sheet.gif"], "ends in .png or .jpg"),
        ([], "give DST for the variants"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(
    mien: Mien, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = mien("augment", few, *options)
    assert ran.code == 1
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_wrong_usage(mien: Mien, few: Path, tmp_path: Path) -> None:
    assert mien("augment", few, tmp_path / "out", "--variants", 0).code == 2
    assert mien("augment", tmp_path / "nowhere", tmp_path / "out").code == 1
    assert mien("augment", few, few).code == 1
