"""Wording: what others have written can be printed, and stays what it is where it was harmless."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mien.text import (
    MAX_NAME_BYTES,
    escape,
    folder_names,
    join_names,
    original_stem,
    parse_variant,
    pluralize,
    safe_name,
    variant_name,
)


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


@pytest.mark.parametrize(
    "label", ["Ana", "Grace Hopper", "김민지", "Ana María", "O'Neil", "王小明", "with_mask", "s1", "😀"]
)
def test_a_name_that_can_stand_is_kept(label: str) -> None:
    assert safe_name(label) == label


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("../../etc", "__.._etc"),
        ("/etc/passwd", "_etc_passwd"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        ("   ", "_"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("COM1", "_COM1"),
        ("Ana...", "Ana"),
        ("Ana. ", "Ana"),
        (".hidden", "_hidden"),
        (".mien", "_mien"),
        ("a\0b", "a_b"),
        ("a\nb", "a_b"),
        ('a<b>:"|?*\\c', "a_b_______c"),
        ("\u202egpj.exe", "_gpj.exe"),
        ("\udcff", "_"),
    ],
)
def test_a_name_that_cannot_stand_is_changed_as_little_as_can_be(label: str, name: str) -> None:
    assert safe_name(label) == name


def test_a_decomposed_name_is_the_same_folder_as_a_composed_one() -> None:
    assert safe_name(unicodedata.normalize("NFD", "김민지")) == "김민지"


@given(some.text(max_size=300))
def test_any_label_is_one_plain_folder_name(label: str) -> None:
    name = safe_name(label)
    assert name
    assert len(name.encode()) <= MAX_NAME_BYTES + 1
    assert name not in (".", "..")
    assert not set(name) & set('/\\\0:*?"<>|')
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert safe_name(name) == name


@given(
    some.sets(
        some.sampled_from(["A/B", "A_B", "a_b", "A:B", "A?B", "A_B-1", "unknown", "Unknown", "UNKNOWN ", "", "."])
    )
)
def test_labels_never_share_a_folder_whatever_their_order(labels: set[str]) -> None:
    names = folder_names(sorted(labels), reserved=["unknown"])
    assert set(names) == labels
    assert len({name.casefold() for name in [*names.values(), "unknown"]}) == len(labels) + 1
    assert folder_names(sorted(labels, reverse=True), reserved=["unknown"]) == names


def test_the_label_that_is_a_name_already_keeps_it() -> None:
    assert folder_names(["A/B", "A_B"]) == {"A_B": "A_B", "A/B": "A_B-1"}


@given(some.text(min_size=1), some.integers(0, 5000))
def test_a_variant_is_known_by_its_name(stem: str, number: int) -> None:
    name = variant_name(stem, number)
    assert parse_variant(name) == (stem, number)
    assert original_stem(name) == original_stem(stem)


@pytest.mark.parametrize("stem", ["x", "IMG~1", "x~", "~07", "x-face", "-face1", "x~0a", "x~7"])
def test_names_that_only_look_a_little_like_it_are_no_variants(stem: str) -> None:
    assert parse_variant(stem) is None
    assert original_stem(stem) == stem


def test_a_family_is_named_after_its_photo() -> None:
    assert {original_stem(stem) for stem in ("x", "x~00", "x~1023", "x-face12", "x-face1~07", "x~01~02")} == {"x"}
    assert original_stem("x.png~00") == "x.png"
