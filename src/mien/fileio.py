"""Atomic writes of files and folders, and append-only files of JSON lines that one process at a time may open."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Self

from mien.errors import DataError

_BINARY = getattr(os, "O_BINARY", 0)  # of Windows


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path`: temporary file in the same folder, fsync, rename.

    Who may read it is for the umask to say. A symbolic link at `path` is replaced, and what it leads to is not touched.

    Raises:
        DataError: the folder cannot be written, the name cannot be, or the disk is full; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _hidden(path.parent)
        try:
            with os.fdopen(_create(part), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise write_error(path, error) from error


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder of files at `path`, in place of what was there, once all of them are on the disk.

    A symbolic link at `path` stays, and the folder that it leads to is replaced. A kill in the moment between the two
    renames leaves the older folder beside it, under a name `.mien-*.old`.

    Raises:
        DataError: as `write`; what was there before stays.
    """
    real = Path(os.path.realpath(path))
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        fresh = _hidden(real.parent)
        try:
            fresh.mkdir()
            for name, data in files.items():
                write(fresh / name, data)
            _put_in_place(fresh, real)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    except OSError as error:
        raise write_error(path, error) from error


def check_writable(path: Path) -> None:
    """Refuse early, before hours of work, a path at which `write` would fail; nothing is made that stays.

    Raises:
        DataError: its folder cannot be made or written, or the name cannot be.
    """
    try:
        folder, names = path.parent, [path.name]
        while not os.path.lexists(folder):
            names.append(folder.name)
            folder = folder.parent
        for name in names:
            with suppress(FileNotFoundError):  # it need not be there: other errors say that it cannot be
                (folder / name).lstat()
        probe = _hidden(folder)
        os.close(_create(probe))
        probe.unlink()
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> DataError:
    """An error with a sentence for the user about a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(f"the disk is full: {path} was not written; make room and run the same command again")
    if error.errno == errno.ENAMETOOLONG:
        return DataError(f"{path} could not be written: the name is too long for this disk, choose a shorter one")
    return DataError(f"{path} could not be written ({error.strerror or error}): choose a folder that you may write to")


def _hidden(folder: Path) -> Path:
    """A name in a folder that is free, and short however long the name of the file will be."""
    return folder / f".mien-{secrets.token_hex(8)}.part"


def _create(path: Path) -> int:
    # 0o666, so that the umask decides: asking for the umask to apply it later would set it for all threads.
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o666)


def _put_in_place(fresh: Path, path: Path) -> None:
    old = fresh.with_suffix(".old")
    try:
        if path.is_dir():
            path.rename(old)
        fresh.rename(path)
    finally:
        if os.path.lexists(path):
            shutil.rmtree(old, ignore_errors=True)
        elif old.exists():
            try:
                old.rename(path)
            except OSError as error:
                raise DataError(f"{path} could not be written, and what was there before now lies in {old}") from error


class JsonLines:
    """A file of JSON lines that is only ever added to, open and locked.

    A lock file, `.NAME.lock`, lies beside it while it is open. If the process is killed the system lets go of the lock;
    the file that is left then is removed by whoever opens the lines next.

    Raises:
        BlockingIOError: another process has it open.
        OSError: it cannot be opened; `flags` are added to those of `os.open`.
    """

    def __init__(self, path: Path, flags: int = 0) -> None:
        from filelock import FileLock, Timeout  # takes 50 ms to load, and `mien --help` needs none

        self.path = path
        self._mutex = Lock()
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | _BINARY | flags, 0o666)
        real = Path(os.path.realpath(path))
        self._lock = FileLock(real.with_name(f".{real.name}.lock"), blocking=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            os.close(self._descriptor)
            raise BlockingIOError(errno.EWOULDBLOCK, "another process has it open", str(path)) from error
        except BaseException:
            os.close(self._descriptor)
            raise

    def recover(self) -> bytes:
        """All complete lines; the rest of a line that a kill tore is cut off the file."""
        data = self.path.read_bytes()
        data = data[: data.rfind(b"\n") + 1]
        os.ftruncate(self._descriptor, len(data))
        return data

    def append(self, lines: Iterable[Mapping[str, Any]], *, durable: bool = False) -> None:
        """Add lines, and with `durable` return only when they are on the disk.

        Raises:
            OSError: not all of it could be written; then none of it was.
        """
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        with self._mutex:
            end = os.fstat(self._descriptor).st_size
            try:
                write_all(self._descriptor, data)
            except OSError:
                os.ftruncate(self._descriptor, end)
                raise
        if durable:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let other processes open it."""
        os.close(self._descriptor)
        with suppress(OSError):  # Windows removes it on release, and not before
            Path(self._lock.lock_file).unlink()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however many calls the system takes; raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder survive a power cut, where the system can."""
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
