"""How lists of pairs are written: reads a CSV or the text form of Labeled Faces in the Wild; opens no photo."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.errors import DataError

_YES = frozenset(("1", "true", "yes", "same", "t", "y"))
_NO = frozenset(("0", "false", "no", "different", "f", "n", "-1"))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, as paths relative to the folder of images, and whether they show one person."""

    fold: int
    a: str
    b: str
    same: bool


def read_pairs(path: Path) -> list[Pair]:
    """A file of pairs -> pairs in the file's order.

    Either a CSV with the columns a, b, same and, where there are folds, fold; or `pairs.txt` as Labeled Faces in the
    Wild ships it: a head with the number of folds and pairs, then `name n1 n2` or `name1 n1 name2 n2`, tab-separated,
    which stand for name/name_0001.jpg.

    Raises:
        DataError: the file is missing, is neither form, or has a bad line; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(f"the pairs cannot be read from {path}: {why}") from error
    lines = text.split("\n")
    head = next((line for line in lines if line.strip()), "")
    pairs = _lfw(path, lines) if all(part.isdecimal() for part in head.split()) else _table(path, lines)
    if not pairs:
        raise DataError(f"{path} holds no pairs: give a CSV with the columns fold,a,b,same, or LFW's pairs.txt")
    return pairs


def _table(path: Path, lines: Sequence[str]) -> list[Pair]:
    rows = _rows(path, lines)
    names = [name.strip().lower() for name in next(rows, (0, []))[1]]
    missing = [name for name in ("a", "b", "same") if name not in names]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}: its first line must read fold,a,b,same or a,b,same"
        )
    return [_row(f"{path}, line {line}", names, row) for line, row in rows]


def _rows(path: Path, lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Lines -> line number and values of each row that is not empty."""
    reader = csv.reader(lines)
    try:
        for row in reader:
            if any(value.strip() for value in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not a line of a CSV: {error}") from error


def _row(where: str, names: Sequence[str], row: Sequence[str]) -> Pair:
    values = dict(zip(names, row, strict=False))
    a, b, same, fold = (values.get(name, "").strip() for name in ("a", "b", "same", "fold"))
    if len(row) > len(names) or not a or not b:
        raise DataError(f"{where}: a pair needs two photos, in the columns a and b, and no more values than columns")
    if same.lower() not in _YES | _NO:
        raise DataError(f"{where}: the column same says {same!r}, and must say 1 or 0")
    if fold and not fold.isdecimal():
        raise DataError(f"{where}: the column fold says {fold!r}, and must be a whole number")
    return Pair(int(fold) if fold else 1, a, b, same.lower() in _YES)


def _lfw(path: Path, lines: Sequence[str]) -> list[Pair]:
    rows = [(i, line.split("\t") if "\t" in line else line.split()) for i, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        return []
    head, body = [int(part) for part in rows[0][1] if part.strip()], rows[1:]
    folds, size = (head[0], head[1]) if len(head) == 2 else (1, head[0])
    expected = 2 * folds * size
    if len(body) != expected or not size:
        raise DataError(f"{path} announces {folds} folds of 2 x {size} pairs and holds {len(body)} lines of pairs")
    return [_lfw_row(f"{path}, line {line}", i // (2 * size) + 1, row) for i, (line, row) in enumerate(body)]


def _lfw_row(where: str, fold: int, row: Sequence[str]) -> Pair:
    parts = [part.strip() for part in row]
    if len(parts) == 3:
        first, second = (parts[0], parts[1]), (parts[0], parts[2])
    elif len(parts) == 4:
        first, second = (parts[0], parts[1]), (parts[2], parts[3])
    else:
        raise DataError(f"{where}: {len(parts)} values, where 'name n1 n2' or 'name1 n1 name2 n2' should stand")
    a, b = (_lfw_photo(where, name, number) for name, number in (first, second))
    return Pair(fold, a, b, len(parts) == 3)


def _lfw_photo(where: str, name: str, number: str) -> str:
    if not number.isdecimal():
        raise DataError(f"{where}: {number!r} should be the number of a photo of {name}")
    return f"{name}/{name}_{int(number):04d}.jpg"
