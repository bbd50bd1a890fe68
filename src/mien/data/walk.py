"""Finds files below a folder by what their names end in; knows names and links, opens no file and knows no label."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mien.errors import DataError
from mien.text import join_names, pluralize

PICTURES = (
    *(".avif", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"),
    *(".tif", ".tiff", ".webp", ".ico", ".heic", ".heif", ".jp2", ".jxl", ".p7", ".pam"),
)
"""What a picture's name ends in. The last six cannot be read: they are told as rejected, and not passed over."""

_NOT_DATA = ("__macosx", "thumbs.db", "desktop.ini")


@dataclass(frozen=True, slots=True)
class Found:
    """One file: `name` is its path below the folder, with `/`."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk came upon: the files sought, sorted by name, all folders, and what was not followed or counted."""

    found: list[Found] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    closed: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        """A sentence for each kind of thing that is not among the files found."""
        if n := self.passed_over.total():
            kinds = join_names([f"{kind} ({count})" for kind, count in sorted(self.passed_over.items())], most=5)
            yield f"passed over {pluralize(n, 'thing')} that {'is' if n == 1 else 'are'} not a photo: {kinds}"
        if self.closed:
            yield f"could not open {pluralize(len(self.closed), 'folder')}: {join_names(sorted(self.closed))}"
        if self.loops:
            many = pluralize(len(self.loops), "link")
            yield f"did not follow {many} that lead back to where they lie: {join_names(sorted(self.loops))}"


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    prefix: str
    above: tuple[str, ...]
    """The real paths of this folder and of those that led here, the outermost first."""


def walk(root: Path, suffixes: tuple[str, ...] = PICTURES) -> Walk:
    """Folder -> the files in it and below that end in one of `suffixes`; all else is counted and passed over."""
    result = Walk()
    waiting = [_Folder(os.fspath(root), "", (os.path.realpath(root),))]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    _take(entry, folder, suffixes, result, waiting)
        except OSError:
            result.closed.append(readable(folder.prefix.rstrip("/") or folder.path))
    result.found.sort(key=lambda found: found.name)
    return result


def folder_at(path: Path, called: str) -> Path:
    """The path, if a folder is there; `called` is what the user knows it by.

    Raises:
        DataError: nothing is there, or a file.
    """
    if not path.is_dir():
        raise DataError(f"{called} must be a folder: {path} is {'a file' if path.exists() else 'not there'}")
    return path


def readable(name: str) -> str:
    r"""A name as it can be printed: bytes of a file name that are not UTF-8 turn into `\xNN`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _take(
    entry: os.DirEntry[str], folder: _Folder, suffixes: tuple[str, ...], result: Walk, waiting: list[_Folder]
) -> None:
    name, low = folder.prefix + entry.name, entry.name.lower()
    if low.startswith(".") or low in _NOT_DATA:
        result.passed_over["hidden or system files"] += 1
    elif low.endswith(suffixes) and _may_be_read(entry):
        result.found.append(Found(readable(name), Path(entry.path)))
    elif not entry.is_dir():
        result.passed_over[os.path.splitext(low)[1] or "no suffix"] += 1  # noqa: PTH122  (no Path for each file)
    elif low.endswith(".mien"):
        result.passed_over["bundles"] += 1
    else:
        real = f"{folder.above[-1].rstrip('/')}/{entry.name}"
        if entry.is_symlink():
            real = os.path.realpath(entry.path)
            if any(above == real or above.startswith(f"{real.rstrip('/')}/") for above in folder.above):
                result.loops.append(readable(name))
                return
        result.folders.append(readable(name))
        waiting.append(_Folder(entry.path, f"{name}/", (*folder.above, real)))


def _may_be_read(entry: os.DirEntry[str]) -> bool:
    """A file, or a link to nothing, which will be told as missing; not a pipe or a device, where reading would wait."""
    return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
