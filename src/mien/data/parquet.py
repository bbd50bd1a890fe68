"""Reads Parquet files in the Hugging Face image convention.

Convention: an `image` column of struct<bytes: binary, path: string>, or of plain binary; class names in the schema.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path, PurePath
from typing import Any, overload

import pyarrow as pa
import pyarrow.parquet as pq

from mien.data.dataset import DataOptions, DataSet, parse_split
from mien.data.folders import require_folder, scan_folder
from mien.data.tables import Columns, choose_columns, find_column, label_doubts
from mien.errors import DataError
from mien.text import join_names, pluralize
from mien.types import Origin, PhotoRef

_BATCH = 32


@dataclass(frozen=True, slots=True)
class _Table:
    """A file, its picture column, and the folder that paths in it start from."""

    file: Path
    image: str
    images: Path


@dataclass(frozen=True, slots=True)
class _Row:
    origin: Origin
    table: _Table
    number: int


class ParquetPhotos(Sequence[PhotoRef]):
    """The photos of Parquet files, read on demand; iterating in order keeps one row group in memory."""

    def __init__(self, rows: Sequence[_Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> PhotoRef: ...
    @overload
    def __getitem__(self, index: slice) -> ParquetPhotos: ...
    def __getitem__(self, index: int | slice) -> PhotoRef | ParquetPhotos:
        if isinstance(index, slice):
            return ParquetPhotos(self._rows[index])
        return next(iter(ParquetPhotos([self._rows[index]])))

    def __iter__(self) -> Iterator[PhotoRef]:
        run: list[_Row] = []  # of rows of one file, in rising order
        for row in self._rows:
            if run and (row.table is not run[-1].table or row.number <= run[-1].number):
                yield from _pictures(run)
                run = []
            run.append(row)
        if run:
            yield from _pictures(run)


def read(data: Path, options: DataOptions) -> DataSet:
    """Parquet file, or folder of them -> data set, keys `FILE#row`, in the files' order.

    Raises:
        DataError: a file is damaged, or lacks a column of pictures or of labels.
    """
    files = [file.path for file in scan_folder(data, (".parquet",)).files] if data.is_dir() else [data]
    root = data if data.is_dir() else data.parent
    images = require_folder(options.images, "--images") if options.images else None
    rows: list[_Row] = []
    notes: dict[str, None] = {}  # without duplicates
    for file in files:
        try:
            with pq.ParquetFile(file) as parquet:
                labelled, unlabelled = _rows(parquet, file, root, images, options.target)
                notes.update(dict.fromkeys(label_doubts(parquet.schema_arrow.names, options.target)))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{file} is not a Parquet file, or is damaged: {str(error).splitlines()[0]}") from error
        rows += labelled
        if unlabelled:
            many = pluralize(len(unlabelled), "row")
            notes[f"left out {many} of {file.name} without a label: row {join_names(unlabelled)}"] = None
    if not rows:
        raise DataError(f"{data} has no row with a label")
    return DataSet(ParquetPhotos(rows), [row.origin for row in rows], list(notes))


def _rows(
    parquet: pq.ParquetFile, file: Path, root: Path, images: Path | None, target: str | None
) -> tuple[list[_Row], list[int]]:
    """One file -> its rows with a label, and the numbers of those without; no picture is read."""
    schema = parquet.schema_arrow
    table = _Table(file, _image_column(schema, file), images or file.parent)
    columns = choose_columns([name for name in schema.names if name != table.image], target, str(file))
    values = parquet.read(columns=columns.names).to_pydict()
    origins = _origins(file.relative_to(root), columns, values, _class_names(schema, columns.label))
    labelled = [_Row(origin, table, number) for number, origin in enumerate(origins) if origin.label is not None]
    return labelled, [number for number, origin in enumerate(origins) if origin.label is None]


def _image_column(schema: pa.Schema, file: Path) -> str:
    pictures = [field.name for field in schema if _holds_pictures(field.type)]
    if not pictures:
        raise DataError(f"{file} has no column of pictures in bytes (its columns are: {', '.join(schema.names)})")
    return find_column(pictures, ("image", "img", "photo", "picture")) or pictures[0]


def _holds_pictures(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _is_binary(field.type) for field in kind)
    return _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a ClassLabel column, which the datasets library keeps in the schema's metadata as JSON."""
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        names = feature["names"] if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _origins(name: Path, columns: Columns, values: dict[str, list[Any]], classes: list[str] | None) -> list[Origin]:
    """The columns of the file `name` -> what is known about each row; `classes` are the names of label numbers."""
    nothing = [None] * len(values[columns.label])
    names = (columns.label, columns.split, columns.group, columns.licence)
    rows = zip(*(values[column] if column else nothing for column in names), strict=True)
    by_name = _split_of(name)
    result = []
    for number, (label, split, group, licence) in enumerate(rows):
        known = by_name if split is None else parse_split(str(split))
        key = f"{name.as_posix()}#{number}"
        result.append(Origin(key, _text(label, classes), known, _text(licence), _text(group)))
    return result


def _text(value: object, classes: Sequence[str] | None = None) -> str | None:
    """A cell as text; with `classes` a number is an index into them, and -1 means no label."""
    if isinstance(value, int) and classes is not None:
        return classes[value] if 0 <= value < len(classes) else None
    return (unicodedata.normalize("NFC", str(value)).strip() or None) if value is not None else None


def _split_of(name: Path) -> str | None:
    """The split that a file name begins with (`train-00000-of-00002.parquet`), or the name of its folder."""
    prefix = re.split(r"[-_.]", name.stem)[0]
    return next((split for split in map(parse_split, (prefix, *reversed(name.parts[:-1]))) if split), None)


def _pictures(rows: Sequence[_Row]) -> Iterator[PhotoRef]:
    """The photos of rows of one file, in rising order."""
    table, waiting = rows[0].table, deque(rows)
    with pq.ParquetFile(table.file) as parquet:
        groups, first = _groups(parquet, rows[0].number, rows[-1].number)
        for batch in parquet.iter_batches(_BATCH, row_groups=groups, columns=[table.image]):
            column = batch.column(0)
            while waiting and waiting[0].number < first + len(column):
                row = waiting.popleft()
                yield _ref(row, column[row.number - first].as_py())
            first += len(column)


def _groups(parquet: pq.ParquetFile, lowest: int, highest: int) -> tuple[list[int], int]:
    """The row groups that hold rows `lowest` to `highest`, and the number of the first row in them."""
    metadata = parquet.metadata
    sizes = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
    ends = list(accumulate(sizes, initial=0))
    groups = [group for group, (start, stop) in enumerate(pairwise(ends)) if start <= highest and stop > lowest]
    return groups, ends[groups[0]] if groups else 0


def _ref(row: _Row, cell: dict[str, Any] | bytes | None) -> PhotoRef:
    """A cell -> a photo: its bytes, or the file that it names in the images folder, or empty bytes if it has neither.

    A table from elsewhere must not reach other files of this machine.
    """
    data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
    if data is None and path and not PurePath(path).is_absolute() and ".." not in PurePath(path).parts:
        return PhotoRef(row.origin, row.table.images / path)
    return PhotoRef(row.origin, data=data or b"")
