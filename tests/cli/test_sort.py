"""`mien sort` and `mien undo`, killed runs among them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import Mien


@pytest.fixture
def inbox(album: Path, tmp_path: Path) -> Path:
    """A messy folder that may be changed."""
    return Path(shutil.copytree(album / "inbox", tmp_path / "inbox"))


def _contents(folder: Path) -> dict[str, str]:
    """Every file below a folder that is not mien's own, by its path."""
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".mien" not in path.relative_to(folder).parts
    }


def _hashes(*folders: Path) -> list[str]:
    return sorted(digest for folder in folders for digest in _contents(folder).values())


def test_a_dry_run_prints_the_plan_and_touches_nothing(mien: Mien, people: Path, inbox: Path, tmp_path: Path) -> None:
    before = _contents(tmp_path)
    ran = mien("sort", people, inbox, tmp_path / "sorted", "--dry-run", "--json")
    assert ran.code == 0
    assert (ran.last["planned"], ran.last["done"], ran.last["journal"]) == (15, 0, None)
    assert all({"source", "target", "action", "label"} <= line.keys() for line in ran.lines[:-1])
    assert len(ran.lines) == 16
    assert _contents(tmp_path) == before
    assert not (tmp_path / "sorted").exists()


@pytest.mark.parametrize("mode", ["copy", "link", "move"])
def test_photos_are_filed_and_put_back(mien: Mien, people: Path, inbox: Path, tmp_path: Path, mode: str) -> None:
    before = _contents(inbox)
    target = tmp_path / "sorted"
    ran = mien("sort", people, inbox, target, "--mode", mode, "--json")
    assert ran.code == 0
    assert {"planned", "done", "unknown", "rejected", "journal"} <= ran.last.keys()
    assert (ran.last["planned"], ran.last["done"], ran.last["rejected"]) == (15, 15, 3)
    filed = _contents(target)
    assert sorted(filed.values()) == sorted(before.values())
    assert {path.split("/")[0] for path in filed} <= {"Eileen Collins", "Grace Hopper", "unknown", "rejected"}
    assert sum(path.startswith("rejected/") for path in filed) == 3
    assert sum(path.startswith("Grace Hopper/1") for path in filed) == 6 - sum(p.startswith("unknown/1") for p in filed)
    assert _contents(inbox) == ({} if mode == "move" else before)
    undone = mien("undo", ran.last["journal"], "--json")
    assert undone.code == 0
    assert (undone.last["undone"], undone.last["failed"]) == (15, 0)
    assert _contents(inbox) == before
    assert _contents(target) == {}


def test_a_second_run_files_nothing_twice(mien: Mien, people: Path, inbox: Path, tmp_path: Path) -> None:
    mien("sort", people, inbox, tmp_path / "sorted", "--quiet")
    before = _contents(tmp_path / "sorted")
    ran = mien("sort", people, inbox, tmp_path / "sorted", "--json")
    assert (ran.last["planned"], ran.last["kept"]) == (0, 15)
    assert _contents(tmp_path / "sorted") == before


def test_photos_filed_under_another_label_before_are_told(
    mien: Mien, people: Path, inbox: Path, tmp_path: Path
) -> None:
    mien("sort", people, inbox, tmp_path / "sorted", "--quiet")
    renamed = Path(shutil.copytree(people, tmp_path / "renamed.mien"))
    manifest = json.loads((renamed / "bundle.json").read_text())
    manifest["head"]["labels"] = ["E. Collins", "Grace Hopper"]
    (renamed / "bundle.json").write_text(json.dumps(manifest))
    ran = mien("sort", renamed, inbox, tmp_path / "sorted")
    assert "6 photos filed before under another label than now" in ran.err
    assert "nothing to do" in ran.out


def test_nothing_is_ever_overwritten(mien: Mien, people: Path, inbox: Path, tmp_path: Path) -> None:
    mine = tmp_path / "sorted" / "rejected" / "coffee.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    mien("sort", people, inbox, tmp_path / "sorted", "--mode", "move", "--quiet")
    assert mine.read_text() == "mine"
    assert (mine.parent / "coffee-1.png").exists()


