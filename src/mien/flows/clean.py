"""Label folders and verdicts in, photos filed as was decided; plan first, journal before each act."""

from __future__ import annotations

import os
import shlex
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mien import fileio
from mien.config import settings
from mien.curate.cleaning import CleaningPlan, CleaningSite, cut_face
from mien.curate.cleaning import plan_cleaning as planned
from mien.curate.verdicts import Action, Verdict, decide, read_verdicts
from mien.data import DataOptions, form_of, open_data
from mien.errors import DataError
from mien.flows.filing import carry_out
from mien.images import read
from mien.pipeline.execute import RunOptions
from mien.store.journal import FOLDER, FilingHistory, Outcome, filing_history, new_journal
from mien.store.recovery import resume_all
from mien.types import Box, PhotoRef

LABEL_FOLDERS = "label folders"
"""The form of data whose files can be filed elsewhere."""


@dataclass(frozen=True, slots=True)
class CleanResult:
    """What was planned and what came of it; `path` is the journal, None where nothing was to be done.

    root: the data's folder without links. failed: keys of photos that were left alone, with the reason. settled: the
    journals of killed runs that were brought to their end first.
    """

    root: Path
    plan: CleaningPlan
    outcome: Outcome
    path: Path | None
    settled: Sequence[Path]
    failed: Sequence[tuple[str, str]]

    @property
    def counts(self) -> Mapping[Action, int]:
        """How many photos were dropped, moved or replaced by a face, by the verdict."""
        done = {act.source for act in self.outcome.done}
        return Counter(each.verdict for each in self.plan.steps if each.act.source in done)


def clean(
    data: Path, table: Path, drive: RunOptions, *, dropped: Path | None = None, dry_run: bool = False
) -> CleanResult:
    """A folder of label folders, and a table of verdicts -> the folder as was decided, and all else beside it.

    What is dropped goes to `dropped`, unless said to `.mien/dropped` in the folder, where reading data passes it over.

    Raises:
        DataError: it is another form of data, the verdicts cannot be followed, or nothing can be written there; what
            was done until then stands in the journal.
    """
    verdicts = read_verdicts(table)
    form = form_of(data)
    if form != LABEL_FOLDERS:
        raise DataError(
            f"{data} is {form}, where no file can be moved: give its verdicts to 'mien train --verdicts', or a folder"
            " of label folders to 'mien clean'"
        )
    return follow(data, verdicts, table, drive, dropped=dropped, dry_run=dry_run)


def command(data: Path, options: DataOptions, table: str) -> str:
    """What a person types to have verdicts followed: `mien clean` where the data's files can be filed, else `train`."""
    if data.is_dir() and form_of(data, options) == LABEL_FOLDERS:
        return shlex.join(["mien", "clean", str(data), "--verdicts", table])
    given = {"--labels": options.labels, "--images": options.images, "--target": options.target}
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    return shlex.join(["mien", "train", str(data), *words, "--verdicts", table])


def follow(
    data: Path,
    verdicts: Sequence[Verdict],
    table: Path,
    drive: RunOptions,
    *,
    dropped: Path | None = None,
    dry_run: bool = False,
) -> CleanResult:
    """The same for verdicts that are at hand; `table` is what messages call them.

    Raises:
        DataError: as `clean`.
    """
    root = Path(os.path.realpath(data))
    _refuse_outside(verdicts, root, table)
    aside = _aside(root, dropped)
    settled = [] if dry_run else [path for path, _ in resume_all(root)]
    refs = open_data(root, DataOptions(loose=True)).refs
    decided = decide(verdicts, {ref.key: ref.origin.label for ref in refs}, table, root)
    earlier = filing_history(root, "clean")
    cut = _Cut(root / FOLDER / "cut", None if dry_run else earlier)
    plan = planned(refs, decided, CleaningSite(root, aside, earlier, cut))
    if dry_run or not plan.acts:
        return CleanResult(root, plan, Outcome(), None, settled, plan.refused)
    path = new_journal(root, "clean")
    outcome = carry_out(plan.acts, path, root, drive, beside=[aside])
    shutil.rmtree(cut.folder, ignore_errors=True)  # what was left, also by a run that was killed
    shown = data / path.relative_to(root)  # as whoever named the folder would name it
    return CleanResult(root, plan, outcome, shown, settled, [*plan.refused, *_failed(plan, outcome)])


@dataclass(frozen=True, slots=True)
class _Cut:
    """Cuts a face out into a file of mien's own, from where the journal takes it into the data.

    The file's name hangs on the photo as it is and on the box, so that a run that goes on after a kill finds it again.
    Nothing is written where no `earlier` runs are named, and what one of them put in its place is not written again.
    """

    folder: Path
    earlier: FilingHistory | None

    def __call__(self, ref: PhotoRef, box: Box) -> Path:
        limit = settings().max_megapixels
        data = read(ref, limit)
        cutout = cut_face(data, box, limit)
        name = sha256(f"{ref.key}\n{box}\n".encode() + data).hexdigest()[:32]
        path = self.folder / (name + cutout.suffix)
        if self.earlier is not None and path not in self.earlier.sources:
            fileio.write(path, cutout.data)
        return path


def _refuse_outside(verdicts: Sequence[Verdict], root: Path, table: Path) -> None:
    for verdict in verdicts:
        path = Path(verdict.path.strip())
        if ".." in path.parts or (path.is_absolute() and not path.is_relative_to(root)):
            raise DataError(f"line {verdict.line} of {table}: {verdict.path} lies outside of {root}; nothing was done")


def _aside(root: Path, dropped: Path | None) -> Path:
    """The folder of what is dropped, which reading the data must not come upon."""
    if dropped is None:
        return root / FOLDER / "dropped"
    path = Path(os.path.realpath(dropped))
    if path.exists() and not path.is_dir():
        raise DataError(f"--dropped {dropped} is a file: choose a folder")
    below = path.relative_to(root).parts if path.is_relative_to(root) else (".",)
    if not any(part.startswith(".") for part in below):
        raise DataError(f"--dropped {dropped} lies in the data, where it would be a label: choose a folder elsewhere")
    return path


def _failed(plan: CleaningPlan, outcome: Outcome) -> list[tuple[str, str]]:
    """The photos that were not filed, each with the reason of its first act that failed."""
    why = {act.source: reason for act, reason in reversed(outcome.failed)}
    found = []
    for each in plan.steps:
        sources = [act.source for act in (each.cut, each.act) if act is not None]
        if reasons := [why[source] for source in sources if source in why]:
            found.append((each.key, reasons[0]))
    return found
