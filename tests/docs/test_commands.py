"""Every command and every piece of Python in the documentation runs, and prints what the page shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import PAGES, ROOT, Block, blocks, name

RUNNABLE = [page for page in PAGES if any(block.language in ("console", "python") for block in blocks(page))]
BY_NAME = frozenset({"counts", "reasons", "tar_at_far", "per_class", "scores"})
"""Fields whose keys are labels or the like."""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for all pages, as of somebody who has downloaded nothing."""
    return tmp_path_factory.mktemp("reader-home")


@pytest.fixture
def desk(album: Path, people: Path, tmp_path: Path) -> Path:
    """The folder in which a reader of the pages sits: what `mien demo` makes, before anything was sorted."""
    folder = tmp_path / "demo"
    shutil.copytree(album, folder)
    shutil.copytree(people, folder / "people.mien")
    return folder


def environment(home: Path, gallery: Path) -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("MIEN_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}"
    return {
        **own,
        "PATH": path,
        "MIEN_HOME": str(home),
        "MIEN_GALLERY": str(gallery),
        "MIEN_SERVICE": str(gallery.parent / "service"),
        "PYTHONWARNINGS": "default",
    }


def shape(text: str) -> str:
    """A line of output without its numbers, since times and last digits differ, and with single spaces."""
    return " ".join(re.sub(r"\d+(\.\d+)?", "#", text).split())


class Reader:
    """Types what a page says, and sees whether it comes out as the page says."""

    def __init__(self, desk: Path, home: Path, *, compares: bool) -> None:
        self.where = desk
        self.environment = environment(home, desk.parent / "gallery.sqlite")
        self.compares = compares

    def read(self, block: Block) -> str:
        """Do what a block says -> what its commands with --json printed on stdout."""
        if block.mark.startswith("file: "):
            (self.where / block.mark.removeprefix("file: ")).write_text(block.text, "utf-8")
        if block.mark.startswith("not run"):
            assert re.fullmatch(r"not run: \w.+", block.mark), f"say why it is not run: {block.text}"
            return ""
        if block.language == "python":
            self._run([sys.executable, "-c", block.text], 0)
        if block.language != "console":
            return ""
        fails = block.mark.startswith("fails")
        done = [self.type(command, int(fails)) for command in block.commands]
        printed = [shape(line) for ran in done for line in (ran.stdout + ran.stderr).splitlines()]
        for line in block.output if self.compares else ():
            assert shape(line) in printed, f"the page shows {line!r}, and this was printed: {printed}"
        return "".join(ran.stdout for ran in done if "--json" in str(ran.args))

    def type(self, command: str, code: int) -> subprocess.CompletedProcess[str]:
        if command.startswith("cd "):
            self.where = self.where / command[3:]
            assert self.where.is_dir(), command
            command = "true"
        return self._run(command, code)

    def _run(self, command: str | list[str], code: int) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            shell=isinstance(command, str),
            cwd=self.where,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{command}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done


def fields(value: Any) -> Iterator[str]:
    """The names of all fields in a JSON value."""
    if isinstance(value, list):
        for item in value:
            yield from fields(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            inner = list(item.values()) if key in BY_NAME and isinstance(item, dict) else item
            yield from fields(inner)


@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_the_page_says_what_happens(page: Path, desk: Path, home: Path) -> None:
    # The README shows a run on photos of twenty people, which are not part of the project.
    reader = Reader(desk, home, compares=page != ROOT / "README.md")
    text = page.read_text("utf-8")
    for block in blocks(page):
        printed = reader.read(block)
        if page.parent.name == "reference":
            found = {key for line in printed.splitlines() for key in fields(json.loads(line))}
            assert sorted(key for key in found if f"`{key}`" not in text) == []


def test_no_command_hides_in_a_block_that_is_not_run() -> None:
    hidden = [
        f"{name(page)}: {block.text.splitlines()[0]}"
        for page in PAGES
        for block in blocks(page)
        if block.language in ("bash", "sh", "shell") or (block.language == "console" and not block.commands)
    ]
    assert hidden == []
