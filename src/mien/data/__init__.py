"""Reads photos and labelled data in every form that a user may have; knows no pixels, and decodes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from mien.data import fer2013, tables
from mien.data.dataset import DataOptions, DataSet
from mien.data.walk import PICTURES, readable, walk
from mien.errors import DataError
from mien.registry import Registry
from mien.types import Origin, PhotoRef

__all__ = ["READERS", "DataOptions", "DataSet", "form_of", "open_data", "outside", "photos"]

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

_OPTIONS = {
    "photos with --labels": ("labels", "target"),
    "a folder with metadata.csv": ("target",),
    "a table": ("images", "target"),
    "Parquet": ("images", "target"),
}
"""Which options each form of data takes; the others take none."""


def open_data(data: Path, options: DataOptions | None = None) -> DataSet:
    """DATA in any form -> data set.

    Raises:
        DataError: it is not there, is nothing that can be read, or an option does not apply to it.
    """
    options = options or DataOptions()
    if options.loose and data.is_file() and data.name.lower().endswith(PICTURES):
        return DataSet.of([PhotoRef(Origin(readable(data.name)), data)], [])
    form = form_of(data, options)
    for name in ("images", "target", "labels"):
        if getattr(options, name) is not None and name not in _OPTIONS.get(form, ()):
            raise DataError(f"--{name} does not apply to {data}, which was taken for {form}")
    return READERS.load(form)(data, options)


def photos(paths: Sequence[Path]) -> list[PhotoRef]:
    """Files and folders -> photos without labels, in the order given, each once; a file that is missing stays in.

    Raises:
        DataError: there is not one photo in them.
    """
    refs: dict[str, PhotoRef] = {}
    for path in paths:
        files = [found.path for found in walk(path).found] if path.is_dir() else [path]
        for file in files:
            key = readable(file.as_posix())
            refs.setdefault(key, PhotoRef(Origin(key), file))
    if not refs:
        raise DataError(f"there are no photos in {', '.join(str(path) for path in paths) or 'nothing'}")
    return list(refs.values())


def outside(refs: Sequence[PhotoRef], src: Path, dst: Path) -> list[PhotoRef]:
    """The photos that do not lie below `dst`, links followed; all of them where `src` lies there itself."""
    real, target = cache(Path.resolve), dst.resolve()
    if src.resolve().is_relative_to(target):
        return list(refs)
    return [ref for ref in refs if ref.path is None or not real(ref.path.parent).is_relative_to(target)]


def form_of(data: Path, options: DataOptions | None = None) -> str:
    """What form of data lies at a path, by its name and its first line: a name of `READERS`.

    Raises:
        DataError: nothing is there, or nothing that can be read.
    """
    if not data.exists():
        raise DataError(f"there is no file or folder {data}")
    if options is not None and options.labels is not None:
        return "photos with --labels"
    if data.is_dir():
        return _form_of_folder(data)
    if data.suffix.lower() == ".parquet":
        return "Parquet"
    if data.suffix.lower() in (".csv", ".tsv", ".txt"):
        return "FER2013's table" if fer2013.recognises(tables.header(data)) else "a table"
    if data.name.lower().endswith(PICTURES):
        raise DataError(f"{data} is one photo: give the folder that holds the label folders")
    raise DataError(f"{data} is not labelled data: give a folder of label folders, a CSV or a Parquet file")


def _form_of_folder(data: Path) -> str:
    metadata = data / "metadata.csv"
    if metadata.is_file() and "file_name" in tables.header(metadata):
        return "a folder with metadata.csv"
    seen = walk(data, (*PICTURES, ".parquet"))
    tables_only = bool(seen.found) and all(found.name.lower().endswith(".parquet") for found in seen.found)
    return "Parquet" if tables_only else "label folders"
