"""Wording: what others have written can be printed, and stays what it is where it was harmless."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mien.text import escape, join_names, pluralize


@pytest.mark.parametrize(
    "text",
    ["", "a.jpg", "김민수", "می\u200cخواهم", "Zoë", "a b\u00a0c\u3000d", "\U0001f469\u200d\U0001f680", "C:\\new"],
)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines\r", r"two\nlines\r"),
        ("gpj\u202eexe", r"gpj\u202eexe"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_acts_on_a_terminal_is_spelt_out(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_bytes_that_are_not_utf_8_are_spelt_out() -> None:
    assert escape(os.fsdecode(b"caf\xe9.jpg")) == r"caf\xe9.jpg"


@given(some.text(some.characters()))
def test_the_outcome_is_one_line_that_any_unicode_terminal_takes(text: str) -> None:
    shown = escape(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert escape(shown) == shown


def test_notes_name_the_first_few_and_count_the_rest() -> None:
    assert join_names([1, 2, 3, 4, 5]) == "1, 2, 3, 4, 5"
    assert join_names(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert join_names(["a", "b", "c", "d"], most=2) == "a, b and 2 more"
    assert (pluralize(1, "photo"), pluralize(0, "photo"), pluralize(5, "row")) == ("1 photo", "0 photos", "5 rows")