def test_a_target_inside_of_the_source_is_not_sorted_again(mien: Mien, people: Path, inbox: Path) -> None:
    assert mien("sort", people, inbox, inbox / "sorted", "--json").last["planned"] == 15
    assert mien("sort", people, inbox, inbox / "sorted", "--json").last["planned"] == 0


def test_a_mode_that_there_is_not_is_refused(mien: Mien, people: Path, inbox: Path, tmp_path: Path) -> None:
    ran = mien("sort", people, inbox, tmp_path / "x", "--mode", "burn")
    assert ran.code == 1
    assert "use copy, link, move" in ran.err


def test_an_empty_inbox_is_no_failure_and_a_missing_one_is(mien: Mien, people: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = mien("sort", people, tmp_path / "empty", tmp_path / "sorted", "--json")
    assert (ran.code, ran.last["planned"], ran.last["journal"]) == (0, 0, None)
    assert mien("sort", people, tmp_path / "gone", tmp_path / "sorted").code == 1


def test_undo_of_what_is_no_journal_says_so(mien: Mien, inbox: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "gone.jsonl", inbox / "coffee.png"):
        ran = mien("undo", path)
        assert ran.code == 1
        assert ran.err.startswith("mien: ")


@pytest.mark.parametrize("attempt", range(4))
def test_a_killed_move_loses_nothing_and_the_next_run_or_undo_finishes(
    mien: Mien, people: Path, inbox: Path, tmp_path: Path, attempt: int
) -> None:
    for i in range(40):
        for name in ("coffee.png", "013.jpg", "113.jpg"):
            data = (inbox / name).read_bytes()
            (inbox / f"{i:03d}-{name}").write_bytes(data + bytes([i]))
    before, target = _contents(inbox), tmp_path / "sorted"
    mien("sort", people, inbox, target, "--dry-run", "--quiet")  # so that the vectors are in the cache
    command = [sys.executable, "-c", "from mien.cli import main; main()", "sort"]
    child = subprocess.Popen(
        [*command, str(people), str(inbox), str(target), "--mode", "move", "--quiet"], start_new_session=True
    )
    deadline = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < deadline and not list(target.glob("*/*")):
        time.sleep(0.0005)
    time.sleep(0.004 * attempt)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert sorted(set(_hashes(inbox, target))) == sorted(set(before.values()))
    if attempt % 2:
        assert mien("sort", people, inbox, target, "--mode", "move", "--quiet").code == 0
        assert _contents(inbox) == {}
        assert _hashes(target) == sorted(before.values())
    for journal in sorted((target / ".mien").glob("*.jsonl"), reverse=True):
        assert mien("undo", journal, "--quiet").code == 0
    assert _contents(inbox) == before
    assert _contents(target) == {}


def test_several_journals_are_taken_back_the_newest_first(
    mien: Mien, people: Path, inbox: Path, album: Path, tmp_path: Path
) -> None:
    target = tmp_path / "sorted"
    mien("sort", people, inbox, target, "--quiet")
    shutil.copy(album / "photos" / "Grace Hopper" / "00.jpg", inbox / "late.jpg")
    mien("sort", people, inbox, target, "--quiet")
    journals = sorted((target / ".mien").glob("*.jsonl"))
    ran = mien("undo", *journals, "--json")
    assert ran.code == 0
    assert [line["undone"] for line in ran.lines] == [1, 15]
    assert _contents(target) == {}
    assert [path.name for path in target.iterdir()] == [".mien"]


def test_what_is_left_alone_is_named_even_when_quiet(mien: Mien, people: Path, inbox: Path, tmp_path: Path) -> None:
    journal = mien("sort", people, inbox, tmp_path / "sorted", "--json").last["journal"]
    changed = next(path for path in (tmp_path / "sorted").rglob("coffee.png"))
    changed.write_bytes(b"edited")
    ran = mien("undo", journal, "--quiet")
    assert ran.code == 1
    assert "left alone" in ran.err
    assert changed.read_bytes() == b"edited"
