"""The folder in which weights are kept, and files whose names say what they hold; knows no card.

A file is called `NAME.KEY.SHA.onnx`: whose weights, what they were made from, and the first 32 digits of its own
SHA-256. One rename thus puts a file and its proof in place at once, and no index can disagree with the files.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from pathlib import Path

from mien import fileio
from mien.config import settings
from mien.errors import DataError, WeightsError

_NAME = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<key>[0-9a-z]+)\.(?P<sha>[0-9a-f]{32})\.onnx")
_STALE_SECONDS = 3600
_sound: set[tuple[str, int, int, str]] = set()


def folder() -> Path:
    """Where weights are kept; it may not exist yet."""
    return settings().home / "models"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_sound(path: Path, digest: str) -> bool:
    """Whether the file has that SHA-256 (or one that begins so); a file is read once a process, unless it changes."""
    status = path.stat()
    seen = (str(path), status.st_size, status.st_mtime_ns, digest)
    if seen not in _sound:
        if not sha256(path).startswith(digest):
            return False
        _sound.add(seen)
    return True


def sweep(where: Path) -> None:
    """Remove what processes that were killed left behind."""
    for part in where.glob(".*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE_SECONDS:
                part.unlink()


def stored(name: str, key: str) -> list[Path]:
    """The files of that name and key, the newest first."""
    found = [path for path in folder().glob(f"{name}.{key}.*.onnx") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def digest(path: Path) -> str:
    """The digits of its SHA-256 that a stored file's name holds."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path.name} is not a name of this cache")
    return match["sha"]


def store(name: str, key: str, data: bytes) -> Path:
    """Keep these bytes under that name and key, in place of what was there before; returns the file.

    Raises:
        WeightsError: the folder cannot be written to.
    """
    path = folder() / f"{name}.{key}.{hashlib.sha256(data).hexdigest()[:32]}.onnx"
    sweep(path.parent)
    try:
        fileio.write(path, data)
    except DataError as error:
        raise WeightsError(f"{error} (MIEN_HOME says where weights are kept)") from error
    for old in stored(name, key):
        if old != path:
            with contextlib.suppress(OSError):  # held open by another process: the newest one counts anyway
                old.unlink()
    return path
