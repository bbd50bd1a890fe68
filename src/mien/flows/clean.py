"""Applies a person's verdicts: to the files of a folder (`mien clean`), or to a data set before training."""

from __future__ import annotations

import os
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, overload

from mien import fileio
from mien.config import settings
from mien.curation.cleaning import CleaningPlan, CleaningSite, edit_photo, plan_cleaning
from mien.curation.verdicts import CHANGES, Action, Decision, Verdict, decide, read_verdicts
from mien.data import DataOptions, DataSet, form_of, open_data
from mien.data.dataset import Subset
from mien.errors import DataError
from mien.flows.output_folder import execute_plan
from mien.images import ImageError, read
from mien.pipeline.execute import RunOptions
from mien.pipeline.progress import Progress
from mien.store.journal import FOLDER, FilingHistory, Outcome, filing_history, new_journal
from mien.store.recovery import resume_all
from mien.text import join_names, pluralize
from mien.types import Origin, PhotoRef, Reason

LABEL_FOLDERS = "label folders"
"""The form of data whose files can be moved."""


@dataclass(frozen=True, slots=True)
class CleanResult:
    """What was planned and what was done.

    root: the data's folder without links. journal: the file to undo it with, None where nothing was to be done.
    recovered: journals of interrupted runs that were finished first. failed: keys of photos that were left alone, with
    the reason.
    """

    root: Path
    plan: CleaningPlan
    outcome: Outcome
    journal: Path | None
    recovered: Sequence[Path]
    failed: Sequence[tuple[str, str]]

    @property
    def counts(self) -> Mapping[Action, int]:
        """How many photos were dropped, moved, replaced by a face or turned, by the verdict."""
        done = {act.source for act in self.outcome.done}
        steps = self.plan.steps
        return Counter(step.verdict for step in steps if done.issuperset(act.source for act in step.transfers))

    def as_json(self) -> dict[str, Any]:
        """The fields of the last line of `mien clean --json`."""
        counts = self.counts
        return {
            "planned": len(self.plan.steps),
            "done": sum(counts.values()),
            "journal": None if self.journal is None else str(self.journal),
            "dropped": counts.get("drop", 0),
            "moved": counts.get("move", 0),
            "cut": counts.get("face", 0),
            "turned": counts.get("turn", 0),
            "kept": self.plan.kept,
            "before": self.plan.before,
            "gone": len(self.plan.gone),
            "failed": len(self.failed),
        }


def clean(
    data: str | os.PathLike[str],
    *,
    verdicts: str | os.PathLike[str],
    dropped: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    progress: bool | Progress = False,
) -> CleanResult:
    """Drop, move, cut and turn photos of a folder as was decided; nothing is deleted, and `mien undo` takes it back.

    Args:
        data: Folder of label folders.
        verdicts: Table of decisions about the findings of `check`.
        dropped: Where dropped photos go; by default `.mien/dropped` in the folder, which is skipped when data is read.
        dry_run: Only plan.
        progress: Show a bar.

    Raises:
        DataError: It is another form of data, the verdicts cannot be applied, or nothing can be written there; what was
            done until then is in the journal.
    """
    folder, table = Path(data), Path(verdicts)
    rows = read_verdicts(table)
    form = form_of(folder)
    if form != LABEL_FOLDERS:
        raise DataError(
            f"{folder} is {form}, whose files cannot be moved: pass the verdicts to 'mien train --verdicts', or give"
            " 'mien clean' a folder of label folders"
        )
    aside = None if dropped is None else Path(dropped)
    return clean_folder(folder, rows, table, RunOptions.build(progress=progress), dropped=aside, dry_run=dry_run)


