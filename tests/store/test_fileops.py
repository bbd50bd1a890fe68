"""Comparing what lies at two names: what is not there, and cannot be, is no accident."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.store.fileops import FreeNames, Stamp, has_copy, is_placeholder, is_same_file, is_unchanged

_COMPARE: list[Callable[[Path, Path], bool]] = [is_same_file, has_copy, is_placeholder]


@pytest.mark.parametrize("compare", _COMPARE)
@pytest.mark.parametrize("odd", ["gone", "file/below", "file/deep/below"])
def test_what_cannot_be_there_is_the_same_as_nothing(
    tmp_path: Path, compare: Callable[[Path, Path], bool], odd: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert not compare(tmp_path / odd, tmp_path / "file")
    assert not compare(tmp_path / "file", tmp_path / odd)
    assert not is_unchanged(tmp_path / odd, Stamp(0, 0))


def test_one_file_under_two_names_is_the_same_and_a_copy_is_not(tmp_path: Path) -> None:
    one, other, copy = tmp_path / "one", tmp_path / "other", tmp_path / "copy"
    one.write_bytes(b"photo")
    other.hardlink_to(one)
    copy.write_bytes(b"photo")
    assert is_same_file(one, other)
    assert not is_same_file(one, copy)
    assert has_copy(one, other)
    assert has_copy(one, copy)


def test_a_taken_name_gets_the_next_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a-2.jpg").touch()
    names = FreeNames()
    given = [names.claim(tmp_path / "a.jpg").name for _ in range(3)]
    assert given == ["a-1.jpg", "a-3.jpg", "a-4.jpg"]


def test_names_that_differ_by_capitals_or_unicode_form_only_are_kept_apart(tmp_path: Path) -> None:
    names = FreeNames()
    wanted = ["IMG.JPG", "img.jpg", "민지.jpg", unicodedata.normalize("NFD", "민지.jpg"), "straße.jpg", "STRASSE.jpg"]
    given = [names.claim(tmp_path / name).name for name in wanted]
    assert len({unicodedata.normalize("NFC", name).casefold() for name in given}) == len(wanted)


def test_a_dangling_link_takes_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "nowhere")
    assert FreeNames().claim(tmp_path / "a.jpg").name == "a-1.jpg"


def test_the_longest_name_leaves_room_for_its_suffix(tmp_path: Path) -> None:
    longest = "사" * 83 + "aa.jpg"
    assert len(longest.encode()) == 255
    (tmp_path / longest).touch()
    second = FreeNames().claim(tmp_path / longest)
    second.touch()
    assert second.name.endswith("-1.jpg")
    assert len(os.fsencode(second.name)) <= 255


def test_ten_thousand_files_of_one_name_are_named_at_once(tmp_path: Path) -> None:
    names = FreeNames()
    assert len({names.claim(tmp_path / "a.jpg") for _ in range(10_000)}) == 10_000


def test_reserved_paths_go_to_nobody(tmp_path: Path) -> None:
    names = FreeNames([tmp_path / "A.jpg", tmp_path / "a-1.jpg"])
    assert names.claim(tmp_path / "a.jpg") == tmp_path / "a-2.jpg"
    assert names.claim(tmp_path / "b.jpg") == tmp_path / "b.jpg"
