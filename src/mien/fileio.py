"""Files that appear whole or not at all; knows bytes and paths only."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mien.errors import DataError


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
        raise unwritable(path, error) from error


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
        raise unwritable(path, error) from error


def writable(path: Path) -> None:
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
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> DataError:
    """The sentence that a user needs when a file could not be written."""
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
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)


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
            _put_back(old, path)


def _put_back(old: Path, path: Path) -> None:
    try:
        old.rename(path)
    except OSError as error:
        raise DataError(f"{path} could not be written, and what was there before now lies in {old}") from error
