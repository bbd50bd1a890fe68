"""The pages of the documentation, split into blocks that can be run and checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^\n]*?) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the HTML comment on the line before it ("" if there is none)."""

    language: str
    text: str
    mark: str

    @property
    def commands(self) -> list[str]:
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]

    @property
    def output(self) -> list[str]:
        """The lines that the page shows as printed; `...` stands for more of them."""
        return [line for line in self.text.splitlines() if line.strip() not in ("", "...") and line[:2] != "$ "]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for match in _BLOCK.finditer(page.read_text("utf-8")):
        yield Block(match["language"], match["text"], match["mark"] or "")


def name(page: Path) -> str:
    """A page as a test's id."""
    return page.relative_to(ROOT).as_posix()


def section(page: Path, heading: str) -> str:
    """The text under a heading of a page, up to the next heading of any level."""
    parts = re.split(rf"^#+ {re.escape(heading)}$", page.read_text("utf-8"), flags=re.M)
    return re.split(r"^#+ ", parts[1], flags=re.M)[0] if len(parts) > 1 else ""
