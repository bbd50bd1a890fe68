"""The program as a whole: exit codes, one sentence for every failure, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mien import __version__
from tests.conftest import Mien

VERBS = ["look", "align", "embed", "train", "evaluate", "classify", "sort", "undo", "verify", "demo"]


@pytest.mark.parametrize("verb", [*VERBS, "models", "benchmark"])
def test_every_verb_explains_itself(mien: Mien, verb: str) -> None:
    ran = mien(verb, "--help")
    assert ran.code == 0
    assert "Usage:" in ran.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_speaks_json_and_can_be_quiet(mien: Mien, verb: str) -> None:
    text = mien(verb, "--help").out
    assert "--json" in text
    assert "--quiet" in text


def test_the_version_is_printed(mien: Mien) -> None:
    assert mien("--version").out.strip() == f"mien {__version__}"


@pytest.mark.parametrize(
    "arguments", [["fly"], ["look"], ["look", "--colour", "x"], ["train", "x"], ["look", "x", "--min-face", "one"]]
)
def test_wrong_usage_is_exit_code_two(mien: Mien, arguments: list[str]) -> None:
    assert mien(*arguments).code == 2


def test_a_failure_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from mien.cli import main; main()"]
    ran = subprocess.run(
        [*command, "train", "gone", "--out", "x.mien"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr == "mien: there is no file or folder gone\n"


def test_an_output_that_nobody_reads_to_the_end_is_no_accident(album: Path, models_home: Path) -> None:
    look = f"{sys.executable} -c 'from mien.cli import main; main()' look '{album}/inbox' --json"
    ran = subprocess.run(["sh", "-c", f"{look} | head -n 1"], capture_output=True, text=True, check=False)
    assert ran.stdout.count("\n") == 1
    assert "Traceback" not in ran.stderr


def test_the_licence_gate_holds_for_every_verb(
    mien: Mien, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    ran = mien("align", album / "originals", tmp_path / "x", "--view", "openface")
    assert ran.code == 1
    assert "dlib-landmarks-68" in ran.err
    assert mien("align", album / "originals", tmp_path / "y", "--view", "dlib", "--quiet").code == 0


def test_the_demo_runs_from_end_to_end(mien: Mien, tmp_path: Path) -> None:
    ran = mien("demo", tmp_path / "demo", "--json")
    assert ran.code == 0
    assert "says nothing about accuracy" in " ".join(ran.err.split()) or "say nothing about accuracy" in ran.err
    assert (ran.last["faces"], ran.last["rejected"]) == (2, 3)
    assert (tmp_path / "demo" / "report.html").exists()
    assert len(list((tmp_path / "demo" / "look").iterdir())) == 2
    assert mien("demo", tmp_path / "demo").code == 1


def test_ctrl_c_ends_at_once_and_leaves_nothing_half_written(album: Path, models_home: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from mien.cli import main; main()",
        "align",
        str(album / "photos"),
        str(tmp_path / "x"),
    ]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("x/*/*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=30)
    assert child.returncode in (0, 130)
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("*.part"))


_LONG = "x" * 300


@pytest.mark.parametrize("verb", ["look", "train", "classify", "evaluate", "sort", "align", "embed", "verify", "undo"])
def test_a_path_that_cannot_be_is_one_sentence(mien: Mien, people: Path, tmp_path: Path, verb: str) -> None:
    arguments: dict[str, list[object]] = {
        "look": [_LONG],
        "train": [_LONG, "--out", tmp_path / "x.mien"],
        "classify": [people, _LONG],
        "evaluate": [people, _LONG],
        "sort": [people, _LONG, tmp_path / "x"],
        "align": [_LONG, tmp_path / "x"],
        "embed": [_LONG, tmp_path / "x"],
        "verify": [_LONG, _LONG],
        "undo": [_LONG],
    }
    ran = mien(verb, *arguments[verb])
    assert ran.code == 1
    assert len([line for line in ran.err.splitlines() if line.startswith("mien: ")]) == 1
    assert "Traceback" not in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bundle", [_LONG, "file", "file/x.mien"])
def test_a_bundle_that_cannot_be_is_one_sentence(mien: Mien, album: Path, tmp_path: Path, bundle: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    ran = mien("classify", tmp_path / bundle, album / "originals")
    assert ran.code == 1
    assert ran.err.startswith("mien: ")
    assert ran.err.count("\n") == 1


def test_a_file_is_no_folder_to_file_photos_into(mien: Mien, people: Path, album: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"dear")
    ran = mien("sort", people, album / "inbox", tmp_path / "file", "--quiet")
    assert ran.code == 1
    assert ran.err == f"mien: {tmp_path / 'file'} is a file: choose a folder\n"
    assert (tmp_path / "file").read_bytes() == b"dear"


def test_a_bundle_that_cannot_be_written_is_told_before_the_work(mien: Mien, album: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    ran = mien("train", album / "photos", "--out", tmp_path / "file" / "x.mien", "--quiet")
    assert ran.code == 1
    assert "could not be written (Not a directory)" in ran.err


def test_what_the_system_refuses_is_one_sentence_too(mien: Mien, album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied", "/private/\x1b[31mphotos")

    monkeypatch.setattr("mien.data.sources.photos", refuse)
    ran = mien("look", album, "--quiet")
    assert ran.code == 1
    assert ran.err.startswith(r"mien: /private/\x1b[31mphotos: Permission denied; ")
    assert ran.err.count("\n") == 1


def test_a_threshold_that_is_no_number_is_one_sentence(mien: Mien, album: Path) -> None:
    photo = next((album / "originals").iterdir())
    ran = mien("verify", photo, photo, "--threshold", "nan", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "mien: a threshold of nan is not a distance: give a number above 0, such as 0.41\n"


def test_photos_of_any_name_are_planned_on_a_strict_terminal(album: Path, people: Path, tmp_path: Path) -> None:
    names = [b"caf\xe9.jpg", b"two\nlines.jpg", b"\x1b[31mred.jpg"]
    (tmp_path / "in").mkdir()
    data = (album / "originals" / "Grace Hopper.jpg").read_bytes()
    for name in names:
        (tmp_path / "in" / os.fsdecode(name)).write_bytes(data)
    sort = [sys.executable, "-c", "from mien.cli import main; main()", "sort", str(people), "in", "out", "--dry-run"]
    for more in ([], ["--json"]):
        ran = subprocess.run(
            [*sort, *more],
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
            capture_output=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr.decode()
        assert len(ran.stdout.decode().splitlines()) == len(names) + 1
        assert b"\x1b" not in ran.stdout
