"""The reference has a page for every verb, with all of its options and fields, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from mien.cli.app import app
from tests.docs.pages import ROOT, blocks, section

REFERENCE = ROOT / "docs" / "reference"
NOT_A_VERB = {"bundle", "environment", "exit-codes", "python", "rest"}

_options = re.compile(r"--[a-z][a-z-]*")


def verbs() -> dict[str, list[set[str]]]:
    """Every verb -> the option names of it, or of each of its subcommands."""
    found = {}
    for verb, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        found[verb] = [
            {name for option in each.params for name in option.opts if name.startswith("--")}
            for each in _below(command)
        ]
    return found


def _below(command: Any) -> list[Any]:
    """A command, and all that are below it."""
    return [command, *(deeper for each in getattr(command, "commands", {}).values() for deeper in _below(each))]


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_the_options_on_the_page_are_those_of_the_program(verb: str) -> None:
    page = REFERENCE / f"{verb}.md"
    rows = [line for line in section(page, "Options").splitlines() if line.startswith("| `-")]
    written = {option for row in rows for option in _options.findall(row.split("|")[1])}
    assert written == set().union(*verbs()[verb])


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_the_fields_of_every_verb_are_shown_by_running_it(verb: str) -> None:
    commands = [command for block in blocks(REFERENCE / f"{verb}.md") for command in block.commands]
    assert any(command.startswith(f"mien {verb}") and "--json" in command for command in commands)


def test_every_page_of_the_reference_is_about_something_that_is_there() -> None:
    assert {page.stem for page in REFERENCE.glob("*.md")} == NOT_A_VERB | set(verbs())


def test_the_map_leads_to_every_page() -> None:
    map_of_pages = (ROOT / "docs" / "index.md").read_text("utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(page for page in pages if page != "index.md" and f"({page})" not in map_of_pages) == []


def test_the_environment_page_names_what_the_environment_may_set() -> None:
    known = set(re.findall(r'"(MIEN_\w+)"', Path(ROOT / "src" / "mien" / "config.py").read_text("utf-8")))
    page = (REFERENCE / "environment.md").read_text("utf-8")
    assert known == set(re.findall(r"^## `(MIEN_\w+)`$", page, flags=re.M))
