"""A person's decisions about findings: the CSV table of verdicts, and what all of them mean for each photo."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar, get_args

from mien.curation.findings import DROP, KEEP, TURN, Finding, Kind
from mien.errors import DataError
from mien.types import Box

T = TypeVar("T")

Action = Literal["", "keep", "drop", "move", "face", "turn"]
"""What may be decided; "" where nothing has been."""

CHANGES: frozenset[Action] = frozenset({"drop", "move", "face", "turn"})
"""Those after which a photo is not as it was."""

COLUMNS = ("path", "label", "verdict", "to", "box", "kind")

_DELIMITERS = ",;\t"
_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table: what to do with a photo.

    path: the photo's key, which is its path below the data where it is a file. label: the one it had when it was
    checked. to: the new label, for "move", and by how many degrees clockwise, for "turn". box: the face that is meant,
    in pixels of the whole photo, for "face". kind: that of the finding. line: its number in the table, 0 where it was
    not read from one.
    """

    path: str
    label: str | None
    verdict: Action
    to: str | None = None
    box: Box | None = None
    kind: str = ""
    line: int = field(default=0, compare=False)


def propose_verdict(finding: Finding) -> Verdict | None:
    """A finding -> its proposal as a verdict; None where it is about a whole label."""
    if finding.path is None:
        return None
    keep = Verdict(finding.path, finding.label, "keep", None, finding.box, str(finding.kind))
    if finding.box is not None and finding.proposed.startswith("face "):
        return replace(keep, verdict="face")
    if finding.kind is Kind.TURNED_PHOTO and finding.proposed.startswith(TURN):
        return replace(keep, verdict="turn", to=finding.proposed.removeprefix(TURN).strip())
    if finding.proposed == DROP:
        return replace(keep, verdict="drop")
    if finding.proposed in (KEEP, finding.label):
        return keep
    return replace(keep, verdict="move", to=finding.proposed)


def propose_verdicts(findings: Sequence[Finding]) -> list[Verdict]:
    """Findings -> their proposals, in order.

    Of proposals for one photo that contradict each other (two labels, two faces) the surest is filled in; the verdict
    of the others stays empty, for a person to choose.
    """
    surest: dict[tuple[str | None, Action], Verdict] = {}
    for finding in sorted(findings, key=lambda finding: -finding.confidence):
        if (verdict := propose_verdict(finding)) is not None:
            surest.setdefault((verdict.path, verdict.verdict), verdict)
    verdicts = []
    for verdict in filter(None, map(propose_verdict, findings)):
        best = surest[verdict.path, verdict.verdict]
        agrees = (verdict.to, verdict.box) == (best.to, best.box) or verdict.verdict not in ("move", "face")
        verdicts.append(verdict if agrees else replace(verdict, verdict=""))
    return verdicts


# The table.


def write_verdicts(verdicts: Iterable[Verdict]) -> bytes:
    """Verdicts -> a table that a spreadsheet opens, and `read_verdicts` reads."""
    # UTF-8's byte order mark comes first: without it Excel garbles names in other scripts.
    text = io.StringIO("\ufeff")
    text.seek(0, io.SEEK_END)
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in verdicts:
        box = "" if row.box is None else " ".join(f"{value:.1f}" for value in row.box)
        cells = (row.path, row.label or "", row.verdict, row.to or "", box, row.kind)
        table.writerow(map(_escape_formula, cells))
    return text.getvalue().encode()


def read_verdicts(path: Path) -> list[Verdict]:
    """A table -> its verdicts in order; columns may be in any order, and those not in `COLUMNS` are ignored.

    Raises:
        DataError: it cannot be read, lacks a column, or a line does not say what to do; the message names the line.
    """
    lines = _read_lines(path)
    _, names = next(lines, (0, []))
    columns = {name.strip().lower(): i for i, name in reversed(list(enumerate(names)))}
    if missing := [name for name in ("path", "verdict") if name not in columns]:
        available = ", ".join(name for name in names if name.strip()) or "none"
        raise DataError(
            f"{path} has no column {missing[0]} (its columns: {available}); use the table that 'mien check' writes"
        )
    verdicts = []
    for number, cells in lines:
        row = {name: _unescape_formula(cells[i]) for name, i in columns.items() if name in COLUMNS and i < len(cells)}
        try:
            verdicts.append(_parse_verdict(row, number))
        except ValueError as error:
            raise DataError(f"line {number} of {path}: {error}") from error
    return verdicts


def _parse_verdict(row: dict[str, str], line: int) -> Verdict:
    """Cells by column -> verdict; raises ValueError with what is wrong."""
    path = row.pop("path", "")  # the only cell whose outer spaces may be meant
    cells = {name: cell.strip() for name, cell in row.items()}
    actions: dict[str, Action] = {action: action for action in get_args(Action)}
    if (action := actions.get(word := cells.get("verdict", "").lower())) is None:
        raise ValueError(f"{word!r} is not a verdict: use {', '.join(filter(None, actions))}, or leave it empty")
    if not path.strip():
        raise ValueError("it names no photo: fill in the column path")
    to = unicodedata.normalize("NFC", cells.get("to", "")) or None
    box = _parse_box(cells.get("box", "")) if action == "face" or cells.get("box") else None
    if action == "move" and to is None:
        raise ValueError("'move' needs the new label: fill in the column to")
    if action == "turn":
        to = _parse_turn(to or "")
    return Verdict(path, cells.get("label") or None, action, to, box, cells.get("kind", ""), line)


