"""The journal of file transfers: its lines, reading it, and what the journals of a folder say was filed there.

It is JSON Lines that are only ever added to: a header, every folder before it is made, every transfer before it is
begun (`intent`), and its result (`done`, `left`, `undone`). A line that a kill tore is cut off when it is reopened.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal

from mien import __version__
from mien.errors import DataError
from mien.fileio import JsonLines, sync_folder
from mien.store.fileops import Stamp, is_same_file, is_unchanged, stamp

SCHEMA = 1
Action = Literal["copy", "link", "move"]
Verb = Literal["sort", "clean"]
"""The verbs that file photos; their journals are named after them."""

FOLDER = ".mien"
"""The folder for mien's own files in a folder of photos; readers of data skip it, as it is hidden."""

Line = dict[str, Any]

_HEADER = b'{"kind": "journal"'
_NAME = re.compile(r"(?:sort|clean)-(\d+T\d+Z)-(\d+)\.jsonl")


@dataclass(frozen=True, slots=True)
class Transfer:
    """One file to be copied, linked or moved: from where, to where, and how.

    after: the absolute source of an earlier transfer, without which this one is not done. The journal does not keep it:
    after a kill nothing new is begun.
    """

    source: Path
    target: Path
    action: Action
    after: Path | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A transfer as the journal holds it: its number, and the state of the source before."""

    number: int
    transfer: Transfer
    before: Stamp


@dataclass(frozen=True, slots=True)
class Outcome:
    """Which transfers were done (with the targets they got), needed nothing, and failed, with the reason."""

    done: tuple[Transfer, ...] = ()
    skipped: tuple[Transfer, ...] = ()
    failed: tuple[tuple[Transfer, str], ...] = ()


@dataclass(slots=True)
class Journal:
    """All that a journal says. `done` holds the state of each target when it was finished."""

    root: Path
    token: str
    folders: list[Path] = field(default_factory=list)
    entries: dict[int, Entry] = field(default_factory=dict)
    done: dict[int, Stamp] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    has_placeholders: bool = False
    undoing: bool = False
    ended: bool = False

    @property
    def begun(self) -> bool:
        """Whether the header was written; otherwise nothing was done."""
        return bool(self.token)

    def in_doubt(self) -> list[Entry]:
        """The transfers that were announced and of which nothing more is known."""
        return [entry for n, entry in self.entries.items() if n not in self.done and n not in self.closed]

    def standing(self) -> list[tuple[Entry, Stamp]]:
        """The transfers that were done and not undone, in order."""
        return [(self.entries[n], after) for n, after in self.done.items() if n not in self.closed]

    def part(self, entry: Entry, folder: Path) -> Path:
        """The name of this transfer's half-written file in a folder."""
        return folder / f".mien-{self.token}-{entry.number}.part"


@dataclass(frozen=True, slots=True)
class FilingHistory:
    """What earlier runs filed: by source, its state then and where it was put; and all files that they made."""

    sources: Mapping[Path, tuple[Stamp, Path]] = field(default_factory=dict)
    targets: frozenset[Path] = frozenset()

    def location(self, source: Path) -> Path | None:
        """Where this source, as it is now, was filed already."""
        known, target = self.sources.get(source, (None, None))
        return target if known is not None and known == stamp(source) else None


def new_journal(root: Path, verb: Verb) -> Path:
    """The folder that is filed into -> the path of a new journal: `.mien/VERB-TIME-N.jsonl`."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    taken = {path.stem.partition("-")[2] for path in find_journals(root)}  # of any verb, so that they stay in order
    number = next(n for n in count(1) if f"{now}-{n}" not in taken)
    return root / FOLDER / f"{verb}-{now}-{number}.jsonl"


def find_journals(root: Path, verb: Verb | Literal["*"] = "*") -> list[Path]:
    """The journals of a folder, the oldest first."""
    paths = (path for path in (root / FOLDER).glob(f"{verb}-*.jsonl") if _NAME.fullmatch(path.name))
    return sorted(paths, key=_time)


def newest_first(paths: Iterable[Path]) -> list[Path]:
    """Journals in the order in which they have to be undone: their names hold the time."""
    return sorted(paths, key=lambda path: (path.parent, _time(path)), reverse=True)


def filing_history(root: Path, verb: Verb) -> FilingHistory:
    """What was filed in a folder by a verb and is still where it was put; raises DataError for a damaged journal."""
    sources: dict[Path, tuple[Stamp, Path]] = {}
    targets = set()
    for path in find_journals(root, verb):
        for entry, after in read(path).standing():
            source, target = entry.transfer.source, entry.transfer.target
            if entry.transfer.action == "link":
                in_place = is_same_file(target, source.resolve())
            else:
                in_place = is_unchanged(target, replace(after, sha256=None))
            if in_place:
                sources[source] = entry.before, target
                targets.add(target)
    return FilingHistory(sources, frozenset(targets))


def create(path: Path, root: Path) -> JsonLines:
    """Begin a new journal; raises DataError where there is one, or it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = JsonLines(path, os.O_CREAT | os.O_EXCL)
    except FileExistsError as error:
        raise DataError(f"the journal {path} is there already: choose another name") from error
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        log.append([_header(root)], durable=True)
        sync_folder(path.parent)
    except OSError as error:
        log.close()
        with suppress(OSError):
            path.unlink()
        raise _unwritable(path, error) from error
    return log


