"""Links work, and documents, contracts and commands agree with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import mien
from tests.house.source import PACKAGE, ROOT, room, sources

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def text_of(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_within_the_project_work(page: Path) -> None:
    broken = []
    for link in LINK.findall(text_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        where, _, anchor = link.partition("#")
        target = (page.parent / where).resolve() if where else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_architecture_page_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rooms = {room(name) for name in sources()} - {"__init__"}
    assert sorted(name for name in rooms if f"`{name}`" not in page) == []


def test_every_room_is_in_one_row_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (rows,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = [name.strip() for row in rows for name in row.split("|")]
    assert sorted(named) == sorted({room(name) for name in sources()} - {"__init__"})
    assert PACKAGE.joinpath("py.typed").exists()


def test_the_changelog_starts_with_unreleased_and_has_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert mien.__version__ in versions or versions == ["Unreleased"]


def test_ci_runs_the_commands_of_the_makefile() -> None:
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "make check" in ci
    for target in ("demo", "test", "check", "bench", "venv"):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
