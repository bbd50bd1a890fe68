"""Sort photos into folders by predicted label, and undo it: plan first, journal before each transfer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from mien.data import outside, photos
from mien.errors import DataError
from mien.flows.output_folder import execute_plan
from mien.pipeline.classifier import Classifier, load
from mien.pipeline.execute import RunOptions
from mien.pipeline.progress import Progress
from mien.sorting import Plan
from mien.sorting import plan as make_plan
from mien.store.journal import Action, Outcome, filing_history, new_journal, newest_first
from mien.store.recovery import resume_all
from mien.store.recovery import undo as undo_journal
from mien.types import PhotoRef, Prediction, Rejected


@dataclass(frozen=True, slots=True)
class SortResult:
    """What was planned and what came of it.

    journal: what `undo` takes; None where nothing was to be done. recovered: journals of runs that were killed, which
    were finished first.
    """

    plan: Plan
    rejected: Sequence[Rejected]
    outcome: Outcome
    journal: Path | None
    recovered: Sequence[Path]

    def as_json(self) -> dict[str, Any]:
        """The last line of `mien sort --json`."""
        return {
            "planned": len(self.plan.transfers),
            "done": len(self.outcome.done),
            "unknown": self.plan.unknown,
            "rejected": self.plan.rejected,
            "journal": None if self.journal is None else str(self.journal),
            "counts": dict(self.plan.counts),
            "kept": self.plan.kept,
            "elsewhere": self.plan.elsewhere,
            "failed": len(self.outcome.failed),
        }


def sort(
    bundle: str | Path | Classifier,
    src: str | Path,
    dst: str | Path,
    *,
    mode: str = "copy",
    dry_run: bool = False,
    faces: str | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    cache: bool = True,
    progress: bool | Progress = False,
) -> SortResult:
    """File photos into `dst/LABEL`, `dst/unknown` and `dst/rejected`, by the main face of each.

    Args:
        bundle: A bundle written by `train`, the name of a built-in trait, or what `load` opened.
        src: Folder of the photos.
        dst: Folder in which the label folders are made.
        mode: "copy", "link" (hard links) or "move".
        dry_run: Only plan, and touch nothing.
        faces: "find" or "cut", to override how the bundle prepares faces.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        cache: Whether embeddings are looked up and stored.
        progress: Show a bar.

    Raises:
        BundleError, WeightsError: The bundle cannot be used.
        DataError: There is no such mode or folder, or `dst` cannot be written; what was done until then stands in the
            journal.
    """
    src, dst = Path(src), Path(dst)
    if mode not in get_args(Action):
        raise DataError(f"--mode {mode}: use {', '.join(get_args(Action))}")
    action: Action = "copy" if mode == "copy" else "link" if mode == "link" else "move"
    run = RunOptions.build(workers, keep_going, cache, progress)
    classifier = bundle.with_faces(faces) if isinstance(bundle, Classifier) else load(bundle, faces=faces)
    recovered = [] if dry_run else [path for path, _ in resume_all(dst)]
    refs = outside(_photos(src), src, dst)
    paths: Mapping[str, Path] = {ref.key: ref.path for ref in refs if ref.path is not None}
    rejected: list[Rejected] = []
    results = _noting(classifier.predictions(refs, run), rejected)
    plan = make_plan(results, paths.__getitem__, dst, action, filing_history(dst, "sort"), classifier.labels)
    if dry_run or not plan.transfers:
        return SortResult(plan, rejected, Outcome(), None, recovered)
    path = new_journal(dst, "sort")
    outcome = execute_plan(plan.transfers, path, dst, run)
    return SortResult(plan, rejected, outcome, path, recovered)


def undo(*journal: str | Path) -> Iterator[tuple[Path, Outcome]]:
    """Put every file back where it was; what was changed since is left alone. The newest journal goes first.

    Args:
        journal: Journals that `sort` and `clean` left.

    Yields:
        A journal, and which of its acts were undone and which failed.

    Raises:
        DataError: A journal cannot be read.
    """
    for path in newest_first({Path(each) for each in journal}):
        yield path, undo_journal(path)


def _photos(src: Path) -> list[PhotoRef]:
    """The photos to file; none is fine, too, as in a folder whose photos an earlier run has moved."""
    if not src.is_dir():
        raise DataError(f"{src} is not a folder: give the folder of the photos to file")
    try:
        return photos([src])
    except DataError:
        return []


def _noting(results: Iterable[Prediction | Rejected], rejected: list[Rejected]) -> Iterator[Prediction | Rejected]:
    """The same results; those that were rejected are noted down."""
    for result in results:
        if isinstance(result, Rejected):
            rejected.append(result)
        yield result