def reopen(path: Path) -> JsonLines:
    """Open a journal to add to it, and cut off a line that a kill tore.

    Raises:
        DataError: there is none, it cannot be written, or another process has it open.
    """
    try:
        log = JsonLines(path)
    except BlockingIOError as error:
        raise DataError(f"the journal {path} is in use by another run of mien: wait until it is done") from error
    except OSError as error:
        raise DataError(f"the journal {path} cannot be opened: {error.strerror}") from error
    try:
        if not _may_be_journal(path.read_bytes()):
            raise _foreign(path)
        log.recover()
    except (OSError, DataError) as error:
        log.close()
        if isinstance(error, OSError):
            raise DataError(f"the journal {path} cannot be written: {error.strerror}") from error
        raise
    return log


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"the journal {path} cannot be written: {error.strerror}; nothing was done")


def read(path: Path) -> Journal:
    """Read a journal; raises DataError where there is none, or a line before the last is damaged."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"the journal {path} cannot be read: {error.strerror}") from error
    if b"\n" not in data and _may_be_journal(data):  # killed before it began
        return Journal(path.parent, "", ended=True)
    lines = _lines(path, data)
    header = next(lines, None)
    if header is None or header.get("kind") != "journal":
        raise _foreign(path)
    if header.get("schema") != SCHEMA:
        version = header.get("mien", "of another version")
        raise DataError(f"the journal {path} was written by mien {version}: use that version or a newer one")
    number = 1
    try:
        journal = Journal(Path(header["root"]), header["token"])
        for number, line in enumerate(lines, 2):  # noqa: B007  (the handler names it)
            _apply(journal, line)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, number) from error
    return journal


def folder_line(folder: Path) -> Line:
    """A folder is about to be made."""
    return {"kind": "folder", "path": str(folder)}


def intent_line(entry: Entry) -> Line:
    """A transfer is about to be begun."""
    transfer, before = entry.transfer, entry.before
    paths = {"action": transfer.action, "source": str(transfer.source), "target": str(transfer.target)}
    return {"kind": "intent", "n": entry.number, **paths, "size": before.size, "mtime_ns": before.mtime_ns}


def done_line(entry: Entry, after: Stamp) -> Line:
    """A transfer was finished."""
    return {"kind": "done", "n": entry.number, "size": after.size, "mtime_ns": after.mtime_ns, "sha256": after.sha256}


def skipped_line(entry: Entry, why: str) -> Line:
    """A transfer was not done, and nothing of it remains."""
    return {"kind": "left", "n": entry.number, "why": why}


def undone_line(entry: Entry) -> Line:
    """A transfer was undone."""
    return {"kind": "undone", "n": entry.number}


PLACEHOLDER_LINE: Line = {"kind": "reserve"}  # empty placeholder files may follow: the disk has no hard links
UNDO_LINE: Line = {"kind": "undo"}  # from here on transfers are undone
END_LINE: Line = {"kind": "end"}  # the run, or the undoing, came to its end


def _header(root: Path) -> Line:
    times = {"mien": __version__, "created": datetime.now(UTC).isoformat(timespec="seconds")}
    return {"kind": "journal", "schema": SCHEMA, **times, "token": secrets.token_hex(4), "root": str(root)}


def _apply(journal: Journal, line: Line) -> None:
    match line["kind"]:
        case "folder":
            journal.folders.append(Path(line["path"]))
        case "intent":
            transfer = Transfer(Path(line["source"]), Path(line["target"]), line["action"])
            journal.entries[line["n"]] = Entry(line["n"], transfer, Stamp(line["size"], line["mtime_ns"]))
            journal.ended = False
        case "done":
            journal.done[journal.entries[line["n"]].number] = Stamp(line["size"], line["mtime_ns"], line["sha256"])
        case "left" | "undone":
            journal.closed.add(journal.entries[line["n"]].number)
        case "reserve":
            journal.has_placeholders = True
        case "undo":
            journal.undoing, journal.ended = True, False
        case "end":
            journal.undoing, journal.ended = False, True
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
    return data.startswith(_HEADER) or _HEADER.startswith(data)


def _foreign(path: Path) -> DataError:
    return DataError(f"{path} is not a journal of mien")


def _damaged(path: Path, number: int) -> DataError:
    return DataError(f"line {number} of the journal {path} is damaged: put the file aside; no photo was touched")


def _time(path: Path) -> tuple[str, int, str]:
    name = _NAME.fullmatch(path.name)
    return (name[1], int(name[2]), path.name) if name else (path.name, 0, path.name)
