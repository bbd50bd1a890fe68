"""Crash-safe copying and moving of single files, and names that are free for them.

Three rules hold throughout. An existing file is never overwritten. A name is removed only while the same bytes exist
under another one. A half-written file has a name of its own (`part`), by which recovery knows it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from mien.fileio import sync_folder, write_all
from mien.text import fold_name

_BLOCK = 1 << 20
_NAME_BYTES = 255
_GONE = (FileNotFoundError, NotADirectoryError)  # the second: there is a file where a folder would have to be
# Errors of disks without hard links; the last is Windows's.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file's state at one moment: bytes, modification time in nanoseconds, and SHA-256 where it was read."""

    size: int
    mtime_ns: int
    sha256: str | None = None


def absolute(path: Path) -> Path:
    """The path from the root, without `..`; links stay."""
    return Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would follow links)


def stamp(path: Path, sha256: str | None = None) -> Stamp:
    """Path -> its stamp, following a symbolic link; raises OSError."""
    info = path.stat()
    return Stamp(info.st_size, info.st_mtime_ns, sha256)


def hash_file(path: Path) -> str:
    """Path -> SHA-256 of its bytes, as hexadecimal digits; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_unchanged(path: Path, known: Stamp) -> bool:
    """Whether a regular file is as it was: size and time, and its bytes if `known` has their SHA-256."""
    try:
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode) or (info.st_size, info.st_mtime_ns) != (known.size, known.mtime_ns):
            return False
        return known.sha256 is None or hash_file(path) == known.sha256
    except _GONE:
        return False


def has_copy(name: Path, other: Path) -> bool:
    """Whether the bytes at `name` also exist under `other`, so that `name` may be removed.

    One name that is reached by two paths (a symbolic link, a folder mounted twice) does not count.
    """
    try:
        mine, theirs = name.lstat(), other.stat()
        if not stat.S_ISREG(mine.st_mode) or not stat.S_ISREG(theirs.st_mode):
            return False
        if os.path.samestat(mine, theirs):
            return mine.st_nlink > 1
        return mine.st_size == theirs.st_size and hash_file(name) == hash_file(other)
    except _GONE:
        return False


def is_same_file(name: Path, other: Path) -> bool:
    """Whether two names are one and the same file; a symbolic link is a file of its own."""
    try:
        return os.path.samestat(name.lstat(), other.lstat())
    except _GONE:
        return False


def is_placeholder(name: Path, source: Path) -> bool:
    """Whether `name` is an empty file that reserves it for the bytes that are still at `source`."""
    try:
        mine, theirs = name.lstat(), source.stat()
    except _GONE:
        return False
    return mine.st_size == 0 and stat.S_ISREG(mine.st_mode) and not os.path.samestat(mine, theirs)


def copy(source: Path, target: Path, part: Path, before_placeholder: Callable[[], None]) -> str:
    """Copy to a free name, with times and mode -> SHA-256; the bytes are on the disk when it returns.

    `before_placeholder` is called before a name is reserved by an empty file, which is done only without hard links.

    Raises:
        FileExistsError: the target is there.
        OSError: anything else, or the source was written to meanwhile; nothing is left behind.
    """
    before = stamp(source)
    try:
        sha256 = _write_part(source, part)
        if stamp(source) != before:
            raise OSError(errno.EAGAIN, "it changed while it was being copied")
        _place(part, target, before_placeholder)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return sha256


def move(source: Path, target: Path, part: Path, before_placeholder: Callable[[], None]) -> str | None:
    """Move to a free name -> None, or SHA-256 where it had to be copied to another disk.

    Raises:
        FileExistsError: the target is there.
        OSError: anything else, or the source was written to meanwhile; the source stays where it is.
    """
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return _move_across(source, target, part, before_placeholder)
        if error.errno not in _NO_LINKS:
            raise
        _rename(source, target, before_placeholder)
        return None
    try:
        if is_same_file(source, target):  # else another file was saved under this name just now
            source.unlink(missing_ok=True)
    except OSError:
        if has_copy(target, source):
            target.unlink()
        raise
    return None


def _move_across(source: Path, target: Path, part: Path, before_placeholder: Callable[[], None]) -> str:
    before = stamp(source)
    sha256 = copy(source, target, part, before_placeholder)
    try:
        if hash_file(target) != sha256:
            raise OSError(errno.EIO, "the copy differs from the original")
        sync_folder(target.parent)
        if stamp(source) != before:
            raise OSError(errno.EAGAIN, "it changed while it was being moved")
        source.unlink()
    except FileNotFoundError:  # someone removed the source, and the copy is all there is
        return sha256
    except OSError:
        target.unlink()
        raise
    return sha256


def _write_part(source: Path, part: Path) -> str:
    part.unlink(missing_ok=True)
    digester = hashlib.sha256()
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with source.open("rb") as reader:
            while block := reader.read(_BLOCK):
                digester.update(block)
                write_all(descriptor, block)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    with suppress(OSError):  # some file systems keep no modes or no times
        shutil.copystat(source, part)
    return digester.hexdigest()


def _place(part: Path, target: Path, before_placeholder: Callable[[], None]) -> None:
    try:
        target.hardlink_to(part)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename(part, target, before_placeholder)
    else:
        part.unlink()


def _rename(source: Path, target: Path, before_placeholder: Callable[[], None]) -> None:
    """Rename without links: renaming would overwrite, so the name is first reserved by an empty file."""
    before_placeholder()
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        source.replace(target)
    except OSError:
        if is_placeholder(target, source):
            target.unlink()
        raise


class FreeNames:
    """Hands out each path once: one that exists or was handed out before gets a suffix, `name-1.jpg`.

    Paths are compared without regard to case and Unicode form, so that a plan holds on every file system. Nobody gets
    one that is `reserved`.
    """

    def __init__(self, reserved: Iterable[Path] = ()) -> None:
        self._taken = {fold_name(str(path)) for path in reserved}
        self._last: dict[str, int] = {}

    def claim(self, wanted: Path) -> Path:
        """`wanted`, or the first such name with a suffix that is free."""
        key = fold_name(str(wanted))
        for number in count(self._last.get(key, -1) + 1):
            path = _numbered(wanted, number)
            if fold_name(str(path)) not in self._taken and not os.path.lexists(path):
                break
        self._last[key] = number
        self._taken.add(fold_name(str(path)))
        return path


def _numbered(path: Path, number: int) -> Path:
    if not number:
        return path
    ending = f"-{number}{path.suffix}"
    stem = os.fsdecode(os.fsencode(path.stem)[: _NAME_BYTES - len(os.fsencode(ending))])
    return path.with_name(stem + ending)