def clean_folder(
    data: Path,
    verdicts: Sequence[Verdict],
    table: Path,
    run: RunOptions,
    *,
    dropped: Path | None = None,
    dry_run: bool = False,
) -> CleanResult:
    """The same with verdicts that have been read; messages call them `table`."""
    root = Path(os.path.realpath(data))
    _refuse_outside(verdicts, root, table)
    aside = _dropped_folder(root, dropped)
    recovered = [] if dry_run else [path for path, _ in resume_all(root)]
    refs = open_data(root, DataOptions(loose=True)).refs
    decisions = decide(verdicts, {ref.key: ref.origin.label for ref in refs}, table, root)
    earlier = filing_history(root, "clean")
    editor = _Editor(root / FOLDER / "cut", None if dry_run else earlier)
    plan = plan_cleaning(refs, decisions, CleaningSite(root, aside, earlier, editor))
    if dry_run or not plan.acts:
        return CleanResult(root, plan, Outcome(), None, recovered, plan.refused)
    path = new_journal(root, "clean")
    outcome = execute_plan(plan.acts, path, root, run, beside=[aside])
    shutil.rmtree(editor.folder, ignore_errors=True)  # with what an interrupted run may have left
    journal = data / path.relative_to(root)  # under the name that the user gave the folder
    return CleanResult(root, plan, outcome, journal, recovered, [*plan.refused, *_failures(plan, outcome)])


def next_command(data: Path, options: DataOptions, table: str) -> str:
    """What to type to apply verdicts: `mien clean` where the data's files can be moved, else `mien train`."""
    if data.is_dir() and form_of(data, options) == LABEL_FOLDERS:
        return shlex.join(["mien", "clean", str(data), "--verdicts", table])
    given = {"--labels": options.labels, "--images": options.images, "--target": options.target}
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    return shlex.join(["mien", "train", str(data), *words, "--verdicts", table])


@dataclass(frozen=True, slots=True)
class _Editor:
    """Makes the picture that is to take a photo's place in a temporary file, from where the journal moves it there.

    The file's name depends on the photo's content and on what was decided, so that a run that continues after a kill
    finds it again. Nothing is written where `earlier` is None, and what an earlier run moved into place is not written
    again. A turned photo keeps the times and the mode of the photo.
    """

    folder: Path
    earlier: FilingHistory | None

    def __call__(self, ref: PhotoRef, decision: Decision, *, write: bool = True) -> Path:
        limit = settings().max_megapixels
        data = read(ref, limit)
        edited, suffix = edit_photo(data, decision, limit) if write else (b"", None)
        assert ref.path is not None
        name = sha256(f"{ref.key}\n{decision.box}\n{decision.turn}\n".encode() + data).hexdigest()[:32]
        path = self.folder / (name + (suffix or ref.path.suffix))
        if write and self.earlier is not None and path not in self.earlier.sources:
            fileio.write(path, edited)
            if suffix is None:
                with suppress(OSError):  # some file systems keep no modes or no times
                    shutil.copystat(ref.path, path)
        return path


def _refuse_outside(verdicts: Sequence[Verdict], root: Path, table: Path) -> None:
    for verdict in verdicts:
        path = Path(verdict.path.strip())
        if ".." in path.parts or (path.is_absolute() and not path.is_relative_to(root)):
            raise DataError(f"line {verdict.line} of {table}: {verdict.path} is outside {root}; nothing was done")


def _dropped_folder(root: Path, dropped: Path | None) -> Path:
    """The folder for dropped photos, which must not be read as data."""
    if dropped is None:
        return root / FOLDER / "dropped"
    path = Path(os.path.realpath(dropped))
    if path.exists() and not path.is_dir():
        raise DataError(f"--dropped {dropped} is a file: choose a folder")
    below = path.relative_to(root).parts if path.is_relative_to(root) else (".",)
    if not any(part.startswith(".") for part in below):
        raise DataError(f"--dropped {dropped} is inside the data, where it would be a label: choose another folder")
    return path


def _failures(plan: CleaningPlan, outcome: Outcome) -> list[tuple[str, str]]:
    """The photos that were not moved, each with the reason of its first act that failed."""
    reasons = {act.source: reason for act, reason in reversed(outcome.failed)}
    failed = []
    for step in plan.steps:
        acts = [act for act in step.transfers if act.source in reasons]
        failed += [(step.key, reasons[act.source]) for act in acts[:1]]
    return failed


# A data set for training; no file is touched.


@dataclass(frozen=True, slots=True)
class AppliedVerdicts:
    """How many photos verdicts dropped, relabelled, cut or turned; gone: those that are not in the data."""

    dropped: int
    moved: int
    cut: int
    gone: int
    turned: int = 0

    def as_json(self) -> dict[str, int]:
        """All of it, for a bundle."""
        return asdict(self)


