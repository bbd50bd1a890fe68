"""Files files so that a kill loses nothing and everything can be taken back; knows nothing of what is on the photos.

Each act is written into the journal, and the journal onto the disk, before it is begun. Intents go out in groups, so
that the disk is waited for once in a hundred acts; after a kill at most one group is in doubt, and what lies on disk
decides.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from mien.errors import DataError
from mien.store import record
from mien.store.lines import Lines
from mien.store.names import Names
from mien.store.placing import ChangedMeanwhileError, Stamp, copy, is_same_file, move, stamp
from mien.store.record import Act, Action, Entry, Record
from mien.store.settle import Skipped, settle, take_back

__all__ = ["Act", "Action", "Outcome", "execute", "filed", "is_finished", "resume", "undo"]

_GROUP = 128
_COPIERS = 4  # disks take several waiting writers at once: 3000 small copies in 1.9 s, one by one in 7.2 s
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the acts: done (with the targets they got), nothing to do, and failed with the reason."""

    done: tuple[Act, ...] = ()
    skipped: tuple[Act, ...] = ()
    failed: tuple[tuple[Act, str], ...] = ()


def execute(
    acts: Sequence[Act],
    journal: Path,
    *,
    root: Path,
    beside: Sequence[Path] = (),
    on_done: Callable[[Act], None] | None = None,
) -> Outcome:
    """Copy, link or move files to places under `root`, never over a file: a name that is taken gets a suffix.

    Places may also lie under a folder `beside` it. A source that is a symbolic link is copied or linked as the file it
    leads to; to move one is refused, since a relative one would break and the file itself belongs elsewhere. One
    failing file costs only itself, and the acts that come after it. Stopped by an exception (Ctrl-C too), it leaves no
    half-done act.

    Raises:
        DataError: a target lies outside of these folders, the journal cannot be written, the disk is full, or links
            would have to span two disks.
    """
    root = _absolute(root)
    roots = (root, *map(_absolute, beside))
    acts = [replace(act, source=_absolute(act.source), target=_checked(act.target, roots)) for act in acts]
    if root.exists() and not root.is_dir():
        raise DataError(f"{root} is a file: choose a folder")
    with record.create(journal, root) as log:
        run = _Run(log, record.read(journal), roots, on_done)
        try:
            for start in range(0, len(acts), _GROUP):
                run.group(acts[start : start + _GROUP])
            log.append([record.END_LINE], durable=True)
        except BaseException as error:
            with suppress(DataError):
                run.tally.done += _settle_all(log, record.read(journal)).done
            if isinstance(error, OSError):
                raise DataError(_stopped(error, run, len(acts))) from error
            raise
    return run.tally.outcome()


def resume(journal: Path) -> Outcome:
    """Settle what a killed run left: acts that were begun are finished (`done`), others are not begun (`skipped`).

    What the run did not come to is for the next plan. An undoing that was killed is continued, and `done` are the
    acts that it took back. A journal that came to its end is left as it is.

    Raises:
        DataError: it is no journal, or another run has it open.
    """
    with record.reopen(journal) as log:
        found = record.read(journal)
        if found.ended:
            return Outcome()
        return _undo(log, found) if found.undoing else _settle_all(log, found)


def undo(journal: Path) -> Outcome:
    """Take everything back, the last act first: moved files return, copies and links go, and folders made for them.

    Nothing is written over, a file that was changed since stays where it is and is reported as failed, and a copy
    or link only goes while its original is there. May be killed, and called again, at any time.

    Raises:
        DataError: it is no journal, or another run has it open.
    """
    with record.reopen(journal) as log:
        found = record.read(journal)
        return _undo(log, found) if found.begun else Outcome()


def is_finished(journal: Path) -> bool:
    """Whether the run came to its end, or was settled or undone; raises DataError where it is no journal."""
    return record.read(journal).ended


def filed(journal: Path) -> Iterator[tuple[Act, Stamp, Stamp]]:
    """The acts that were done and not undone, with what the source was before, and the target after.

    Raises:
        DataError: it is no journal.
    """
    for entry, after in record.read(journal).standing():
        yield entry.act, entry.before, after


