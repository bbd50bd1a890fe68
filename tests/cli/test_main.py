"""The program as a whole: exit codes, one sentence for every failure, no traceback."""

from __future__ import annotations

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