def apply_verdicts(data: DataSet, table: Path, root: Path) -> tuple[DataSet, AppliedVerdicts]:
    """Labelled data of any form, read from `root`, and a table of verdicts -> the data to learn from, and the counts.

    Dropped photos are left out, moved ones get their new label, and where a face is meant only that face is left, cut
    out as the photo is read; those that are to be turned are turned then.

    Raises:
        DataError: the verdicts cannot be read, contradict each other, or leave nothing.
    """
    labels = {origin.uri: origin.label for origin in data.origins}
    decisions = decide(read_verdicts(table), labels, table, root)
    photos = decisions.photos
    indices = [i for i, origin in enumerate(data.origins) if not photos.get(origin.uri, Decision()).drop]
    if not indices:
        raise DataError(f"the verdicts {table} drop all photos: nothing is left to learn from")
    moved_to = {key: decision.to for key, decision in photos.items() if decision.to is not None}
    origins = [data.origins[i] for i in indices]
    origins = [replace(origin, label=moved_to.get(origin.uri, origin.label)) for origin in origins]
    edits = {origin.uri: photo for origin in origins if (photo := photos.get(origin.uri)) and photo.edits}
    gone = {verdict.path for verdict in decisions.missing if verdict.verdict in CHANGES}
    cut = sum(photo.box is not None for photo in edits.values())
    turned = sum(photo.turn > 0 for photo in edits.values())
    moved = sum(decision.to is not None and not decision.drop for decision in photos.values())
    applied = AppliedVerdicts(len(data.origins) - len(indices), moved, cut, len(gone), turned)
    refs = ReviewedPhotos(Subset(data.refs, indices), origins, edits, table)
    return DataSet(refs, origins, [*data.notes, *_notes(applied, sorted(gone), table)]), applied


@dataclass(frozen=True, slots=True)
class ReviewedPhotos(Sequence[PhotoRef]):
    """Photos with their new origins, some of them (by key) to be cut or turned; go over them as over `refs`.

    Raises:
        DataError: a face's box does not lie in its photo, when that photo is reached.
    """

    refs: Sequence[PhotoRef]
    origins: Sequence[Origin]
    edits: dict[str, Decision]
    table: Path

    def __len__(self) -> int:
        return len(self.refs)

    @overload
    def __getitem__(self, index: int) -> PhotoRef: ...
    @overload
    def __getitem__(self, index: slice) -> ReviewedPhotos: ...
    def __getitem__(self, index: int | slice) -> PhotoRef | ReviewedPhotos:
        if isinstance(index, slice):
            return ReviewedPhotos(self.refs[index], self.origins[index], self.edits, self.table)
        return self._reviewed(self.refs[index], self.origins[index])

    def __iter__(self) -> Iterator[PhotoRef]:
        return map(self._reviewed, self.refs, self.origins)

    def _reviewed(self, ref: PhotoRef, origin: Origin) -> PhotoRef:
        decision = self.edits.get(ref.key)
        if decision is None:
            return replace(ref, origin=origin)
        limit = settings().max_megapixels
        try:
            return PhotoRef(origin, data=edit_photo(read(ref, limit), decision, limit)[0])
        except ImageError as error:
            if error.reason != Reason.NO_FACE:  # it cannot be read, as the decoder will say
                return replace(ref, origin=origin)
            raise DataError(f"{self.table} names a face of {ref.key} that is not there: {error.detail}") from error


def _notes(applied: AppliedVerdicts, gone: Sequence[str], table: Path) -> Iterator[str]:
    counts = (
        (applied.dropped, "left out"),
        (applied.moved, "relabelled"),
        (applied.cut, "cut to one face"),
        (applied.turned, "turned"),
    )
    changes = [f"{count} {what}" for count, what in counts if count]
    yield f"verdicts of {table.name}: {', '.join(changes) or 'nothing to change'}"
    if gone:
        yield missing_photos(gone, table)


def missing_photos(paths: Sequence[str], table: Path) -> str:
    """A sentence about photos that verdicts name and that do not exist."""
    verb = "is" if len(paths) == 1 else "are"
    return f"{pluralize(len(paths), 'photo')} named in {table.name} {verb} not in the data: {join_names(paths)}"
