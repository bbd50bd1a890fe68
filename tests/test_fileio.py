"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mien import fileio
from mien.errors import DataError


def test_a_file_appears_with_its_folders(tmp_path: Path) -> None:
    fileio.write(tmp_path / "a" / "b.txt", b"whole")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"whole"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    for data in (b"old", b"new"):
        fileio.write(tmp_path / "x", data)
    assert (tmp_path / "x").read_bytes() == b"new"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fileio.write(tmp_path / "x", b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="the disk is full"):
        fileio.write(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="could not be written"):
        fileio.write(tmp_path / "file" / "below", b"")


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    fileio.write_folder(tmp_path / "f", {"a": b"1", "b": b"2"})
    fileio.write_folder(tmp_path / "f", {"a": b"3"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "f").iterdir()} == {"a": b"3"}
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_folder_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fileio.write_folder(tmp_path / "f", {"a": b"1"})
    seen = []

    def second_fails(handle: int) -> None:
        seen.append(handle)
        if len(seen) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", second_fails)
    with pytest.raises(DataError, match="the disk is full"):
        fileio.write_folder(tmp_path / "f", {"a": b"9", "b": b"9"})
    assert (tmp_path / "f" / "a").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        fileio.write(tmp_path / "file", b"data")
    assert list(tmp_path.iterdir()) == []


def test_a_write_keeps_the_old_file_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    seen = []
    monkeypatch.setattr("os.fsync", lambda _: seen.append(path.read_bytes()))
    fileio.write(path, b"new")
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"


_LOOSE, _STRICT = 0o022, 0o077


@pytest.fixture
def umask() -> Iterator[Callable[[int], None]]:
    """Sets the umask, and puts it back after the test."""
    before = os.umask(_LOOSE)

    def change(mask: int) -> None:
        os.umask(mask)

    yield change
    os.umask(before)


@pytest.mark.parametrize(("mask", "file", "folder"), [(_LOOSE, 0o644, 0o755), (_STRICT, 0o600, 0o700)])
def test_who_may_read_it_is_for_the_umask_to_say(
    tmp_path: Path, umask: Callable[[int], None], mask: int, file: int, folder: int
) -> None:
    umask(mask)
    fileio.write(tmp_path / "new" / "x", b"a face")
    fileio.write_folder(tmp_path / "f", {"x": b"a face"})
    for path in (tmp_path / "new" / "x", tmp_path / "f" / "x"):
        assert stat.S_IMODE(path.stat().st_mode) == file
    for path in (tmp_path / "new", tmp_path / "f"):
        assert stat.S_IMODE(path.stat().st_mode) == folder


def _renames(monkeypatch: pytest.MonkeyPatch, failing: set[int]) -> None:
    """Let the renames of these numbers fail, the first being 1."""
    real, seen = Path.rename, []

    def rename(self: Path, target: Path) -> Path:
        seen.append(target)
        if len(seen) in failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fileio.write_folder(tmp_path / "f", {"a": b"1"})
    _renames(monkeypatch, {2})
    with pytest.raises(DataError, match="could not be written"):
        fileio.write_folder(tmp_path / "f", {"a": b"9"})
    assert (tmp_path / "f" / "a").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_an_old_folder_that_cannot_return_is_kept_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fileio.write_folder(tmp_path / "f", {"a": b"1"})
    _renames(monkeypatch, {2, 3})
    with pytest.raises(DataError, match=r"now lies in (.*\.old)") as caught:
        fileio.write_folder(tmp_path / "f", {"a": b"9"})
    assert (Path(str(caught.value).split("lies in ")[1]) / "a").read_bytes() == b"1"


def test_a_folder_does_not_take_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"dear")
    with pytest.raises(DataError, match="could not be written"):
        fileio.write_folder(tmp_path / "f", {"a": b"9"})
    assert (tmp_path / "f").read_bytes() == b"dear"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_to_a_folder_stays_and_leads_to_the_new_one(tmp_path: Path, there: bool) -> None:
    if there:
        fileio.write_folder(tmp_path / "real" / "f", {"a": b"1"})
    (tmp_path / "link").symlink_to(tmp_path / "real" / "f")
    fileio.write_folder(tmp_path / "link", {"a": b"2"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "f" / "a").read_bytes() == b"2"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "f", "link", "real"]


def test_a_file_takes_the_place_of_a_link_and_not_of_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "original.jpg").write_bytes(b"dear")
    (tmp_path / "link.jpg").symlink_to("original.jpg")
    fileio.write(tmp_path / "link.jpg", b"new")
    assert (tmp_path / "original.jpg").read_bytes() == b"dear"
    assert (tmp_path / "link.jpg").read_bytes() == b"new"


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    fileio.write(tmp_path / ("x" * 250), b"1")
    fileio.write_folder(tmp_path / ("f" * 250), {"y" * 250: b"2"})
    assert (tmp_path / ("f" * 250) / ("y" * 250)).read_bytes() == b"2"


@pytest.mark.parametrize("name", ["x" * 300, "가" * 100])
def test_a_name_that_is_too_long_is_said_to_be(tmp_path: Path, name: str) -> None:
    def folder(path: Path) -> None:
        fileio.write_folder(path, {"a": b"1"})

    def file(path: Path) -> None:
        fileio.write(path, b"1")

    for act in (file, folder, fileio.writable):
        for path in (tmp_path / name, tmp_path / name / "below"):
            with pytest.raises(DataError, match="the name is too long"):
                act(path)
    assert list(tmp_path.iterdir()) == []


def test_asking_whether_a_path_can_be_written_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    for path in (tmp_path / "x", tmp_path / "new", tmp_path / "deep" / "down" / "new"):
        fileio.writable(path)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_path_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "x", tmp_path / "file" / "deep" / "x"):
        with pytest.raises(DataError, match="Not a directory"):
            fileio.writable(path)


def test_the_folder_itself_is_no_name_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Path(), Path("/")):
        with pytest.raises(DataError, match="could not be written"):
            fileio.write(path, b"1")
    fileio.writable(Path("x"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_system_is_refused_before_the_work() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("there is no folder here that nobody may write to")
    for path in (Path("/proc/x.mien"), Path("/proc/deep/x.mien")):
        with pytest.raises(DataError, match="could not be written"):
            fileio.writable(path)
        assert not path.exists()


def test_a_folder_without_the_right_to_write_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def denied(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(DataError, match="Permission denied"):
        fileio.writable(tmp_path / "x")
