"""Finishes or undoes the transfers of a journal, after a kill or on request.

Everything is decided by what is on disk, so that another kill, at any point, changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from mien.fileio import JsonLines, sync_folder
from mien.store import journal as journals
from mien.store.fileops import (
    Stamp,
    has_copy,
    hash_file,
    is_placeholder,
    is_same_file,
    is_unchanged,
    move,
    stamp,
)
from mien.store.journal import Entry, Journal, Outcome, Transfer, find_journals


class NotDone(Exception):
    """A transfer is left as it is; the message says why."""


@dataclass(slots=True)
class OutcomeBuilder:
    """An outcome as it grows."""

    done: list[Transfer] = field(default_factory=list)
    skipped: list[Transfer] = field(default_factory=list)
    failed: list[tuple[Transfer, str]] = field(default_factory=list)

    def build(self) -> Outcome:
        return Outcome(tuple(self.done), tuple(self.skipped), tuple(self.failed))


def resume(path: Path) -> Outcome:
    """Finish the transfers that a killed run had begun (`done`); others are not begun (`skipped`).

    What the run did not get to is for the next plan. An undo that was killed is continued, and `done` are the transfers
    that it undid. A finished journal is left as it is.

    Raises:
        DataError: it is no journal, or another run has it open.
    """
    with journals.reopen(path) as log:
        journal = journals.read(path)
        if journal.ended:
            return Outcome()
        return _undo(log, journal) if journal.undoing else finish(log, journal)


def resume_all(root: Path) -> list[tuple[Path, Outcome]]:
    """Resume the journals of killed runs in a folder -> each of them with its outcome; raises DataError as `resume`."""
    return [(path, resume(path)) for path in find_journals(root) if not journals.read(path).ended]


def undo(path: Path) -> Outcome:
    """Undo everything, the last transfer first: moved files return, copies, links and folders made for them go.

    Nothing is overwritten. A file that has changed since stays where it is and is reported as failed, and a copy or
    link is removed only while its original exists. May be killed, and called again, at any time.

    Raises:
        DataError: it is no journal, or another run has it open.
    """
    with journals.reopen(path) as log:
        journal = journals.read(path)
        return _undo(log, journal) if journal.begun else Outcome()


def finish(log: JsonLines, journal: Journal) -> Outcome:
    """Decide every transfer in doubt by what is on disk, and end the journal if that worked for all of them."""
    outcome = OutcomeBuilder()
    for entry in journal.in_doubt():
        try:
            journal.done[entry.number] = _finish_transfer(journal, entry)
            _note(log, journals.done_line(entry, journal.done[entry.number]))
            outcome.done.append(entry.transfer)
        except NotDone as error:
            _note(log, journals.skipped_line(entry, str(error)))
            outcome.skipped.append(entry.transfer)
        except OSError as error:
            outcome.failed.append((entry.transfer, reason(error)))
    if not outcome.failed:
        _note(log, journals.END_LINE)
    return outcome.build()


def placeholder_note(log: JsonLines, journal: Journal) -> Callable[[], None]:
    """What to call before the first placeholder is made: it notes in the journal that there may be some."""

    def note() -> None:
        if not journal.has_placeholders:
            log.append([journals.PLACEHOLDER_LINE], durable=True)
            journal.has_placeholders = True

    return note


def reason(error: OSError | NotDone) -> str:
    """Why a transfer failed, in words for the user."""
    if isinstance(error, NotDone):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "it is no longer there"
    where = error.filename2 or error.filename
    return f"{error.strerror} ({where})" if where else str(error.strerror)


def _undo(log: JsonLines, journal: Journal) -> Outcome:
    outcome = OutcomeBuilder()
    finish(log, journal)
    _note(log, journals.UNDO_LINE)
    for entry, after in reversed(journal.standing()):
        try:
            undone = _undo_transfer(journal, entry, after, placeholder_note(log, journal))
            _note(log, journals.undone_line(entry))
            (outcome.done if undone else outcome.skipped).append(entry.transfer)
        except (NotDone, OSError) as error:
            outcome.failed.append((entry.transfer, reason(error)))
    for folder in reversed(journal.folders):
        with suppress(OSError):  # not empty, or gone
            folder.rmdir()
    _note(log, journals.END_LINE)
    return outcome.build()


def _note(log: JsonLines, line: journals.Line) -> None:
    """Add a line that only repeats what the disk shows; a full disk must not prevent an undo."""
    with suppress(OSError):
        log.append([line])


def _finish_transfer(journal: Journal, entry: Entry) -> Stamp:
    """Finish a transfer that was begun -> the state of its target; NotDone: it was not begun, and nothing remains."""
    transfer, part = entry.transfer, journal.part(entry, entry.transfer.target.parent)
    source, target = transfer.source, transfer.target
    begun = os.path.lexists(target)
    if not begun and not os.path.lexists(source):
        raise NotDone("it is no longer there")
    if begun and journal.has_placeholders and is_placeholder(target, source):
        target.unlink()
        begun = False
    begun = begun and _is_ours(transfer, entry.before, part)
    if begun and transfer.action == "move" and os.path.lexists(source):
        sync_folder(target.parent)
        source.unlink()
    part.unlink(missing_ok=True)
    if not begun:
        raise NotDone("it was not begun")
    return stamp(target, hash_file(target) if transfer.action == "copy" else None)


def _undo_transfer(journal: Journal, entry: Entry, after: Stamp, before_placeholder: Callable[[], None]) -> bool:
    """Undo a transfer that was done -> whether there was anything to undo; NotDone: it has to stay as it is."""
    transfer = entry.transfer
    if transfer.action == "move":
        return _move_back(journal, entry, after, before_placeholder)
    if not os.path.lexists(transfer.target):
        return False
    if transfer.action == "copy" and not is_unchanged(transfer.target, replace(after, sha256=None)):
        raise NotDone("it has changed since, so it stays")
    if not has_copy(transfer.target, transfer.source):
        raise NotDone("its original is gone or has changed since, so it stays")
    transfer.target.unlink()
    return True


def _move_back(journal: Journal, entry: Entry, after: Stamp, before_placeholder: Callable[[], None]) -> bool:
    source, target = entry.transfer.source, entry.transfer.target
    part = journal.part(entry, source.parent)
    if not os.path.lexists(target):
        if not os.path.lexists(source):
            raise NotDone("it is no longer there")
        part.unlink(missing_ok=True)
        return False
    if journal.has_placeholders and is_placeholder(source, target):
        source.unlink()
    elif os.path.lexists(source):
        if not has_copy(target, source):
            raise NotDone("another file is in its old place, so it stays")
        target.unlink()
        part.unlink(missing_ok=True)
        return True
    if not is_unchanged(target, after):
        raise NotDone("it has changed since, so it stays")
    source.parent.mkdir(parents=True, exist_ok=True)
    try:
        move(target, source, part, before_placeholder)
    except FileExistsError as error:
        raise NotDone("another file is in its old place, so it stays") from error
    return True


def _is_ours(transfer: Transfer, before: Stamp, part: Path) -> bool:
    """Whether the file at the target is the work of this transfer."""
    source, target = transfer.source, transfer.target
    if transfer.action == "copy" and os.path.lexists(part):
        return is_same_file(part, target)
    if not os.path.lexists(source):
        return is_unchanged(target, before) if transfer.action == "link" else stamp(target).size == before.size
    if transfer.action == "link":
        return is_same_file(target, source.resolve())
    return has_copy(source, target) if transfer.action == "move" else has_copy(target, source)
