"""`mien check` as a user types it."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from mien.curation.findings import Finding, Kind
from mien.curation.verdicts import read_verdicts
from mien.flows import check as flow
from mien.pipeline.extract_features import FeatureExtractor
from tests.conftest import Mien

FIELDS = {"kind", "path", "label", "proposed", "other", "confidence", "detail"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIEN_LICENCE", "MIEN_TRAITS"):
        monkeypatch.delenv(name, raising=False)


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_it_prints_a_line_a_finding_and_the_sum_at_the_end(mien: Mien, dirty: Path) -> None:
    ran = mien("check", dirty, "--json", "--detector", "mtcnn")
    assert ran.code == 0
    *findings, last = ran.lines
    assert all(line.keys() >= FIELDS for line in findings)
    assert last["photos"] == 27
    assert last["rejected"] == 2
    assert last["counts"] == {"Eileen Collins": 12, "Grace Hopper": 15}
    assert sum(last["findings"].values()) == len(findings)
    assert last["findings"]["no-face"] == 1
    assert last["report"] is None
    assert last["journal"] is None
    assert last["detector"] == "mtcnn"


def test_it_tells_a_person_the_worst_of_each_kind_and_what_to_do(mien: Mien, dirty: Path) -> None:
    ran = mien("check", dirty)
    assert "27 photos of 2 labels, 2 without a face to learn from" in ran.out
    assert "1  no-face: no face was found" in ran.out
    assert "Grace Hopper/coffee.png" in ran.out
    assert f"mien check {dirty} --report check.html" in ran.out
    assert len(ran.out.splitlines()) < 60


def test_quiet_says_nothing_but_the_result(mien: Mien, dirty: Path) -> None:
    assert mien("check", dirty, "--quiet").err == ""


def test_page_and_verdicts_are_written_where_asked(mien: Mien, dirty: Path, tmp_path: Path) -> None:
    page, table = tmp_path / "new" / "check.html", tmp_path / "verdicts.csv"
    before = listing(dirty)
    ran = mien("check", dirty, "--report", page, "--verdicts", table, "--json")
    assert (ran.last["report"], ran.last["verdicts"]) == (str(page), str(table))
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    proposed = {(each.path, each.verdict, each.kind) for each in read_verdicts(table)}
    assert ("Grace Hopper/broken.jpg", "drop", "unreadable") in proposed
    about = [line for line in ran.lines[:-1] if line["path"] is not None]
    assert len(read_verdicts(table)) == len(about)
    assert listing(dirty) == before


def test_what_it_proposes_can_be_followed(mien: Mien, dirty: Path, tmp_path: Path) -> None:
    table = tmp_path / "verdicts.csv"
    mien("check", dirty, "--verdicts", table)
    ran = mien("clean", dirty, "--verdicts", table, "--json")
    assert ran.code == 0
    assert ran.last["dropped"] >= 3
    again = mien("check", dirty, "--json").last
    assert again["rejected"] == 0
    assert "copy" not in again["findings"]


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    mien: Mien, dirty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FeatureExtractor, "__call__", None)
    (tmp_path / "file").write_text("")
    for option in ("--report", "--verdicts"):
        ran = mien("check", dirty, option, tmp_path / "file" / "below")
        assert ran.code == 1
        assert "could not be written" in ran.err


@pytest.mark.parametrize("option", ["--report", "--verdicts"])
def test_nothing_is_written_over_the_data_or_in_place_of_a_folder(
    mien: Mien, dirty: Path, tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FeatureExtractor, "__call__", None)
    table = tmp_path / "labels.csv"
    table.write_text("filename,label\n02.jpg,a\n03.jpg,b\n")
    before = table.read_bytes()
    grace = dirty / "Grace Hopper"
    for words in (["check", table, "--images", grace], ["check", grace, "--labels", table]):
        ran = mien(*words, option, table)
        assert ran.code == 1
        assert "choose another name" in ran.err
    assert table.read_bytes() == before
    assert "is a folder" in mien("check", dirty, option, tmp_path).err


def test_page_and_verdicts_are_not_written_over_each_other(mien: Mien, dirty: Path, tmp_path: Path) -> None:
    ran = mien("check", dirty, "--report", tmp_path / "x", "--verdicts", tmp_path / "x")
    assert ran.code == 1
    assert "another output" in ran.err
    assert not (tmp_path / "x").exists()


def test_what_it_says_to_type_next_can_be_typed(mien: Mien, dirty: Path, tmp_path: Path) -> None:
    named = dirty.rename(tmp_path / "my photos")
    verdicts, page = tmp_path / "my verdicts.csv", tmp_path / "page.html"
    ran = mien("check", named, "--verdicts", verdicts)
    command, *words = shlex.split(ran.out.partition("then run: ")[2])
    assert command == "mien"
    assert mien(*words).code == 0
    table = tmp_path / "labels.csv"
    table.write_text("filename,label\n03.jpg,a\n04.jpg,b\n")
    images = named / "Eileen Collins"
    shutil.copy(images / "03.jpg", images / "04.jpg")
    ran = mien("check", table, "--images", images, "--report", page, "--verdicts", verdicts)
    typed = shlex.join(["mien", "train", str(table), "--images", str(images), "--verdicts"])
    assert typed in ran.out
    assert "<code>mien train" in page.read_text("utf-8")


def test_a_second_run_looks_at_new_photos_only(
    mien: Mien, dirty: Path, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mien("check", dirty)
    known = (album / "held-out" / "Grace Hopper" / "14.jpg").read_bytes()
    (dirty / "Grace Hopper" / "new.jpg").write_bytes(known + b"new")  # a file that no other test has checked
    looked_at: list[str] = []
    before = FeatureExtractor.__call__

    def watched(self: FeatureExtractor, batch: Any, /) -> Any:
        looked_at.extend(ref.key for ref in batch)
        return before(self, batch)

    monkeypatch.setattr(FeatureExtractor, "__call__", watched)
    assert mien("check", dirty, "--json").last["photos"] == 28
    # What could not be read is tried anew, since that may have been the machine's fault.
    assert sorted(looked_at) == ["Grace Hopper/broken.jpg", "Grace Hopper/new.jpg"]  # by several workers at once


def test_without_the_cache_everything_is_looked_at(mien: Mien, dirty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = mien("check", dirty, "--json").lines[:-1]
    assert mien("check", dirty, "--json", "--no-cache").lines[:-1] == first


def test_photos_without_labels_are_looked_at(mien: Mien, album: Path) -> None:
    ran = mien("check", album / "inbox", "--json")
    assert ran.last["photos"] == 15
    assert ran.last["labels_are"] is None
    assert "no photo has a label" in ran.err


def test_a_table_labels_the_photos(mien: Mien, dirty: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = [f"{path.name},{path.parent.name}" for path in sorted((dirty / "Eileen Collins").iterdir())]
    table.write_text("\n".join(["filename,label", *rows]))
    ran = mien("check", table, "--images", dirty / "Eileen Collins", "--json")
    assert ran.last["counts"] == {"Eileen Collins": 12}


@pytest.fixture
def street(album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos of which two are found to show no mask as it should be worn."""
    folder = tmp_path / "street"
    folder.mkdir()
    for path in sorted((album / "inbox").glob("0*.jpg")):
        shutil.copy(path, folder)
    names = listing(folder)
    found = [
        Finding(Kind.LABEL_SUSPECT, names[0], None, "incorrect", 0.9, "the nose is seen"),
        Finding(Kind.LABEL_SUSPECT, names[1], None, "without_mask", 0.9, "no mask"),
    ]
    monkeypatch.setattr(flow, "mask_findings", lambda _: found)
    return folder


