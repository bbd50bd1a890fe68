from __future__ import annotations

import pytest

from mien.evaluate.templating import between, markdown, percent, printable


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"),
        (0.0, "0\u00a0%"),
        (1.0, "100\u00a0%"),
        (0.975, "97.5\u00a0%"),
        (0.9996, "99.96\u00a0%"),
        (0.0004, "0.04\u00a0%"),
    ],
)
def test_a_percentage_never_rounds_to_all_or_nothing(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_an_interval_says_percent_once() -> None:
    assert between((0.951, 0.988)) == "95.1 to 98.8\u00a0%"
    assert between(None) == "–"


def test_control_and_turning_characters_are_replaced_and_letters_kept() -> None:
    assert printable("a\u202egpj.\x00\udcffb\n") == r"a\u202egpj.\x00\xffb\n"
    assert printable("김민수 می\u200cخواهم Zoë") == "김민수 می\u200cخواهم Zoë"
    assert printable(3) == 3


def test_markdown_is_escaped_once() -> None:
    assert markdown("a_b & <i>") == "a\\_b &amp; \\<i\\>"
    assert markdown(0.5) == 0.5
