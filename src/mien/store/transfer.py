"""Crash-safe file moves with undo.

Each transfer is written to the journal, and the journal to the disk, before it is begun. Intents are written in groups,
so that the disk is waited for once in a hundred transfers; after a kill at most one group is in doubt, and what is on
disk decides.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from mien.errors import DataError
from mien.fileio import JsonLines
from mien.store import journal as journals
from mien.store.fileops import FreeNames, Stamp, absolute, copy, is_same_file, move, stamp
from mien.store.journal import Entry, Journal, Outcome, Transfer
from mien.store.recovery import NotDone, OutcomeBuilder, finish, placeholder_note, reason

_GROUP = 128
_COPIERS = 4  # disks take several waiting writers at once: 3000 small copies in 1.9 s, one by one in 7.2 s
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def execute(
    transfers: Sequence[Transfer],
    path: Path,
    *,
    root: Path,
    beside: Sequence[Path] = (),
    on_done: Callable[[Transfer], None] | None = None,
) -> Outcome:
    """Copy, link or move files to places under `root`, never over a file: a name that is taken gets a suffix.

    path: of the journal. beside: other folders in which targets may be. A source that is a symbolic link is copied or
    linked as the file it points to; moving one is refused, since a relative link would break and its file belongs
    elsewhere. A failing file affects only itself and the transfers that depend on it. Stopped by an exception (Ctrl-C
    too), it leaves no transfer half done.

    Raises:
        DataError: a target is outside these folders, the journal cannot be written, the disk is full, or links would
            have to span two disks.
    """
    root = absolute(root)
    roots = (root, *map(absolute, beside))
    transfers = [replace(t, source=absolute(t.source), target=_checked(t.target, roots)) for t in transfers]
    if root.exists() and not root.is_dir():
        raise DataError(f"{root} is a file: choose a folder")
    with journals.create(path, root) as log:
        run = _Run(log, journals.read(path), roots, on_done)
        try:
            for group in _groups(transfers):
                run.do_group(group)
            log.append([journals.END_LINE], durable=True)
        except BaseException as error:
            with suppress(DataError):
                run.outcome.done += finish(log, journals.read(path)).done
            if isinstance(error, OSError):
                raise DataError(_stopped(error, run, len(transfers))) from error
            raise
    return run.outcome.build()


@dataclass(slots=True)
class _Run:
    """One call of `execute`."""

    log: JsonLines
    journal: Journal
    roots: Sequence[Path]
    on_done: Callable[[Transfer], None] | None
    names: FreeNames = field(default_factory=FreeNames)
    number: int = 0
    folders: dict[Path, str] = field(default_factory=dict)
    outcome: OutcomeBuilder = field(default_factory=OutcomeBuilder)
    filed: set[Path] = field(default_factory=set)

    def do_group(self, transfers: Sequence[Transfer]) -> None:
        entries = [entry for transfer in transfers if (entry := self._prepare(transfer))]
        missing = _missing(entry.transfer.target.parent for entry in entries)
        lines = [journals.folder_line(folder) for folder in missing]
        self.log.append([*lines, *map(journals.intent_line, entries)], durable=True)
        for folder in missing:
            self._make_folder(folder)
        pool = ThreadPoolExecutor(_COPIERS)
        try:
            copies = {e.number: pool.submit(self._place, e) for e in entries if self._is_copied(e)}
            for entry in entries:
                self._perform(entry, copies.get(entry.number))
        finally:
            pool.shutdown(cancel_futures=True)

    def _is_copied(self, entry: Entry) -> bool:
        """Whether bytes will be written, and waited for, so that several at once are faster."""
        transfer = entry.transfer
        if transfer.after is not None:  # it has to wait for another
            return False
        with suppress(OSError):
            return transfer.action == "copy" or transfer.source.lstat().st_dev != transfer.target.parent.stat().st_dev
        return False

    def _prepare(self, transfer: Transfer) -> Entry | None:
        try:
            before = self._inspect(transfer)
        except (OSError, NotDone) as error:
            self.outcome.failed.append((transfer, reason(error)))
            return None
        if is_same_file(transfer.source, transfer.target):
            self.outcome.skipped.append(transfer)
            return None
        self.number += 1
        return Entry(self.number, replace(transfer, target=self.names.claim(transfer.target)), before)

    def _inspect(self, transfer: Transfer) -> Stamp:
        info = transfer.source.lstat()
        if stat.S_ISLNK(info.st_mode):
            if transfer.action == "move":
                raise NotDone("symbolic links are not moved: use --mode copy")
            info = transfer.source.stat()
        if not stat.S_ISREG(info.st_mode):
            raise NotDone("it is not a file")
        if obstacle := self._obstacle(transfer.target.parent):
            raise NotDone(obstacle)
        return Stamp(info.st_size, info.st_mtime_ns)

    def _obstacle(self, folder: Path) -> str:
        """Why nothing can be filed in a folder, or an empty text."""
        if folder not in self.folders:
            obstacle = ""
            if not any(folder.resolve().is_relative_to(root.resolve()) for root in self.roots):
                obstacle = f"{folder} is outside {self.journal.root}"
            elif folder.exists() and not folder.is_dir():
                obstacle = f"{folder} is a file where a folder is needed"
            self.folders[folder] = obstacle
        return self.folders[folder]

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            if error.errno in _FULL:
                raise
            self.folders[folder] = f"the folder {folder} cannot be created: {error.strerror}"

    def _perform(self, entry: Entry, copied: Future[str | None] | None = None) -> None:
        transfer = entry.transfer
        obstacle = self._obstacle(transfer.target.parent)
        if not obstacle and transfer.after is not None and transfer.after not in self.filed:
            obstacle = "the step before it was not done"
        if obstacle:
            self._fail(entry, obstacle)
            return
        try:
            sha256 = copied.result() if copied else self._place(entry)
            after = stamp(transfer.target, sha256)
        except FileExistsError:  # someone took the name in the meantime
            self.number += 1
            renamed = replace(transfer, target=self.names.claim(transfer.target))
            other = replace(entry, number=self.number, transfer=renamed)
            lines = [journals.skipped_line(entry, "the name was taken"), journals.intent_line(other)]
            self.log.append(lines, durable=True)
            self._perform(other)
            return
        except OSError as error:
            if error.errno in _FULL or (error.errno == errno.EXDEV and transfer.action == "link"):
                raise
            self._fail(entry, reason(error))
            return
        self.log.append([journals.done_line(entry, after)])
        self.outcome.done.append(transfer)
        self.filed.add(transfer.source)
        if self.on_done:
            self.on_done(transfer)

    def _fail(self, entry: Entry, why: str) -> None:
        self.log.append([journals.skipped_line(entry, why)])
        self.outcome.failed.append((entry.transfer, why))

    def _place(self, entry: Entry) -> str | None:
        transfer, before_placeholder = entry.transfer, placeholder_note(self.log, self.journal)
        if transfer.action == "link":
            transfer.target.hardlink_to(transfer.source.resolve())
            return None
        part = self.journal.part(entry, transfer.target.parent)
        return (copy if transfer.action == "copy" else move)(transfer.source, transfer.target, part, before_placeholder)


def _checked(target: Path, roots: Sequence[Path]) -> Path:
    path = absolute(target)
    below = path not in roots and any(path.is_relative_to(root) for root in roots)
    if ".." in target.parts or "\0" in str(target) or not below:
        raise DataError(f"{str(target)!r} is outside {roots[0]}: nothing was done")
    return path


def _groups(transfers: Sequence[Transfer]) -> Iterator[list[Transfer]]:
    """Groups in order; a name that one transfer frees is taken by another in a later group only."""
    group: list[Transfer] = []
    freed: set[Path] = set()
    for transfer in transfers:
        if len(group) == _GROUP or transfer.target in freed:
            yield group
            group, freed = [], set()
        group.append(transfer)
        freed.add(transfer.source)
    if group:
        yield group


def _missing(folders: Iterator[Path]) -> list[Path]:
    """The folders that have to be made, parents first."""
    missing: dict[Path, None] = {}
    for folder in dict.fromkeys(folders):
        ancestors = []
        while folder not in missing and not folder.exists():
            ancestors.append(folder)
            folder = folder.parent  # noqa: PLW2901
        missing.update(dict.fromkeys(reversed(ancestors)))
    return list(missing)


def _stopped(error: OSError, run: _Run, planned: int) -> str:
    if error.errno == errno.EXDEV:
        return f"hard links cannot span two disks, and {run.journal.root} is on another one: use --mode copy"
    what = "is full" if error.errno in _FULL else f"cannot be written ({error.strerror})"
    return (
        f"the disk of {run.journal.root} {what}, after {len(run.outcome.done)} of {planned} files were filed: "
        f"solve that and run the same command again, or undo them with mien undo {run.log.path}"
    )