@dataclass(slots=True)
class _Tally:
    done: list[Act] = field(default_factory=list)
    skipped: list[Act] = field(default_factory=list)
    failed: list[tuple[Act, str]] = field(default_factory=list)

    def outcome(self) -> Outcome:
        return Outcome(tuple(self.done), tuple(self.skipped), tuple(self.failed))


@dataclass(slots=True)
class _Run:
    log: Lines
    record: Record
    roots: Sequence[Path]
    on_done: Callable[[Act], None] | None
    names: Names = field(default_factory=Names)
    number: int = 0
    folders: dict[Path, str] = field(default_factory=dict)
    tally: _Tally = field(default_factory=_Tally)
    filed: set[Path] = field(default_factory=set)

    def group(self, acts: Sequence[Act]) -> None:
        entries = [entry for act in acts if (entry := self._prepare(act))]
        missing = _missing(entry.act.target.parent for entry in entries)
        lines = [record.folder_line(folder) for folder in missing]
        self.log.append([*lines, *map(record.intent_line, entries)], durable=True)
        for folder in missing:
            self._make(folder)
        pool = ThreadPoolExecutor(_COPIERS)
        try:
            copies = {e.number: pool.submit(self._place, e) for e in entries if self._is_copied(e)}
            for entry in entries:
                self._perform(entry, copies.get(entry.number))
        finally:
            pool.shutdown(cancel_futures=True)

    def _is_copied(self, entry: Entry) -> bool:
        """Whether bytes will be written, and waited for, so that several at once are faster."""
        act = entry.act
        if act.after is not None:  # whose turn comes
            return False
        with suppress(OSError):
            return act.action == "copy" or act.source.lstat().st_dev != act.target.parent.stat().st_dev
        return False

    def _prepare(self, act: Act) -> Entry | None:
        try:
            before = self._look(act)
        except (OSError, Skipped) as error:
            self.tally.failed.append((act, _reason(error) if isinstance(error, OSError) else str(error)))
            return None
        if is_same_file(act.source, act.target):
            self.tally.skipped.append(act)
            return None
        self.number += 1
        return Entry(self.number, replace(act, target=self.names.free(act.target)), before)

    def _look(self, act: Act) -> Stamp:
        info = act.source.lstat()
        if stat.S_ISLNK(info.st_mode):
            if act.action == "move":
                raise Skipped("it is a symbolic link, which is not moved: use --mode copy")
            info = act.source.stat()
        if not stat.S_ISREG(info.st_mode):
            raise Skipped("it is not a file")
        if trouble := self._trouble(act.target.parent):
            raise Skipped(trouble)
        return Stamp(info.st_size, info.st_mtime_ns)

    def _trouble(self, folder: Path) -> str:
        """Why nothing may be filed in a folder, "" where nothing speaks against it."""
        if folder not in self.folders:
            trouble = ""
            if not any(folder.resolve().is_relative_to(root.resolve()) for root in self.roots):
                trouble = f"{folder} leads out of {self.record.root}"
            elif folder.exists() and not folder.is_dir():
                trouble = f"{folder} is a file where a folder is needed"
            self.folders[folder] = trouble
        return self.folders[folder]

    def _early(self, act: Act) -> str:
        """Why it is not this act's turn, "" where it is."""
        waits = act.after is not None and act.after not in self.filed
        return "what has to be done before it was not done" if waits else ""

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            if error.errno in _FULL:
                raise
            self.folders[folder] = f"the folder {folder} cannot be made: {error.strerror}"

    def _perform(self, entry: Entry, copied: Future[str | None] | None = None) -> None:
        act = entry.act
        if trouble := self._trouble(act.target.parent) or self._early(act):
            self._leave(entry, trouble)
            return
        try:
            sha256 = copied.result() if copied else self._place(entry)
            after = stamp(act.target, sha256)
        except FileExistsError:  # someone took the name since it was looked at
            self.number += 1
            other = replace(entry, number=self.number, act=replace(act, target=self.names.free(act.target)))
            lines = [record.left_line(entry, "the name was taken"), record.intent_line(other)]
            self.log.append(lines, durable=True)
            self._perform(other)
            return
        except OSError as error:
            if error.errno in _FULL or (error.errno == errno.EXDEV and act.action == "link"):
                raise
            self._leave(entry, _reason(error))
            return
        self.log.append([record.done_line(entry, after)])
        self.tally.done.append(act)
        self.filed.add(act.source)
        if self.on_done:
            self.on_done(act)

    def _leave(self, entry: Entry, why: str) -> None:
        self.log.append([record.left_line(entry, why)])
        self.tally.failed.append((entry.act, why))

    def _place(self, entry: Entry) -> str | None:
        act, reserving = entry.act, _reserving(self.log, self.record)
        if act.action == "link":
            act.target.hardlink_to(act.source.resolve())
            return None
        part = self.record.part(entry, act.target.parent)
        return (copy if act.action == "copy" else move)(act.source, act.target, part, reserving)


