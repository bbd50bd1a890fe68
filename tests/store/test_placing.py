"""Comparing what lies at two names: what is not there, and cannot be, is no accident."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mien.store.placing import Stamp, is_doubled, is_reservation, is_same_file, is_stamped

_COMPARE: list[Callable[[Path, Path], bool]] = [is_same_file, is_doubled, is_reservation]


@pytest.mark.parametrize("compare", _COMPARE)
@pytest.mark.parametrize("odd", ["gone", "file/below", "file/deep/below"])
def test_what_cannot_be_there_is_the_same_as_nothing(
    tmp_path: Path, compare: Callable[[Path, Path], bool], odd: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert not compare(tmp_path / odd, tmp_path / "file")
    assert not compare(tmp_path / "file", tmp_path / odd)
    assert not is_stamped(tmp_path / odd, Stamp(0, 0))


def test_one_file_under_two_names_is_the_same_and_a_copy_is_not(tmp_path: Path) -> None:
    one, other, copy = tmp_path / "one", tmp_path / "other", tmp_path / "copy"
    one.write_bytes(b"photo")
    other.hardlink_to(one)
    copy.write_bytes(b"photo")
    assert is_same_file(one, other)
    assert not is_same_file(one, copy)
    assert is_doubled(one, other)
    assert is_doubled(one, copy)
