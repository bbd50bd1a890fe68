"""Reads a folder of label folders, with or without `train`, `val` and `test` above them; knows no table."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from mien.data.columns import split_named
from mien.data.dataset import DataOptions, DataSet
from mien.data.families import with_families
from mien.data.walk import Found, Walk, walk
from mien.errors import DataError
from mien.text import join_names, pluralize
from mien.types import Origin, PhotoRef

_SHEETS, _VARIANTS = "grid", "grid_after"
"""Folders that `mien augment --grid` writes side by side: of contact sheets, and of the variants on them."""


def read(data: Path, options: DataOptions) -> DataSet:
    """Folder of label folders -> data set; folders inside a label folder belong to that label.

    What lies in no label folder is left out, unless `options.loose` keeps it. A photo and its variants are a group.

    Raises:
        DataError: there is no picture in it, or none in a label folder, or contact sheets lie beside variants.
    """
    seen = walk(data)
    if not seen.found:
        raise DataError(f"there are no photos in {data}")
    if _tops(seen.found, 1) == {_SHEETS, _VARIANTS} and (data / ".mien" / "augment.json").is_file():
        raise DataError(f"{data} holds contact sheets beside the variants on them: give {data / _VARIANTS}")
    depth = 1 if _has_splits(seen.found) else 0
    refs, loose = [], []
    for found in seen.found:
        parts = found.name.split("/")
        if len(parts) < depth + 2:
            loose.append(found.name)
            if options.loose:
                refs.append(PhotoRef(Origin(found.name), found.path))
            continue
        label = unicodedata.normalize("NFC", parts[depth])
        refs.append(PhotoRef(Origin(found.name, label, split_named(parts[0]) if depth else None), found.path))
    if not refs:
        raise DataError(f"{data} has no label folders: put the photos of each label into a folder of that name")
    return DataSet.of(with_families(refs), [*_notes(seen, depth, [] if options.loose else loose), *seen.notes()])


def _tops(found: Sequence[Found], depth: int) -> set[str]:
    """The first part of the names that have at least `depth` folders."""
    return {item.name.split("/", 1)[0] for item in found if item.name.count("/") >= depth}


def _has_splits(found: Sequence[Found]) -> bool:
    """All top folders are called like splits, and each of them holds folders with pictures."""
    tops = _tops(found, 2)
    return bool(tops) and tops == _tops(found, 1) and all(split_named(top) for top in tops)


def _notes(seen: Walk, depth: int, loose: Sequence[str]) -> Iterator[str]:
    if loose:
        yield f"left out {pluralize(len(loose), 'photo')} that lie in no label folder: {join_names(loose)}"
    splits = sorted(top for top in _tops(seen.found, 1) if split_named(top))
    if depth == 0 and splits:
        what = "label" if len(splits) == 1 else "labels"
        yield f"{join_names(splits)}: taken for {what}, because splits would all be named so and hold label folders"
    filled = {tuple(found.name.split("/")[: depth + 1]) for found in seen.found}
    empty = sorted(name for name in seen.folders if name.count("/") == depth and tuple(name.split("/")) not in filled)
    if empty:
        yield f"found no photos in {pluralize(len(empty), 'label folder')}: {join_names(empty)}"
