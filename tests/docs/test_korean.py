"""The Korean README is the English one in Korean: the same parts, commands, pictures and tables."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, blocks

ENGLISH, KOREAN = ROOT / "README.md", ROOT / "README.ko.md"


def test_the_code_blocks_are_the_same() -> None:
    assert list(blocks(KOREAN)) == list(blocks(ENGLISH))


def test_headings_pictures_rows_and_list_items_are_equally_many() -> None:
    for part in (r"^#+ ", r"^!\[", r"^\|", r"^- "):
        counts = [len(re.findall(part, page.read_text("utf-8"), flags=re.M)) for page in (ENGLISH, KOREAN)]
        assert counts[0] == counts[1], part


def test_both_state_the_same_figures() -> None:
    texts = [re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S) for page in (ENGLISH, KOREAN)]
    figures = [set(re.findall(r"\d+(?:\.\d+)+|\d{3,}", text)) for text in texts]
    assert figures[0] == figures[1]