def _undo(log: Lines, found: Record) -> Outcome:
    tally = _Tally()
    _settle_all(log, found)
    _note(log, record.UNDO_LINE)
    for entry, after in reversed(found.standing()):
        try:
            undone = take_back(found, entry, after, _reserving(log, found))
            _note(log, record.undone_line(entry))
            (tally.done if undone else tally.skipped).append(entry.act)
        except Skipped as error:
            tally.failed.append((entry.act, str(error)))
        except OSError as error:
            tally.failed.append((entry.act, _reason(error)))
    for folder in reversed(found.folders):
        with suppress(OSError):  # not empty, or gone
            folder.rmdir()
    _note(log, record.END_LINE)
    return tally.outcome()


def _settle_all(log: Lines, found: Record) -> Outcome:
    tally = _Tally()
    for entry in found.in_doubt():
        try:
            found.done[entry.number] = settle(found, entry)
            _note(log, record.done_line(entry, found.done[entry.number]))
            tally.done.append(entry.act)
        except Skipped as error:
            _note(log, record.left_line(entry, str(error)))
            tally.skipped.append(entry.act)
        except OSError as error:
            tally.failed.append((entry.act, _reason(error)))
    if not tally.failed:
        _note(log, record.END_LINE)
    return tally.outcome()


def _note(log: Lines, line: record.Line) -> None:
    """Add a line that only repeats what the disk shows; a full disk must not keep anything from being undone."""
    with suppress(OSError):
        log.append([line])


def _reserving(log: Lines, found: Record) -> Callable[[], None]:
    def reserving() -> None:
        if not found.reserves:
            log.append([record.RESERVE_LINE], durable=True)
            found.reserves = True

    return reserving


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would follow links)


def _checked(target: Path, roots: Sequence[Path]) -> Path:
    path = _absolute(target)
    below = path not in roots and any(path.is_relative_to(root) for root in roots)
    if ".." in target.parts or "\0" in str(target) or not below:
        raise DataError(f"{str(target)!r} lies outside of {roots[0]}: nothing was done")
    return path


def _missing(folders: Iterator[Path]) -> list[Path]:
    """The folders that have to be made, parents first."""
    found: dict[Path, None] = {}
    for folder in dict.fromkeys(folders):
        spec = []
        while folder not in found and not folder.exists():
            spec.append(folder)
            folder = folder.parent  # noqa: PLW2901
        found.update(dict.fromkeys(reversed(spec)))
    return list(found)


def _reason(error: OSError) -> str:
    if isinstance(error, ChangedMeanwhileError):
        return str(error.strerror)
    if isinstance(error, FileNotFoundError):
        return "it is no longer there"
    where = error.filename2 or error.filename
    return f"{error.strerror} ({where})" if where else str(error.strerror)


def _stopped(error: OSError, run: _Run, planned: int) -> str:
    if error.errno == errno.EXDEV:
        return f"hard links cannot reach from one disk to another, and {run.record.root} is on another: use --mode copy"
    what = "is full" if error.errno in _FULL else f"refuses ({error.strerror})"
    return (
        f"the disk of {run.record.root} {what}: {len(run.tally.done)} of {planned} files were filed, and stay; "
        f"run it again when that is put right, or take them back with mien undo {run.log.path}"
    )
