"""Reads a folder of label folders, with or without `train`, `val` and `test` above them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from mien.data.dataset import DataOptions, DataSet, group_variants
from mien.data.files import FolderScan, FoundFile, scan_folder
from mien.data.tables import parse_split
from mien.errors import DataError
from mien.text import join_names, pluralize
from mien.types import Origin, PhotoRef

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
