"""Reads a table in text: CSV or TSV with a header, whose rows name photo files; knows no Parquet and no pixels."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.data.columns import FILES, Columns, choose, doubts, first_of, split_named
from mien.data.dataset import DataOptions, DataSet
from mien.data.families import with_families
from mien.data.files import Files
from mien.data.walk import PICTURES, folder_at, walk
from mien.errors import DataError
from mien.text import join_names, pluralize
from mien.types import Origin, PhotoRef

DELIMITERS = ",;\t"


def read(data: Path, options: DataOptions) -> DataSet:
    """Table -> data set; the files lie below `options.images`, or beside the table.

    Raises:
        DataError: the table cannot be read, lacks a column, or names no photo that is there.
    """
    images = folder_at(options.images, "--images") if options.images else data.parent
    return _read(data, images, options.target)


def read_metadata(data: Path, options: DataOptions) -> DataSet:
    """Folder with a Hugging Face `metadata.csv` -> data set.

    Raises:
        DataError: as for `read`.
    """
    return _read(data / "metadata.csv", data, options.target)


def read_labelled(data: Path, options: DataOptions) -> DataSet:
    """Folder of photos, and a table that labels them -> data set; photos that the table leaves out are noted.

    Raises:
        DataError: as for `read`, or DATA is not a folder.
    """
    assert options.labels is not None
    known = _read(options.labels, folder_at(data, "with --labels, DATA"), options.target)
    keys = {origin.uri for origin in known.origins}
    unlabelled = [found.name for found in walk(data).found if found.name not in keys]
    if not unlabelled:
        return known
    note = f"left out {pluralize(len(unlabelled), 'photo')} that {options.labels.name} does not label"
    return DataSet(known.refs, known.origins, [*known.notes, f"{note}: {join_names(unlabelled)}"])


def header(table: Path) -> list[str]:
    """The names of a table's columns.

    Raises:
        DataError: it is not there, is empty, or is not text in UTF-8.
    """
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


@dataclass(slots=True)
class _Seen:
    """What went over the table's rows, for the notes."""

    incomplete: list[int] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    conflicting: list[str] = field(default_factory=list)
    splits: set[str] = field(default_factory=set)
    by_key: dict[str, PhotoRef] = field(default_factory=dict)


def _read(table: Path, images: Path, target: str | None) -> DataSet:
    lines = rows(table)
    _, names = next(lines)
    file_column, columns = _columns(table, names, target)
    files, seen = Files(images), _Seen()
    for number, cells in lines:
        row = dict(zip(names, cells, strict=False))
        file, label = row.get(file_column, ""), row.get(columns.label, "")
        if file and label:
            _add(seen, files, file, row, columns)
        else:
            seen.incomplete.append(number)
    refs = with_families([seen.by_key[key] for key in sorted(seen.by_key)])
    if not refs:
        raise DataError(f"{table} has no row with both a file and a label")
    if len(files.missing) == len(refs):
        here = f"none of the {pluralize(len(refs), 'photo')} that {table} names lies in {images}"
        raise DataError(f"{here}: name their folder with --images (the first is {refs[0].key})")
    return DataSet.of(refs, [*doubts(names, target), *_notes(table, seen), *files.notes(table.name)])


def _columns(table: Path, names: Sequence[str], target: str | None) -> tuple[str, Columns]:
    if any(name.lower().endswith(PICTURES) for name in names):
        raise DataError(f"{table} has no header: its first line must name the columns, such as filename,label")
    file = first_of([name for name in names if name != target], FILES)
    if file is None:
        raise DataError(f"{table} has no column of file names, such as filename (its columns are: {', '.join(names)})")
    return file, choose([name for name in names if name != file], target, str(table))


def _add(seen: _Seen, files: Files, file: str, row: dict[str, str], columns: Columns) -> None:
    key, path = files.find(file)
    label = unicodedata.normalize("NFC", row[columns.label])
    if key in seen.by_key:
        same = seen.by_key[key].origin.label == label
        (seen.repeated if same else seen.conflicting).append(key)
        return
    split = row.get(columns.split, "") if columns.split else ""
    if split and split_named(split) is None:
        seen.splits.add(split)
    group = row.get(columns.group) if columns.group else None
    licence = row.get(columns.licence) if columns.licence else None
    origin = Origin(key, label, split_named(split), licence or None, group or None)
    seen.by_key[key] = PhotoRef(origin, path)


def _notes(table: Path, seen: _Seen) -> Iterator[str]:
    if seen.incomplete:
        lines = f"line{'s' if len(seen.incomplete) > 1 else ''} {join_names(seen.incomplete)}"
        yield f"left out {pluralize(len(seen.incomplete), 'row')} of {table.name} without a file or a label: {lines}"
    if seen.repeated:
        yield f"left out {pluralize(len(seen.repeated), 'row')} of {table.name} that repeat {_names(seen.repeated)}"
    if seen.conflicting:
        many = pluralize(len(seen.conflicting), "row")
        yield f"left out {many} of {table.name} with another label than before for {_names(seen.conflicting)}"
    if seen.splits:
        yield f"took these for no split, as only train, val and test are known: {join_names(sorted(seen.splits))}"


def _names(keys: Sequence[str]) -> str:
    return join_names(list(dict.fromkeys(keys)))
