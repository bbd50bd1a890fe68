"""A messy folder in, photos filed by the bundle's answers out: plan first, journal before each act."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mien import sort as filing
from mien.data import outside, photos
from mien.errors import DataError
from mien.flows.filing import carry_out
from mien.pipeline.classifier import open_classifier
from mien.pipeline.execute import RunOptions
from mien.sort import Plan
from mien.store.journal import Action, Outcome, filing_history, new_journal
from mien.store.recovery import resume_all
from mien.types import PhotoRef, Prediction, Rejected


@dataclass(frozen=True, slots=True)
class SortResult:
    """What was planned and what came of it; `path` is the journal, None where nothing was to be done.

    `settled` are the journals of killed runs that were brought to their end first.
    """

    plan: Plan
    rejected: Sequence[Rejected]
    outcome: Outcome
    path: Path | None
    settled: Sequence[Path]


def sort(
    bundle: Path, src: Path, dst: Path, mode: str, drive: RunOptions, *, faces: str | None = None, dry_run: bool = False
) -> SortResult:
    """Photos under `src` -> `dst/LABEL`, `dst/unknown` or `dst/rejected`, by the main face of each.

    faces: "find" or "cut", to have them prepared otherwise than in training.

    Raises:
        BundleError, WeightsError: the bundle cannot be used. DataError: no such mode, no photos, or `dst` cannot be
            written; what was done until then stands in the journal.
    """
    if mode not in get_args(Action):
        raise DataError(f"--mode {mode}: use {', '.join(get_args(Action))}")
    action: Action = "copy" if mode == "copy" else "link" if mode == "link" else "move"
    recogniser = open_classifier(bundle, faces)
    settled = [] if dry_run else [path for path, _ in resume_all(dst)]
    refs = outside(_photos(src), src, dst)
    paths: Mapping[str, Path] = {ref.key: ref.path for ref in refs if ref.path is not None}
    rejected: list[Rejected] = []
    results = _watched(recogniser.predictions(refs, drive), rejected)
    plan = filing.plan(results, paths.__getitem__, dst, action, filing_history(dst, "sort"), recogniser.head.labels)
    if dry_run or not plan.transfers:
        return SortResult(plan, rejected, Outcome(), None, settled)
    path = new_journal(dst, "sort")
    outcome = carry_out(plan.transfers, path, dst, drive)
    return SortResult(plan, rejected, outcome, path, settled)


def _photos(src: Path) -> list[PhotoRef]:
    """The photos to file; none is well too, as in a folder whose photos an earlier run has moved."""
    if not src.is_dir():
        raise DataError(f"{src} is not a folder: give the folder of the photos to file")
    try:
        return photos([src])
    except DataError:
        return []


def _watched(results: Iterable[Prediction | Rejected], rejected: list[Rejected]) -> Iterator[Prediction | Rejected]:
    """The same results, the rejected ones noted down."""
    for result in results:
        if isinstance(result, Rejected):
            rejected.append(result)
        yield result
