"""`mien clean`, and `mien train --verdicts`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Mien

VERDICTS = (
    "path,label,verdict,to,box,kind\n"
    "Grace Hopper/00.jpg,Grace Hopper,drop,,,copy\n"
    "Grace Hopper/01.jpg,Grace Hopper,move,Eileen Collins,,wrong-person\n"
    "Grace Hopper/02.jpg,Grace Hopper,face,,60 40 150 150,many-faces\n"
    "Grace Hopper/03.jpg,Grace Hopper,keep,,,blurred\n"
    "Grace Hopper/04.jpg,Grace Hopper,turn,90,,turned-photo\n"
    "Grace Hopper/99.jpg,Grace Hopper,drop,,,blurred\n"
)
FIELDS = {"planned", "done", "journal", "dropped", "moved", "cut", "turned", "kept", "before", "gone", "failed"}


@pytest.fixture
def photos(album: Path, tmp_path: Path) -> Path:
    (tmp_path / "verdicts.csv").write_text(VERDICTS)
    return Path(shutil.copytree(album / "photos", tmp_path / "photos"))


def names(folder: Path) -> list[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*.*") if path.is_file())
    return sorted(path.as_posix() for path in found if ".mien" not in path.parts)


def test_clean_does_what_was_decided_and_undo_takes_it_back(mien: Mien, photos: Path) -> None:
    before = names(photos)
    ran = mien("clean", photos, "--verdicts", photos.parent / "verdicts.csv", "--json")
    assert ran.code == 0
    assert len(ran.lines) == 1
    assert set(ran.last) == FIELDS
    each = dict.fromkeys(("dropped", "moved", "cut", "turned"), 1)
    expected = {"planned": 4, "done": 4, **each, "kept": 1, "before": 0, "gone": 1}
    assert {name: ran.last[name] for name in expected} == expected
    assert "1 photo named in verdicts.csv is not in the data: Grace Hopper/99.jpg" in ran.err
    assert (photos / ".mien/dropped/Grace Hopper/00.jpg").exists()
    again = mien("clean", photos, "--verdicts", photos.parent / "verdicts.csv")
    assert again.code == 0
    assert "nothing to do: all verdicts were applied before" in again.out
    undone = mien("undo", ran.last["journal"], "--json")
    assert (undone.last["undone"], undone.last["failed"]) == (6, 0)
    assert names(photos) == before


def test_a_dry_run_prints_a_line_a_photo_and_touches_nothing(mien: Mien, photos: Path) -> None:
    before = names(photos)
    ran = mien("clean", photos, "--verdicts", photos.parent / "verdicts.csv", "--dry-run", "--json")
    assert [line["verdict"] for line in ran.lines[:-1]] == ["drop", "move", "face", "turn"]
    assert all(
        set(line) == {"path", "verdict", "source", "target", "cut", "turned", "label"} for line in ran.lines[:-1]
    )
    assert (ran.last["planned"], ran.last["done"], ran.last["journal"]) == (4, 0, None)
    told = mien("clean", photos, "--verdicts", photos.parent / "verdicts.csv", "--dry-run").out
    assert "drop Grace Hopper/00.jpg -> " in told
    assert "02-face0.jpg" in told
    assert f", turned to {photos}/Grace Hopper/04.jpg" in told
    assert names(photos) == before
    assert not (photos / ".mien").exists()


def test_what_is_left_alone_is_named_even_when_quiet(mien: Mien, photos: Path) -> None:
    (photos / "Grace Hopper/02.jpg").write_bytes(b"no picture")
    ran = mien("clean", photos, "--verdicts", photos.parent / "verdicts.csv", "--json", "--quiet")
    assert ran.code == 1
    assert "left alone: Grace Hopper/02.jpg: " in ran.err
    assert (ran.last["planned"], ran.last["done"], ran.last["failed"]) == (3, 3, 1)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("a.jpg,burn,,", "line 2 of .*: 'burn' is not a verdict"),
        ("../a.jpg,drop,,", "line 2 of .*: ../a.jpg is outside"),
        ("Grace Hopper/00.jpg,move,A,\nGrace Hopper/00.jpg,move,B,", "lines 2 and 3 of .* name different labels"),
    ],
)
def test_verdicts_that_cannot_be_followed_are_one_sentence(mien: Mien, photos: Path, lines: str, told: str) -> None:
    import re

    (photos.parent / "verdicts.csv").write_text(f"path,verdict,to,box\n{lines}\n")
    before = names(photos)
    for verb in (["clean", photos], ["train", photos, "--out", photos.parent / "x.mien"]):
        if "outside" in told and verb[0] == "train":
            continue
        ran = mien(*verb, "--verdicts", photos.parent / "verdicts.csv")
        assert ran.code == 1
        assert re.search(f"^mien: {told}", ran.err, re.MULTILINE)
    assert names(photos) == before


def test_a_name_from_a_stranger_writes_nothing_to_the_terminal(mien: Mien, photos: Path) -> None:
    (photos / "Grace Hopper/\x1b[31m.jpg").write_bytes(b"no picture")
    line = "Grace Hopper/\x1b[31m.jpg,face,,1 1 5 5\nnot\x1bthere.jpg,drop,,"
    (photos.parent / "verdicts.csv").write_text(f"path,verdict,to,box\n{line}\n")
    for options in ([], ["--dry-run"], ["--json"]):
        ran = mien("clean", photos, "--verdicts", photos.parent / "verdicts.csv", *options)
        assert "\x1b" not in ran.out + ran.err


def test_train_takes_verdicts_and_touches_no_file(mien: Mien, photos: Path) -> None:
    before, bundle = names(photos), photos.parent / "people.mien"
    ran = mien("train", photos, "--verdicts", photos.parent / "verdicts.csv", "--out", bundle, "--json")
    assert ran.code == 0, ran.err
    assert ran.last["counts"] == {"Eileen Collins": 13, "Grace Hopper": 10}
    assert "verdicts of verdicts.csv: 1 left out, 1 relabelled, 1 cut to one face, 1 turned" in ran.err
    training = json.loads((bundle / "bundle.json").read_text())["training"]
    assert training["verdicts"] == {"dropped": 1, "moved": 1, "cut": 1, "gone": 1, "turned": 1}
    assert names(photos) == before
    plain = mien("train", photos, "--out", bundle, "--json")
    assert plain.last["counts"] == {"Eileen Collins": 12, "Grace Hopper": 12}
    assert "verdicts" not in json.loads((bundle / "bundle.json").read_text())["training"]
