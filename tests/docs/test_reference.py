"""The reference has a page for every command, with all of its options and fields and no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from mien.cli.app import app
from tests.docs.pages import ROOT, blocks, section

REFERENCE = ROOT / "docs" / "reference"
OTHER_PAGES = {"bundle", "environment", "exit-codes", "python", "rest"}

_OPTION = re.compile(r"--[a-z][a-z-]*")


def verbs() -> dict[str, set[str]]:
    """Every verb -> the names of its options and of those of its subcommands."""
    return {
        verb: {
            name
            for command in _with_subcommands(top)
            for option in command.params
            for name in option.opts
            if name.startswith("--")
        }
        for verb, top in typer.main.get_command(app).commands.items()  # type: ignore[attr-defined]
    }


def _with_subcommands(command: Any) -> list[Any]:
    """A command and all commands below it."""
    below = getattr(command, "commands", {}).values()
    return [command, *(deeper for subcommand in below for deeper in _with_subcommands(subcommand))]


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_the_page_lists_the_options_of_the_verb(verb: str) -> None:
    page = REFERENCE / f"{verb}.md"
    rows = [line for line in section(page, "Options").splitlines() if line.startswith("| `-")]
    written = {option for row in rows for option in _OPTION.findall(row.split("|")[1])}
    assert written == verbs()[verb]


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_every_page_runs_its_verb_with_json(verb: str) -> None:
    commands = [command for block in blocks(REFERENCE / f"{verb}.md") for command in block.commands]
    assert any(command.startswith(f"mien {verb}") and "--json" in command for command in commands)


def test_the_reference_has_no_page_for_a_command_that_was_removed() -> None:
    assert {page.stem for page in REFERENCE.glob("*.md")} == OTHER_PAGES | set(verbs())


def test_the_index_links_to_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(page for page in pages if page != "index.md" and f"({page})" not in index) == []


def test_the_environment_page_lists_every_variable() -> None:
    known = set(re.findall(r'"(MIEN_\w+)"', Path(ROOT / "src" / "mien" / "config.py").read_text("utf-8")))
    page = (REFERENCE / "environment.md").read_text("utf-8")
    assert known == set(re.findall(r"^## `(MIEN_\w+)`$", page, flags=re.M))
