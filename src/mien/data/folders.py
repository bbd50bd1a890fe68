"""Folders of photos: what lies in them, and label folders as labelled data."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from mien.data.dataset import DataOptions, DataSet, group_variants, parse_split
from mien.errors import DataError
from mien.text import join_names, pluralize
from mien.types import Origin, PhotoRef

PICTURES = (
    *(".avif", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"),
    *(".tif", ".tiff", ".webp", ".ico", ".heic", ".heif", ".jp2", ".jxl", ".p7", ".pam"),
)
"""Suffixes of pictures. The last six cannot be read: such files are reported as rejected, not skipped."""

_NOT_DATA = ("__macosx", "thumbs.db", "desktop.ini")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file; `name` is its path below the folder, with `/`."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class FolderScan:
    """The contents of a folder: its files, sorted by name, its folders, and what was skipped."""

    files: list[FoundFile] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        """A sentence about each kind of thing that was skipped."""
        if n := self.skipped.total():
            kinds = join_names([f"{kind} ({count})" for kind, count in sorted(self.skipped.items())])
            yield f"passed over {pluralize(n, 'thing')} that {'is' if n == 1 else 'are'} not a photo: {kinds}"
        if self.unreadable:
            yield f"could not open {pluralize(len(self.unreadable), 'folder')}: {join_names(sorted(self.unreadable))}"
        if self.loops:
            many = pluralize(len(self.loops), "link")
            yield f"did not follow {many} that lead back to their own folder: {join_names(sorted(self.loops))}"


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    prefix: str
    above: tuple[str, ...]
    """The real paths of this folder and of those that led here, the outermost first."""


def scan_folder(root: Path, suffixes: tuple[str, ...] = PICTURES) -> FolderScan:
    """Folder -> the files in and below it that end in one of `suffixes`; everything else is counted."""
    result = FolderScan()
    waiting = [_Folder(os.fspath(root), "", (os.path.realpath(root),))]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    _take(entry, folder, suffixes, result, waiting)
        except OSError:
            result.unreadable.append(readable(folder.prefix.rstrip("/") or folder.path))
    result.files.sort(key=lambda file: file.name)
    return result


def require_folder(path: Path, what: str) -> Path:
    """The path, if it is a folder, else DataError; `what` is its name for the user."""
    if not path.is_dir():
        raise DataError(f"{what} must be a folder: {path} is {'a file' if path.exists() else 'not there'}")
    return path


def readable(name: str) -> str:
    r"""A printable name: bytes that are not UTF-8 become `\xNN`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _take(
    entry: os.DirEntry[str], folder: _Folder, suffixes: tuple[str, ...], result: FolderScan, waiting: list[_Folder]
) -> None:
    name, low = folder.prefix + entry.name, entry.name.lower()
    if low.startswith(".") or low in _NOT_DATA:
        result.skipped["hidden or system files"] += 1
    elif low.endswith(suffixes) and _may_be_read(entry):
        result.files.append(FoundFile(readable(name), Path(entry.path)))
    elif not entry.is_dir():
        result.skipped[os.path.splitext(low)[1] or "no suffix"] += 1  # noqa: PTH122  (no Path for each file)
    elif low.endswith(".mien"):
        result.skipped["bundles"] += 1
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
    """A file, or a broken link, which will be reported as missing; not a pipe or device, where reading would block."""
    return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())