def _parse_turn(text: str) -> str:
    """Degrees as a person wrote them -> "90", "180" or "270"."""
    with suppress(ValueError):
        if (degrees := int(text) % 360) in (90, 180, 270):
            return str(degrees)
    raise ValueError(f"'turn' needs degrees clockwise, 90, 180 or 270, in the column to, not {text!r}")


def _parse_box(text: str) -> Box:
    try:
        x1, y1, x2, y2 = (float(part) for part in text.split())
    except ValueError:
        raise ValueError(f"the box of a face is four numbers, x1 y1 x2 y2, not {text!r}") from None
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x2 <= x1 or y2 <= y1:
        raise ValueError(f"the box {text!r} is empty: give x1 y1 x2 y2 in pixels")
    return x1, y1, x2, y2


def _read_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Table -> (line number, cells), the header first, without empty lines."""
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


def _escape_formula(cell: str) -> str:
    """A cell that no spreadsheet computes: a stranger's file name may begin like a formula."""
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _unescape_formula(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


# What the verdicts mean for each photo.


@dataclass(frozen=True, slots=True)
class Decision:
    """What all verdicts on one photo come to; by default it stays as it is.

    drop: it is left out. to: its new label. box: the face that is to replace the photo, in pixels of the whole photo.
    turn: degrees clockwise by which it is to be turned, or that face of it.
    """

    drop: bool = False
    to: str | None = None
    box: Box | None = None
    turn: int = 0

    @property
    def changes(self) -> bool:
        return self != Decision()

    @property
    def edits(self) -> bool:
        """Whether another picture is to take its place."""
        return self.box is not None or self.turn != 0


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decision on each photo by its key, and the verdicts on photos that do not exist."""

    photos: Mapping[str, Decision]
    missing: Sequence[Verdict]


def decide(verdicts: Iterable[Verdict], labels: Mapping[str, str | None], table: Path, root: Path) -> Decisions:
    """Verdicts, and the label of every photo by its key -> the decision on each photo that verdicts are about.

    Of several verdicts on a photo, "drop" goes before all others, "keep" after them, and a face may be cut out, turned
    and moved. A path is looked up as it stands; else relative to `root`, and in the other form of Unicode. A new label
    that differs from a known one in capitals only is taken for that.

    Raises:
        DataError: two verdicts on a photo contradict each other; the message names the lines of `table`.
    """
    keys = {_nfc(key): key for key in reversed(list(labels))}
    known = {label for label in labels.values() if label is not None}
    missing: list[Verdict] = []
    by_key: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        key = verdict.path if verdict.path in labels else keys.get(_relative_to(verdict.path, root))
        if key is None:
            missing.append(verdict)
        else:
            by_key[key].append(verdict)
    return Decisions({key: _decision(rows, labels[key], known, table) for key, rows in by_key.items()}, missing)


def match_label(label: str, known: Iterable[str]) -> str:
    """A label as a person wrote it -> as the data spells it, where it differs in capitals or Unicode form only."""
    wanted = _nfc(label)
    matches = sorted(name for name in known if _nfc(name).casefold() == wanted.casefold())
    return wanted if wanted in matches or not matches else matches[0]


def _decision(verdicts: Sequence[Verdict], label: str | None, known: Iterable[str], table: Path) -> Decision:
    if any(verdict.verdict == "drop" for verdict in verdicts):
        return Decision(drop=True)
    moves = [(match_label(v.to, known), v) for v in verdicts if v.verdict == "move" and v.to is not None]
    faces = [(v.box, v) for v in verdicts if v.verdict == "face" and v.box is not None]
    turns = [(int(v.to), v) for v in verdicts if v.verdict == "turn" and v.to is not None]
    to, box, turn = _unanimous(moves, table), _unanimous(faces, table), _unanimous(turns, table)
    return Decision(to=None if to == label else to, box=box, turn=turn or 0)


def _unanimous(values: Sequence[tuple[T, Verdict]], table: Path) -> T | None:
    """The value that all verdicts agree on; None where there are none."""
    for value, verdict in values[1:]:
        first, earlier = values[0]
        if value != first:
            what = {str: "labels", int: "angles"}.get(type(first), "faces")
            lines = f"lines {earlier.line} and {verdict.line} of {table}"
            raise DataError(f"{lines} name different {what} for {verdict.path}: keep one verdict and empty the other")
    return values[0][0] if values else None


def _relative_to(path: str, root: Path) -> str:
    """A path as it may have been written by hand -> in the form of a key."""
    written = Path(path.strip())
    folder = root.absolute()
    if written.is_absolute() and written.is_relative_to(folder):
        written = written.relative_to(folder)
    return _nfc(written.as_posix())


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
