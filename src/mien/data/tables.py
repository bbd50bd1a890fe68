"""Reads CSV and TSV tables of photo files and labels, and says what the columns of a table mean."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.data.dataset import DataOptions, DataSet, group_variants, parse_split
from mien.data.folders import PICTURES, FileFinder, require_folder, scan_folder
from mien.errors import DataError
from mien.text import join_names, pluralize
from mien.types import Origin, PhotoRef

DELIMITERS = ",;\t"
FILES = ("filename", "file_name", "file", "path", "file_path", "filepath", "image", "image_path", "image_id", "photo")
LABELS = ("label", "labels", "class", "category", "emotion", "expression", "person", "identity", "name")
_GROUPS = ("group", "subject", "person", "identity")
_SPLITS = ("split", "usage", "subset", "partition")
_LICENCES = ("licence", "license")


def read(data: Path, options: DataOptions) -> DataSet:
    """Table -> data set; the files are below `options.images`, or beside the table.

    Raises:
        DataError: the table cannot be read, lacks a column, or names no photo that is there.
    """
    images = require_folder(options.images, "--images") if options.images else data.parent
    return _read(data, images, options.target)


def read_metadata(data: Path, options: DataOptions) -> DataSet:
    """Folder with a Hugging Face `metadata.csv` -> data set; raises DataError as `read` does."""
    return _read(data / "metadata.csv", data, options.target)


def read_labelled(data: Path, options: DataOptions) -> DataSet:
    """Folder of photos, and a table that labels them -> data set; a note names photos that the table leaves out.

    Raises:
        DataError: as for `read`, or DATA is not a folder.
    """
    assert options.labels is not None
    known = _read(options.labels, require_folder(data, "with --labels, DATA"), options.target)
    keys = {origin.uri for origin in known.origins}
    unlabelled = [file.name for file in scan_folder(data).files if file.name not in keys]
    if not unlabelled:
        return known
    note = f"left out {pluralize(len(unlabelled), 'photo')} that {options.labels.name} does not label"
    return DataSet(known.refs, known.origins, [*known.notes, f"{note}: {join_names(unlabelled)}"])


def header(table: Path) -> list[str]:
    """The names of a table's columns; raises DataError as `rows` does."""
    return next(rows(table))[1]


def rows(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Table -> (line number, cells), the header first, empty lines left out; cells are stripped.

    Raises:
        DataError: it is not there, is empty, or is not text in UTF-8.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(DELIMITERS, key=first.count))
            empty = True
            for cells in reader:
                if any(cells):
                    empty = False
                    yield reader.line_num, [cell.strip() for cell in cells]
        if empty:
            raise DataError(f"{table} is empty: its first line must name the columns, such as filename,label")
    except OSError as error:
        raise DataError(f"cannot read {table}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{table} is not text in UTF-8: save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{table} is not a table that can be read: {error} (line {reader.line_num})") from error


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table by what they mean."""

    label: str
    split: str | None = None
    group: str | None = None
    licence: str | None = None

    @property
    def names(self) -> list[str]:
        """All of them, each once."""
        chosen = (self.label, self.split, self.group, self.licence)
        return list(dict.fromkeys(name for name in chosen if name is not None))


def choose_columns(columns: Sequence[str], target: str | None, table: str) -> Columns:
    """Column names -> what each means; `target` is the label's column if the user named one.

    Raises:
        DataError: no column holds labels; the message lists the columns that there are.
    """
    label = find_column(columns, (target,) if target else LABELS)
    if label is None:
        what = f"no column {target!r}" if target else "no label column: name one with --target"
        raise DataError(f"{table} has {what} (its columns are: {', '.join(columns)})")
    others = [column for column in columns if column != label]
    return Columns(label, find_column(others, _SPLITS), find_column(others, _GROUPS), find_column(others, _LICENCES))


def label_doubts(columns: Sequence[str], target: str | None) -> list[str]:
    """A note if several columns might be the label, none is called `label`, and the user named none."""
    likely = [column for column in columns if column.strip().lower() in LABELS]
    chosen = find_column(columns, LABELS)
    if target or len(likely) < 2 or chosen == find_column(columns, LABELS[:2]):
        return []
    others = ", ".join(column for column in likely if column != chosen)
    return [f"took the column {chosen} for the label; --target names another, such as {others}"]


def find_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column with the earliest of these names, in upper or lower case."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name.lower()] for name in names if name.lower() in by_name), None)


@dataclass(slots=True)
class _Rows:
    """The photos of a table, and what is worth a note about its rows."""

    incomplete: list[int] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    conflicting: list[str] = field(default_factory=list)
    splits: set[str] = field(default_factory=set)
    by_key: dict[str, PhotoRef] = field(default_factory=dict)


def _read(table: Path, images: Path, target: str | None) -> DataSet:
    lines = rows(table)
    _, names = next(lines)
    if any(name.lower().endswith(PICTURES) for name in names):
        raise DataError(f"{table} has no header: its first line must name the columns, such as filename,label")
    file_column = find_column([name for name in names if name != target], FILES)
    if file_column is None:
        what = "no column of file names, such as filename"
        raise DataError(f"{table} has {what} (its columns are: {', '.join(names)})")
    columns = choose_columns([name for name in names if name != file_column], target, str(table))
    files, seen = FileFinder(images), _Rows()
    for number, cells in lines:
        row = dict(zip(names, cells, strict=False))
        file, label = row.get(file_column, ""), row.get(columns.label, "")
        if file and label:
            _add(seen, files, file, row, columns)
        else:
            seen.incomplete.append(number)
    refs = group_variants([seen.by_key[key] for key in sorted(seen.by_key)])
    if not refs:
        raise DataError(f"{table} has no row with both a file and a label")
    if len(files.missing) == len(refs):
        here = f"none of the {pluralize(len(refs), 'photo')} that {table} names is in {images}"
        raise DataError(f"{here}: name their folder with --images (the first is {refs[0].key})")
    return DataSet.of(refs, [*label_doubts(names, target), *_notes(table, seen), *files.notes(table.name)])


def _add(seen: _Rows, files: FileFinder, file: str, row: dict[str, str], columns: Columns) -> None:
    key, path = files.find(file)
    label = unicodedata.normalize("NFC", row[columns.label])
    if earlier := seen.by_key.get(key):
        (seen.repeated if earlier.origin.label == label else seen.conflicting).append(key)
        return
    split = row.get(columns.split, "") if columns.split else ""
    if split and parse_split(split) is None:
        seen.splits.add(split)
    group = row.get(columns.group) if columns.group else None
    licence = row.get(columns.licence) if columns.licence else None
    origin = Origin(key, label, parse_split(split), licence or None, group or None)
    seen.by_key[key] = PhotoRef(origin, path)


def _notes(table: Path, seen: _Rows) -> Iterator[str]:
    if seen.incomplete:
        lines = f"line{'s' if len(seen.incomplete) > 1 else ''} {join_names(seen.incomplete)}"
        yield f"left out {pluralize(len(seen.incomplete), 'row')} of {table.name} without a file or a label: {lines}"
    if seen.repeated:
        yield f"left out {pluralize(len(seen.repeated), 'row')} of {table.name} that repeat {_names(seen.repeated)}"
    if seen.conflicting:
        many = pluralize(len(seen.conflicting), "row")
        yield f"left out {many} of {table.name} with another label than before for {_names(seen.conflicting)}"
    if seen.splits:
        yield f"ignored unknown splits (train, val and test are known): {join_names(sorted(seen.splits))}"


def _names(keys: Sequence[str]) -> str:
    return join_names(list(dict.fromkeys(keys)))
