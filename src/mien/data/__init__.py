"""Photos and labelled data in all forms that users have; decodes no picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

from mien.data import fer2013, tables
from mien.data.dataset import DataOptions, DataSet
from mien.data.folders import PICTURES, readable, scan_folder
from mien.errors import DataError
from mien.registry import Registry
from mien.types import Origin, PhotoRef

__all__ = ["READERS", "DataOptions", "DataSet", "DataSource", "form_of", "open_data", "outside", "photos"]

READERS: Registry[Callable[[Path, DataOptions], DataSet]] = Registry(
    "reader",
    {
        "label folders": "mien.data.folders:read",
        "photos with --labels": "mien.data.tables:read_labelled",
        "a folder with metadata.csv": "mien.data.tables:read_metadata",
        "a table": "mien.data.tables:read",
        "FER2013's table": "mien.data.fer2013:read",
        "Parquet": "mien.data.parquet:read",
    },
)

DataSource: TypeAlias = str | os.PathLike[str] | DataSet
"""Labelled data: the path of a folder or file in any of these forms, or a data set that was read before."""

_OPTIONS = {
    "photos with --labels": ("labels", "target"),
    "a folder with metadata.csv": ("target",),
    "a table": ("images", "target"),
    "Parquet": ("images", "target"),
}
"""The options of each form of data; the others have none."""


def open_data(
    data: DataSource,
    options: DataOptions | None = None,
    *,
    labels: str | os.PathLike[str] | None = None,
    images: str | os.PathLike[str] | None = None,
    target: str | None = None,
    split: str | None = None,
) -> DataSet:
    """Labelled data in any form -> data set; one that was read before is returned as it is.

    labels, images, target: as in `DataOptions`, in place of `options`. split: only the photos of this official split.

    Raises:
        DataError: it does not exist, cannot be read, has no such split, or an option does not apply to it.
    """
    options = options or DataOptions(_path(images), target, _path(labels))
    data_set = data if isinstance(data, DataSet) else _read(Path(data), options)
    return data_set if split is None else data_set.only(split)


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _read(data: Path, options: DataOptions) -> DataSet:
    if options.loose and data.is_file() and data.name.lower().endswith(PICTURES):
        return DataSet.of([PhotoRef(Origin(readable(data.name)), data)], [])
    form = form_of(data, options)
    for name in ("images", "target", "labels"):
        if getattr(options, name) is not None and name not in _OPTIONS.get(form, ()):
            raise DataError(f"--{name} does not apply to {data}, which was read as {form}")
    return READERS.load(form)(data, options)


def photos(paths: Sequence[Path]) -> list[PhotoRef]:
    """Files and folders -> photos without labels, in the order given, each once; missing files are kept.

    Raises:
        DataError: there are no photos in them.
    """
    refs: dict[str, PhotoRef] = {}
    for path in paths:
        files = [file.path for file in scan_folder(path).files] if path.is_dir() else [path]
        for file in files:
            key = readable(file.as_posix())
            refs.setdefault(key, PhotoRef(Origin(key), file))
    if not refs:
        raise DataError(f"there are no photos in {', '.join(str(path) for path in paths) or 'nothing'}")
    return list(refs.values())


def outside(refs: Sequence[PhotoRef], src: Path, dst: Path) -> list[PhotoRef]:
    """The photos that are not below `dst`, links followed; all of them if `src` itself is below it."""
    real, target = cache(Path.resolve), dst.resolve()
    if src.resolve().is_relative_to(target):
        return list(refs)
    return [ref for ref in refs if ref.path is None or not real(ref.path.parent).is_relative_to(target)]


def form_of(data: Path, options: DataOptions | None = None) -> str:
    """The form of the data at a path, by its name and first line: a name of `READERS`.

    Raises:
        DataError: it does not exist or cannot be read.
    """
    if not data.exists():
        raise DataError(f"there is no file or folder {data}")
    if options is not None and options.labels is not None:
        return "photos with --labels"
    if (data / "metadata.csv").is_file() and "file_name" in tables.header(data / "metadata.csv"):
        return "a folder with metadata.csv"
    if data.is_dir():
        files = scan_folder(data, (*PICTURES, ".parquet")).files
        only_tables = bool(files) and all(file.name.lower().endswith(".parquet") for file in files)
        return "Parquet" if only_tables else "label folders"
    if data.suffix.lower() == ".parquet":
        return "Parquet"
    if data.suffix.lower() in (".csv", ".tsv", ".txt"):
        return "FER2013's table" if fer2013.is_fer2013(tables.header(data)) else "a table"
    if data.name.lower().endswith(PICTURES):
        raise DataError(f"{data} is one photo: use the folder that holds the label folders")
    raise DataError(f"{data} is not labelled data: use a folder of label folders, a CSV or a Parquet file")
