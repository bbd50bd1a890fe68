"""Files that appear whole or not at all; knows bytes and paths only."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mien.errors import DataError


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path`: temporary file in the same folder, fsync, rename.

    Raises:
        DataError: the folder cannot be written or the disk is full; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder of files at `path`, in place of what was there, once all of them are on the disk.

    Raises:
        DataError: as `write`; what was there before stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
        try:
            fresh.chmod(0o755)
            for name, data in files.items():
                write(fresh / name, data)
            if path.exists():
                old = fresh.with_suffix(".old")
                path.rename(old)
                fresh.rename(path)
                shutil.rmtree(old, ignore_errors=True)
            else:
                fresh.rename(path)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> DataError:
    """The sentence that a user needs when a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(f"the disk is full: {path} was not written; make room and run the same command again")
    return DataError(f"{path} could not be written ({error.strerror or error}): choose a folder that you may write to")
