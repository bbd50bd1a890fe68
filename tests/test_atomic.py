"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mien import atomic
from mien.errors import DataError


def test_a_file_appears_with_its_folders(tmp_path: Path) -> None:
    atomic.write(tmp_path / "a" / "b.txt", b"whole")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"whole"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    for data in (b"old", b"new"):
        atomic.write(tmp_path / "x", data)
    assert (tmp_path / "x").read_bytes() == b"new"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic.write(tmp_path / "x", b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="the disk is full"):
        atomic.write(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="could not be written"):
        atomic.write(tmp_path / "file" / "below", b"")


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    atomic.write_folder(tmp_path / "f", {"a": b"1", "b": b"2"})
    atomic.write_folder(tmp_path / "f", {"a": b"3"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "f").iterdir()} == {"a": b"3"}
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_folder_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic.write_folder(tmp_path / "f", {"a": b"1"})
    seen = []

    def second_fails(handle: int) -> None:
        seen.append(handle)
        if len(seen) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", second_fails)
    with pytest.raises(DataError, match="the disk is full"):
        atomic.write_folder(tmp_path / "f", {"a": b"9", "b": b"9"})
    assert (tmp_path / "f" / "a").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        atomic.write(tmp_path / "file", b"data")
    assert list(tmp_path.iterdir()) == []


def test_a_write_keeps_the_old_file_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    seen = []
    monkeypatch.setattr("os.fsync", lambda _: seen.append(path.read_bytes()))
    atomic.write(path, b"new")
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"