def test_photos_are_filed_by_their_mask_and_taken_back(mien: Mien, street: Path) -> None:
    before = listing(street)
    ran = mien("check", street, "--expect", "mask", "--move", "--json")
    assert ran.code == 0
    assert ran.last["moved"] == 2
    assert f"incorrect/{before[0]}" in listing(street)
    assert f"without_mask/{before[1]}" in listing(street)
    mien("undo", ran.last["journal"])
    assert [name for name in listing(street) if not name.startswith(".mien")] == before


def test_nothing_is_moved_unless_asked(mien: Mien, street: Path) -> None:
    before = listing(street)
    ran = mien("check", street, "--expect", "mask", "--json")
    assert ran.last["moved"] is None
    assert {line["proposed"] for line in ran.lines[:-1]} >= {"incorrect", "without_mask"}
    assert listing(street) == before


def test_move_needs_something_to_be_expected(mien: Mien, street: Path) -> None:
    ran = mien("check", street, "--move")
    assert ran.code == 1
    assert "--move needs --expect mask" in ran.err


def test_move_needs_files(mien: Mien, street: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("filename,label\n" + "\n".join(f"{name},a" for name in listing(street)))
    ran = mien("check", table, "--images", street, "--expect", "mask", "--move")
    assert ran.code == 1
    assert "files cannot be moved" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--expect", "hat"], "use mask"), (["--faces", "half"], "use 'find' or 'cut'"), (["--detector", "eye"], "eye")],
)
def test_a_word_that_means_nothing_is_refused(mien: Mien, dirty: Path, words: list[str], said: str) -> None:
    ran = mien("check", dirty, *words)
    assert ran.code == 1
    assert said in ran.err


def test_a_name_that_would_write_to_the_terminal_is_spelt_out(mien: Mien, dirty: Path) -> None:
    (dirty / "Grace Hopper" / "coffee.png").rename(dirty / "Grace Hopper" / "a\x1b[31m.png")
    ran = mien("check", dirty)
    assert "\x1b" not in ran.out
    assert "\\x1b[31m.png" in ran.out