class FileFinder:
    """Finds files below a folder by the names in a table, also under another suffix; keeps what it did not find."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = lru_cache(maxsize=None)(self._list)
        self.missing: list[str] = []
        self.renamed: list[tuple[str, str]] = []

    def find(self, name: str) -> tuple[str, Path]:
        """A file name in a table -> key and path; a missing file keeps its name and is reported as missing."""
        wanted = PurePosixPath(name.replace("\\", "/"))
        folder = str(wanted.parent)
        exact, by_stem = self._names(folder)
        real = exact.get(_composed(wanted.name))
        matches = by_stem.get(_composed(wanted.stem), [])
        if real is None and len(matches) == 1:
            real = matches[0]
            self.renamed.append((wanted.name, readable(real)))
        key = str(wanted if real is None else wanted.with_name(readable(real)))
        if real is None:
            self.missing.append(key)
        return key, self._root / folder / (real or wanted.name)

    def notes(self, table: str) -> Iterator[str]:
        """A sentence about other suffixes, and one about missing files."""
        if self.renamed:
            asked, got = self.renamed[0]
            many = pluralize(len(self.renamed), "photo")
            yield f"found {many} of {table} under another suffix, such as {got} for {asked}"
        if self.missing:
            many = pluralize(len(self.missing), "photo")
            verb = "is" if len(self.missing) == 1 else "are"
            yield f"{many} named in {table} {verb} not there: {join_names(self.missing)}"

    def _list(self, folder: str) -> tuple[dict[str, str], dict[str, list[str]]]:
        """The file names in a folder, and its pictures by stem, by their composed Unicode form."""
        exact: dict[str, str] = {}
        by_stem: dict[str, list[str]] = {}
        try:
            names = sorted(os.listdir(self._root / folder))  # noqa: PTH208  (names are all that is needed)
        except OSError:
            names = []
        for name in names:
            exact[_composed(name)] = name
            if name.lower().endswith(PICTURES):
                by_stem.setdefault(_composed(PurePosixPath(name).stem), []).append(name)
        return exact, by_stem


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


_SHEETS, _VARIANTS = "grid", "grid_after"
"""Folders that `mien augment --grid` writes side by side: contact sheets, and the variants on them."""


def read(data: Path, options: DataOptions) -> DataSet:
    """Folder of label folders -> data set; folders inside a label folder belong to that label.

    Photos outside the label folders are left out, unless `options.loose` keeps them. A photo and its variants are a
    group.

    Raises:
        DataError: there is no picture in it, or none in a label folder, or there are contact sheets beside variants.
    """
    scan = scan_folder(data)
    if not scan.files:
        raise DataError(f"there are no photos in {data}")
    if _tops(scan.files, 1) == {_SHEETS, _VARIANTS} and (data / ".mien" / "augment.json").is_file():
        raise DataError(f"{data} holds contact sheets beside their variants: use {data / _VARIANTS}")
    depth = 1 if _has_splits(scan.files) else 0
    refs, left_out = [], []
    for file in scan.files:
        parts = file.name.split("/")
        if len(parts) >= depth + 2:
            label = unicodedata.normalize("NFC", parts[depth])
            refs.append(PhotoRef(Origin(file.name, label, parse_split(parts[0]) if depth else None), file.path))
        elif options.loose:
            refs.append(PhotoRef(Origin(file.name), file.path))
        else:
            left_out.append(file.name)
    if not refs:
        raise DataError(f"{data} has no label folders: put the photos of each label into a folder of that name")
    return DataSet.of(group_variants(refs), [*_notes(scan, depth, left_out), *scan.notes()])


def _tops(files: Sequence[FoundFile], depth: int) -> set[str]:
    """The first part of the names that have at least `depth` folders."""
    return {item.name.split("/", 1)[0] for item in files if item.name.count("/") >= depth}


def _has_splits(files: Sequence[FoundFile]) -> bool:
    """All top folders are called like splits, and each of them holds folders with pictures."""
    tops = _tops(files, 2)
    return bool(tops) and tops == _tops(files, 1) and all(parse_split(top) for top in tops)


def _notes(scan: FolderScan, depth: int, left_out: Sequence[str]) -> Iterator[str]:
    if left_out:
        yield f"left out {pluralize(len(left_out), 'photo')} outside the label folders: {join_names(left_out)}"
    splits = sorted(top for top in _tops(scan.files, 1) if parse_split(top))
    if depth == 0 and splits:
        what = "label" if len(splits) == 1 else "labels"
        yield f"{join_names(splits)}: treated as {what}, since not all folders are splits that hold label folders"
    filled = {tuple(file.name.split("/")[: depth + 1]) for file in scan.files}
    empty = sorted(name for name in scan.folders if name.count("/") == depth and tuple(name.split("/")) not in filled)
    if empty:
        yield f"found no photos in {pluralize(len(empty), 'label folder')}: {join_names(empty)}"
