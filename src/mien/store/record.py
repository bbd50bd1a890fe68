"""The journal as a file: JSON Lines that are only ever added to; knows what the lines mean, and moves nothing.

One line each: a head, every folder about to be made, every act before it is begun (`intent`), and what became of it
(`done`, `left`, `undone`). A line that a kill tore is cut off when the file is opened again.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from mien import __version__
from mien.errors import DataError
from mien.store.lines import Lines
from mien.store.placing import Stamp, sync_folder

SCHEMA = 1
Action = Literal["copy", "link", "move"]
Line = dict[str, Any]

_HEAD = b'{"kind": "journal"'


@dataclass(frozen=True, slots=True)
class Act:
    """One file to be filed: where it lies, where it shall lie, and how it gets there.

    after: the absolute source of an earlier act, without which this one is not to be done. A journal does not hold it:
    after a kill nothing is begun that was not.
    """

    source: Path
    target: Path
    action: Action
    after: Path | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An act as the journal holds it: its number, and what the source was before."""

    number: int
    act: Act
    before: Stamp


@dataclass(slots=True)
class Record:
    """All that a journal says. `done` holds what each target was when it was finished."""

    root: Path
    token: str
    folders: list[Path] = field(default_factory=list)
    entries: dict[int, Entry] = field(default_factory=dict)
    done: dict[int, Stamp] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    reserves: bool = False
    undoing: bool = False
    ended: bool = False

    @property
    def begun(self) -> bool:
        """Whether the head was written, without which nothing was done."""
        return bool(self.token)

    def in_doubt(self) -> list[Entry]:
        """The acts that were announced and of which nothing more is known."""
        return [entry for n, entry in self.entries.items() if n not in self.done and n not in self.closed]

    def standing(self) -> list[tuple[Entry, Stamp]]:
        """The acts that were done and not undone, in order."""
        return [(self.entries[n], after) for n, after in self.done.items() if n not in self.closed]

    def part(self, entry: Entry, folder: Path) -> Path:
        """The name that a half-written file of this act bears in a folder."""
        return folder / f".mien-{self.token}-{entry.number}.part"


def create(path: Path, root: Path) -> Lines:
    """Begin a journal where no file is.

    Raises:
        DataError: there is one, or it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = Lines(path, os.O_CREAT | os.O_EXCL)
    except FileExistsError as error:
        raise DataError(f"the journal {path} is there already: choose another name") from error
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        log.append([_head(root)], durable=True)
        sync_folder(path.parent)
    except OSError as error:
        log.close()
        with suppress(OSError):
            path.unlink()
        raise _unwritable(path, error) from error
    return log


def reopen(path: Path) -> Lines:
    """Open a journal to add to it, and cut off a line that a kill tore.

    Raises:
        DataError: there is none, it cannot be written, or another process has it open.
    """
    try:
        log = Lines(path)
    except BlockingIOError as error:
        raise DataError(f"the journal {path} is in use by another run of mien: wait until it is done") from error
    except OSError as error:
        raise DataError(f"the journal {path} cannot be opened: {error.strerror}") from error
    try:
        if not _may_be_journal(path.read_bytes()):
            raise _foreign(path)
        log.whole()
    except OSError as error:
        log.close()
        raise DataError(f"the journal {path} cannot be written: {error.strerror}") from error
    except DataError:
        log.close()
        raise
    return log


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"the journal {path} cannot be written: {error.strerror}; nothing was done")


def read(path: Path) -> Record:
    """Journal -> what it says.

    Raises:
        DataError: there is no such file, it is no journal, or it is damaged elsewhere than in its last line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"the journal {path} cannot be read: {error.strerror}") from error
    if b"\n" not in data and _may_be_journal(data):  # killed before it began
        return Record(path.parent, "", ended=True)
    lines = _lines(path, data)
    head = next(lines, None)
    if head is None or head.get("kind") != "journal":
        raise _foreign(path)
    if head.get("schema") != SCHEMA:
        version = head.get("mien", "of another version")
        raise DataError(f"the journal {path} was written by mien {version}: use that version, or a newer one")
    number = 1
    try:
        record = Record(Path(head["root"]), head["token"])
        for number, line in enumerate(lines, 2):  # noqa: B007  (the handler names it)
            _take(record, line)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, number) from error
    return record


def folder_line(folder: Path) -> Line:
    """A folder is about to be made."""
    return {"kind": "folder", "path": str(folder)}


def intent_line(entry: Entry) -> Line:
    """An act is about to be begun."""
    act, before = entry.act, entry.before
    paths = {"action": act.action, "source": str(act.source), "target": str(act.target)}
    return {"kind": "intent", "n": entry.number, **paths, "size": before.size, "mtime_ns": before.mtime_ns}


def done_line(entry: Entry, after: Stamp) -> Line:
    """An act was finished."""
    return {"kind": "done", "n": entry.number, "size": after.size, "mtime_ns": after.mtime_ns, "sha256": after.sha256}


def left_line(entry: Entry, why: str) -> Line:
    """An act was not done, and nothing of it remains."""
    return {"kind": "left", "n": entry.number, "why": why}


def undone_line(entry: Entry) -> Line:
    """An act was taken back."""
    return {"kind": "undone", "n": entry.number}


RESERVE_LINE: Line = {"kind": "reserve"}
"""From here on there may be empty files of ours: the file system has no links."""

UNDO_LINE: Line = {"kind": "undo"}
"""From here on acts are taken back."""

END_LINE: Line = {"kind": "end"}
"""The run, or the undoing, came to its end."""


def _head(root: Path) -> Line:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    token = secrets.token_hex(4)
    kind = {"kind": "journal", "schema": SCHEMA, "mien": __version__}
    return {**kind, "created": created, "token": token, "root": str(root)}


def _take(record: Record, line: Line) -> None:
    match line["kind"]:
        case "folder":
            record.folders.append(Path(line["path"]))
        case "intent":
            act = Act(Path(line["source"]), Path(line["target"]), line["action"])
            record.entries[line["n"]] = Entry(line["n"], act, Stamp(line["size"], line["mtime_ns"]))
            record.ended = False
        case "done":
            record.done[record.entries[line["n"]].number] = Stamp(line["size"], line["mtime_ns"], line["sha256"])
        case "left" | "undone":
            record.closed.add(record.entries[line["n"]].number)
        case "reserve":
            record.reserves = True
        case "undo":
            record.undoing, record.ended = True, False
        case "end":
            record.undoing, record.ended = False, True
        case kind:
            raise ValueError(kind)


def _lines(path: Path, data: bytes) -> Iterator[Line]:
    for number, text in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            line = json.loads(text)
        except ValueError as error:
            raise _damaged(path, number) from error
        if not isinstance(line, dict):
            raise _damaged(path, number)
        yield line


def _may_be_journal(data: bytes) -> bool:
    return data.startswith(_HEAD) or _HEAD.startswith(data)


def _foreign(path: Path) -> DataError:
    return DataError(f"{path} is not a journal of mien")


def _damaged(path: Path, number: int) -> DataError:
    return DataError(f"line {number} of the journal {path} is damaged: put the file aside; no photo was touched")
