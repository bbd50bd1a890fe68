"""Puts one file where no file is, so that a kill at any point loses nothing; knows no journal.

Three rules hold throughout. A name that exists is never written over. A name is only taken away while the same bytes
stand under another one. What is half written bears a name of its own (`part`), which whoever cleans up can tell.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20
_GONE = (FileNotFoundError, NotADirectoryError)  # the second: a file lies where a folder would have to
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class ChangedMeanwhileError(OSError):
    """The file was written to while it was being copied."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file was at one moment: bytes, time of the last change in nanoseconds, and SHA-256 where it was read."""

    size: int
    mtime_ns: int
    sha256: str | None = None


def stamp(path: Path, sha256: str | None = None) -> Stamp:
    """Path -> its stamp, following a symbolic link; raises OSError."""
    info = path.stat()
    return Stamp(info.st_size, info.st_mtime_ns, sha256)


def digest(path: Path) -> str:
    """Path -> SHA-256 of its bytes, as hexadecimal digits; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_stamped(path: Path, known: Stamp) -> bool:
    """Whether a regular file still is what it was: size and time, and the bytes where they were read then."""
    try:
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode) or (info.st_size, info.st_mtime_ns) != (known.size, known.mtime_ns):
            return False
        return known.sha256 is None or digest(path) == known.sha256
    except _GONE:
        return False


def is_doubled(name: Path, other: Path) -> bool:
    """Whether the bytes at `name` also stand under `other`, so that `name` may go.

    One file under one name that is reached by two ways (a symbolic link, a folder mounted twice) does not count.
    """
    try:
        mine, theirs = name.lstat(), other.stat()
        if not stat.S_ISREG(mine.st_mode) or not stat.S_ISREG(theirs.st_mode):
            return False
        if os.path.samestat(mine, theirs):
            return mine.st_nlink > 1
        return mine.st_size == theirs.st_size and digest(name) == digest(other)
    except _GONE:
        return False


def is_same_file(name: Path, other: Path) -> bool:
    """Whether two names hold one and the same file; a symbolic link is a file of its own."""
    try:
        return os.path.samestat(name.lstat(), other.lstat())
    except _GONE:
        return False


def is_reservation(name: Path, full: Path) -> bool:
    """Whether a name holds an empty file as it reserves a name, while the bytes still lie under the other name."""
    try:
        mine, theirs = name.lstat(), full.stat()
    except _GONE:
        return False
    return mine.st_size == 0 and stat.S_ISREG(mine.st_mode) and not os.path.samestat(mine, theirs)


def copy(source: Path, target: Path, part: Path, reserving: Callable[[], None]) -> str:
    """Copy to a name that is free, with the times and the mode -> SHA-256; the bytes are on the disk when it returns.

    `reserving` is called before a name is reserved by an empty file, which is done only where links are impossible.

    Raises:
        FileExistsError: the target is there.
        ChangedMeanwhileError: the source was written to meanwhile.
        OSError: anything else; nothing is left behind.
    """
    before = stamp(source)
    try:
        sha256 = _write_part(source, part)
        if stamp(source) != before:
            raise ChangedMeanwhileError(errno.EAGAIN, "it changed while it was being copied")
        _place(part, target, reserving)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return sha256


def move(source: Path, target: Path, part: Path, reserving: Callable[[], None]) -> str | None:
    """Move to a name that is free -> None, or SHA-256 where it had to be copied to another disk.

    Raises:
        FileExistsError: the target is there.
        ChangedMeanwhileError: the source was written to meanwhile.
        OSError: anything else; the source stays where it is.
    """
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return _move_across(source, target, part, reserving)
        if error.errno not in _NO_LINKS:
            raise
        _rename(source, target, reserving)
        return None
    try:
        if is_same_file(source, target):  # else something else was saved under this name in this very moment
            source.unlink(missing_ok=True)
    except OSError:
        if is_doubled(target, source):
            target.unlink()
        raise
    return None


def _move_across(source: Path, target: Path, part: Path, reserving: Callable[[], None]) -> str:
    before = stamp(source)
    sha256 = copy(source, target, part, reserving)
    try:
        if digest(target) != sha256:
            raise OSError(errno.EIO, "the copy differs from the original")
        sync_folder(target.parent)
        if stamp(source) != before:
            raise ChangedMeanwhileError(errno.EAGAIN, "it changed while it was being moved")
        source.unlink()
    except FileNotFoundError:  # someone took the source away, and what was copied is all there is
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


def _place(part: Path, target: Path, reserving: Callable[[], None]) -> None:
    try:
        target.hardlink_to(part)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename(part, target, reserving)
    else:
        part.unlink()


def _rename(source: Path, target: Path, reserving: Callable[[], None]) -> None:
    """Rename without links: renaming would overwrite, so the name is first reserved by an empty file of ours."""
    reserving()
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        source.replace(target)
    except OSError:
        if is_reservation(target, source):
            target.unlink()
        raise


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however many calls the system takes for it; raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    """See to it that the names in a folder outlast a power cut, where the system can."""
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
