"""Every command and every piece of Python in the documentation runs, and prints what the page shows."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import BuildOnce
from tests.docs.pages import PAGES, ROOT, Block, blocks, name
from tests.docs.program import Finished, run_mien, run_python

SLOW = {f"docs/guides/{page}.md" for page in ("augment", "finetune", "train-a-network")}
"""Pages that train networks."""
RUNNABLE = [
    pytest.param(page, id=name(page), marks=[pytest.mark.slow] if name(page) in SLOW else [])
    for page in PAGES
    if any(block.language in ("console", "python") for block in blocks(page))
]
KEYED_BY_LABEL = frozenset({"counts", "reasons", "tar_at_far", "per_class", "scores"})
"""Fields whose keys are labels or the like, and no names of fields."""
TIMEOUT_SECONDS = 300


@pytest.fixture(scope="session")
def home(build_once: BuildOnce) -> Path:
    """A cache folder for all pages, of somebody who has downloaded nothing."""
    return build_once("reader-home", Path.is_dir)


@pytest.fixture
def demo_folder(album: Path, people: Path, tmp_path: Path) -> Path:
    """The folder that a reader of the pages works in: what `mien demo` makes, before anything was sorted."""
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
    """Types what a page says, and checks that it does what the page says."""

    def __init__(self, folder: Path, home: Path, *, compares: bool) -> None:
        self.folder = folder
        self.environment = environment(home, folder.parent / "gallery.sqlite")
        self.compares = compares

    def follow(self, block: Block) -> str:
        """Do what a block says -> what its commands with --json printed on stdout."""
        if block.mark.startswith("file: "):
            (self.folder / block.mark.removeprefix("file: ")).write_text(block.text, "utf-8")
        if block.mark.startswith("not run"):
            assert re.fullmatch(r"not run: \w.+", block.mark), f"say why it is not run: {block.text}"
            return ""
        if block.language == "python":
            check(block.text, run_python(block.text, self.folder, self.environment, TIMEOUT_SECONDS), 0)
        if block.language != "console":
            return ""
        expected = int(block.mark.startswith("fails"))
        results = {command: check(command, self.type(command), expected) for command in block.commands}
        printed = [shape(line) for result in results.values() for line in (result.out + result.err).splitlines()]
        for line in block.output if self.compares else ():
            assert shape(line) in printed, f"the page shows {line!r}, and this was printed: {printed}"
        return "".join(result.out for command, result in results.items() if "--json" in command)

    def type(self, command: str) -> Finished:
        """Run a command as a shell would."""
        if command.startswith("cd "):
            self.folder = self.folder / command[3:]
            return Finished(0 if self.folder.is_dir() else 1, "", "")
        words = shlex.split(command)
        settings = {}
        while "=" in words[0]:
            key, _, value = words.pop(0).partition("=")
            settings[key] = value
        if words[0] == "mien" and not set(command) & set("|<>;&$`"):
            arguments = [path for word in words[1:] for path in self._expand(word)]
            return run_mien(arguments, self.folder, self.environment | settings, TIMEOUT_SECONDS)
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def _expand(self, word: str) -> list[str]:
        """The files that a pattern such as `*.jpg` matches, or the word itself."""
        if not set(word) & set("*?["):
            return [word]
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob(word)) or [word]


def check(command: str, finished: Finished, expected: int) -> Finished:
    """Fail unless a command ended with the expected exit code and without a traceback."""
    assert finished.code == expected, f"{command}\nended with {finished.code}\n{finished.out}\n{finished.err}"
    assert "Traceback" not in finished.err, finished.err
    return finished


def fields(value: Any) -> Iterator[str]:
    """The names of all fields in a JSON value."""
    if isinstance(value, list):
        for item in value:
            yield from fields(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            inner = list(item.values()) if key in KEYED_BY_LABEL and isinstance(item, dict) else item
            yield from fields(inner)


@pytest.mark.parametrize("page", RUNNABLE)
def test_commands_do_what_the_page_says(page: Path, demo_folder: Path, home: Path) -> None:
    # The README shows a run on photos of twenty people, which are not part of the project.
    reader = Reader(demo_folder, home, compares=page != ROOT / "README.md")
    text = page.read_text("utf-8")
    for block in blocks(page):
        printed = reader.follow(block)
        if page.parent.name == "reference":
            names = {key for line in printed.splitlines() for key in fields(json.loads(line))}
            assert sorted(key for key in names if f"`{key}`" not in text) == []


def test_every_shell_command_is_in_a_block_that_is_run() -> None:
    hidden = [
        f"{name(page)}: {block.text.splitlines()[0]}"
        for page in PAGES
        for block in blocks(page)
        if block.language in ("bash", "sh", "shell") or (block.language == "console" and not block.commands)
    ]
    assert hidden == []
