"""Files that appear whole or not at all, and files of lines that are only added to."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mien import fileio
from mien.errors import DataError
from mien.fileio import JsonLines


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

    for act in (file, folder, fileio.check_writable):
        for path in (tmp_path / name, tmp_path / name / "below"):
            with pytest.raises(DataError, match="the name is too long"):
                act(path)
    assert list(tmp_path.iterdir()) == []


def test_asking_whether_a_path_can_be_written_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    for path in (tmp_path / "x", tmp_path / "new", tmp_path / "deep" / "down" / "new"):
        fileio.check_writable(path)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_path_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "x", tmp_path / "file" / "deep" / "x"):
        with pytest.raises(DataError, match="Not a directory"):
            fileio.check_writable(path)


def test_the_folder_itself_is_no_name_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Path(), Path("/")):
        with pytest.raises(DataError, match="could not be written"):
            fileio.write(path, b"1")
    fileio.check_writable(Path("x"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_system_is_refused_before_the_work() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("there is no folder here that nobody may write to")
    for path in (Path("/proc/x.mien"), Path("/proc/deep/x.mien")):
        with pytest.raises(DataError, match="could not be written"):
            fileio.check_writable(path)
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
        fileio.check_writable(tmp_path / "x")


def test_lines_are_added_and_read_back(tmp_path: Path) -> None:
    for n in range(2):
        with JsonLines(tmp_path / "x", os.O_CREAT) as lines:
            lines.append([{"n": n}, {"이름": "가"}], durable=n == 1)
    with JsonLines(tmp_path / "x") as lines:
        assert [json.loads(line) for line in lines.recover().splitlines()] == [
            {"n": 0},
            {"이름": "가"},
            {"n": 1},
            {"이름": "가"},
        ]


def test_a_torn_last_line_is_cut_off_for_good(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'{"n": 1}\n{"n": 2')
    with JsonLines(tmp_path / "x") as lines:
        assert lines.recover() == b'{"n": 1}\n'
        lines.append([{"n": 3}])
    assert (tmp_path / "x").read_bytes() == b'{"n": 1}\n{"n": 3}\n'


def test_a_file_that_another_has_open_is_refused(tmp_path: Path) -> None:
    with JsonLines(tmp_path / "x", os.O_CREAT), pytest.raises(BlockingIOError):
        JsonLines(tmp_path / "x")
    JsonLines(tmp_path / "x").close()


def test_lines_that_cannot_all_be_written_are_not_written_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        write(descriptor, bytes(data)[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with JsonLines(tmp_path / "x", os.O_CREAT) as lines:
        lines.append([{"n": 1}])
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            lines.append([{"n": 2}])
    assert (tmp_path / "x").read_bytes() == b'{"n": 1}\n'


def test_a_file_that_is_not_there_is_made_only_where_asked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JsonLines(tmp_path / "x")


HOLD = """
import os, sys
from pathlib import Path
from mien.fileio import JsonLines
lines = JsonLines(Path(sys.argv[1]), os.O_CREAT)
lines.append([{"n": 1}])
print("open", flush=True)
sys.stdin.read()
lines.close()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has `x` open, until it is told to end."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "x")]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_a_file_that_another_process_has_open_is_refused_until_it_closes_it(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "x")
    for name in ("x", "link"):
        with pytest.raises(BlockingIOError):
            JsonLines(tmp_path / name)
    holder.communicate()
    JsonLines(tmp_path / "link").close()
    assert {path.name for path in tmp_path.iterdir()} == {"x", "link"}


def test_a_killed_process_blocks_nobody_and_its_lock_file_is_removed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    assert (tmp_path / ".x.lock").exists()
    with JsonLines(tmp_path / "x") as lines:
        assert lines.recover() == b'{"n": 1}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
