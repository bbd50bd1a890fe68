"""What a person decided about findings, and the table that it stands in; knows no photo, and acts on nothing."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from mien.curate.finding import DROP, KEEP, Finding
from mien.errors import DataError
from mien.types import Box

Word = Literal["", "keep", "drop", "move", "face"]
"""What may be decided; "" where nobody has."""

COLUMNS = ("path", "label", "verdict", "to", "box", "kind")

_WORDS: tuple[str, ...] = get_args(Word)
_DELIMITERS = ",;\t"
_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of something to be computed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table: what shall become of a photo.

    path: the photo's key, which is its path below the data where it is a file. label: what it had when it was looked
    at. to: the new label, for "move". box: the face that is meant, in pixels of the whole photo, for "face". kind: of
    the finding. line: where it stands in the table, 0 where it was not read from one.
    """

    path: str
    label: str | None
    verdict: Word
    to: str | None = None
    box: Box | None = None
    kind: str = ""
    line: int = field(default=0, compare=False)


def of_finding(finding: Finding) -> Verdict | None:
    """A finding -> its proposal as a verdict; None where it is about a label as a whole."""
    if finding.path is None:
        return None
    made = Verdict(finding.path, finding.label, "keep", None, finding.box, str(finding.kind))
    if finding.box is not None and finding.proposed.startswith("face "):
        return replace(made, verdict="face")
    if finding.proposed == DROP:
        return replace(made, verdict="drop")
    if finding.proposed in (KEEP, finding.label):
        return made
    return replace(made, verdict="move", to=finding.proposed)


def write_verdicts(rows: Sequence[Finding | Verdict]) -> bytes:
    """Findings or verdicts -> a table that a spreadsheet opens, and `read_verdicts` reads.

    Of proposals for one photo that cannot be followed together (two labels, two faces) the surest is filled in; the
    verdict of the others stays empty, for a person to choose.
    """
    # The mark of UTF-8 in front, without which Excel takes names of other scripts for something else.
    text = io.StringIO("\ufeff")
    text.seek(0, io.SEEK_END)
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in _decided(rows):
        box = "" if row.box is None else " ".join(f"{value:.1f}" for value in row.box)
        cells = (row.path, row.label or "", row.verdict, row.to or "", box, row.kind)
        table.writerow(map(_guarded, cells))
    return text.getvalue().encode()


def read_verdicts(path: Path) -> list[Verdict]:
    """A table -> its verdicts in order; columns in any order, and others than `COLUMNS` are left alone.

    Raises:
        DataError: it cannot be read, lacks a column, or a line does not say what is to be done; the line is named.
    """
    lines = _rows(path)
    _, names = next(lines, (0, []))
    columns = {name.strip().lower(): i for i, name in reversed(list(enumerate(names)))}
    if missing := [name for name in ("path", "verdict") if name not in columns]:
        there = ", ".join(name for name in names if name.strip()) or "none"
        raise DataError(f"{path} has no column {missing[0]} (its columns are: {there}): give verdicts of 'mien check'")
    found = []
    for number, cells in lines:
        row = {name: _bare(cells[i]) for name, i in columns.items() if name in COLUMNS and i < len(cells)}
        try:
            found.append(_verdict(row, number))
        except ValueError as error:
            raise DataError(f"line {number} of {path}: {error}") from error
    return found


def _decided(rows: Sequence[Finding | Verdict]) -> Iterator[Verdict]:
    """All as verdicts, the less sure of contradicting proposals left open."""
    pairs = [(row, row if isinstance(row, Verdict) else of_finding(row)) for row in rows]
    surest: dict[tuple[str, str], tuple[float, Verdict]] = {}
    for row, verdict in pairs:
        if isinstance(row, Finding) and verdict is not None:
            known = surest.get((verdict.path, verdict.verdict))
            if known is None or row.confidence > known[0]:
                surest[verdict.path, verdict.verdict] = row.confidence, verdict
    for row, verdict in pairs:
        if verdict is None:
            continue
        best = verdict if isinstance(row, Verdict) else surest[verdict.path, verdict.verdict][1]
        yield verdict if (verdict.to, verdict.box) == (best.to, best.box) else _open(verdict)


def _open(verdict: Verdict) -> Verdict:
    return replace(verdict, verdict="") if verdict.verdict in ("move", "face") else verdict


def _verdict(row: dict[str, str], line: int) -> Verdict:
    """Cells by column -> verdict; raises ValueError with what is wrong."""
    path = row.pop("path", "")  # the one whose outer spaces may be meant
    said = {name: cell.strip() for name, cell in row.items()}
    word = said.get("verdict", "").lower()
    if word not in _WORDS:
        raise ValueError(f"{word!r} is no verdict: use {', '.join(filter(None, _WORDS))}, or leave it empty")
    if not path.strip():
        raise ValueError("it names no photo: fill in the column path")
    to = unicodedata.normalize("NFC", said.get("to", "")) or None
    box = _box(said.get("box", "")) if word == "face" or said.get("box") else None
    if word == "move" and to is None:
        raise ValueError("'move' needs the new label: fill in the column to")
    return Verdict(path, said.get("label") or None, _word(word), to, box, said.get("kind", ""), line)


def _word(text: str) -> Word:
    return next(word for word in get_args(Word) if word == text)


def _box(text: str) -> Box:
    try:
        x1, y1, x2, y2 = (float(part) for part in text.split())
    except ValueError:
        raise ValueError(f"the box of a face is four numbers, x1 y1 x2 y2, and not {text!r}") from None
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x2 <= x1 or y2 <= y1:
        raise ValueError(f"the box {text!r} has no inside: give x1 y1 x2 y2 in pixels")
    return x1, y1, x2, y2


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Table -> (line number, cells), the header first, empty lines left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(_DELIMITERS, key=first.count))
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
    except OSError as error:
        raise DataError(f"cannot read the verdicts {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"the verdicts {path} are not text in UTF-8: save them as 'CSV UTF-8'") from error
    except csv.Error as error:
        raise DataError(f"line {reader.line_num} of {path} cannot be read as CSV: {error}") from error


def _guarded(cell: str) -> str:
    """A cell that no spreadsheet computes: a name may begin like a formula, and come from a stranger."""
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _bare(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
