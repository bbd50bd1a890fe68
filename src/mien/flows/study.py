"""Several ways to train, each on the same splits with the same seeds: which is better, and what does it cost?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mien import fileio
from mien.config import settings
from mien.data import DataSet
from mien.errors import MienError
from mien.evaluate.comparison import Comparison, Trial, VariantScore, compare, score_variant, verdict, with_units
from mien.evaluate.pages import StudyPage, render_study
from mien.experiment.features import StudyData, prepare_study
from mien.experiment.recipes import FaceOptions
from mien.experiment.trial import TrialStore, run_trial
from mien.experiment.variants import StudyOptions, Variant, build_variants
from mien.flows.report import today
from mien.pipeline.execute import RunOptions
from mien.pipeline.progress import NoProgress
from mien.text import join_names, pluralize
from mien.types import Rejected


@dataclass(frozen=True, slots=True)
class StudyResult:
    """What came of it; `remembered` trials were finished by an earlier run. `verdict` is a sentence about it."""

    scores: Sequence[VariantScore]
    comparisons: Sequence[Comparison]
    verdict: str
    photos: int
    rejected: Sequence[Rejected]
    remembered: int
    notes: Sequence[str]
    seconds: float


def study(
    data: DataSet, name: str, options: StudyOptions, faces: FaceOptions, drive: RunOptions, to: Path | None = None
) -> StudyResult:
    """Labelled data (called `name`) -> every variant measured on the same photos, and every pair compared.

    `to` is where a page about it goes. What an earlier run on the same photos has finished is not done again.

    Raises:
        UnknownName: no such variant or recipe. DataError: too little to learn from, or `to` cannot be written.
        WeightsError: weights are missing. MissingExtra: so is a package.
    """
    if to is not None:
        fileio.check_writable(to)
    start = time.perf_counter()
    varied = build_variants(options, faces, replace(drive, progress=NoProgress()))  # one bar for all trainings
    for tree in (way.recipe.tree for way in varied if way.recipe.tree is not None):
        tree.check([origin.label for origin in data.origins if origin.label is not None])
    photos = prepare_study(data, [way.recipe.spec for way in varied], drive, options.seeds)
    with TrialStore(settings().home / "studies" if drive.cache else None, photos) as memory:
        trials = _run(varied, photos, options, memory, drive)
        remembered = memory.hits
    scores = [score_variant(way.name, trials[way.name], photos.y, photos.units) for way in varied]
    comparisons = compare(trials, photos.y, photos.units)
    notes = [*photos.notes, *_untested(photos, options)]
    if remembered:
        notes.append(
            f"{pluralize(remembered, 'training')} finished by an earlier run: taken from there, with their times"
        )
    if to is not None:
        rejected = len(photos.rejected)
        page = StudyPage(name, today(), options.over, scores, comparisons, len(photos.y), rejected, notes)
        fileio.write(to, render_study(page).encode())
    return StudyResult(
        scores=scores,
        comparisons=comparisons,
        verdict=verdict(*with_units(options.over, scores, comparisons)),
        photos=len(photos.y),
        rejected=photos.rejected,
        remembered=remembered,
        notes=notes,
        seconds=time.perf_counter() - start,
    )


def _untested(photos: StudyData, options: StudyOptions) -> list[str]:
    """What a person should know of labels that the figures say nothing of."""
    tested = {int(j) for _, _, rows in photos.tests(options.folds) for j in photos.y[rows]}
    missed = [label for j, label in enumerate(photos.labels) if j not in tested]
    why = "they are few, or belong together; with --folds 5 more is tested"
    return [f"no photo of {join_names(missed)} was tested: {why}"] if missed else []


def _run(
    varied: Sequence[Variant], photos: StudyData, options: StudyOptions, memory: TrialStore, drive: RunOptions
) -> Mapping[str, list[Trial]]:
    """Seed by seed, so that the variants are timed under like conditions."""
    done: dict[str, list[Trial]] = {way.name: [] for way in varied}
    plan = [(*test, way) for test in photos.tests(options.folds) for way in varied]
    for seed, fold, rows, way in drive.progress.track(plan, len(plan), "trainings"):
        trial = memory.get(way, seed, fold, rows)
        if trial is None:
            try:
                trial = run_trial(way.recipe, photos, rows, seed, fold)
            except MienError as error:
                raise type(error)(f"{options.over} {way.name}: {error}") from error
            memory.put(way, trial)
        done[way.name].append(trial)
    return done
