"""Variants of a training, each on the same splits with the same seeds: which is better, and what does it cost?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from mien import fileio
from mien.config import settings
from mien.data import DataSet, DataSource, open_data
from mien.errors import MienError
from mien.evaluation.comparison import Trial, compare, score_variant
from mien.evaluation.study import StudyResult
from mien.experiment.features import StudyData, prepare_study
from mien.experiment.recipes import FaceOptions
from mien.experiment.trial import TrialStore, run_trial
from mien.experiment.variants import StudyOptions, Variant, build_variants
from mien.pipeline.evaluation import data_name
from mien.pipeline.execute import RunOptions
from mien.pipeline.progress import NoProgress, Progress
from mien.text import join_names, pluralize


def study(
    data: DataSource,
    *,
    over: str,
    recipe: str | None = None,
    variants: Sequence[str] | None = None,
    hierarchy: Sequence[str | Path] | None = None,
    seeds: int = 3,
    folds: int = 1,
    epochs: int | None = None,
    report: str | PathLike[str] | None = None,
    detector: str = "auto",
    faces: str = "find",
    min_face: int | None = None,
    labels: str | Path | None = None,
    images: str | Path | None = None,
    target: str | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    cache: bool = True,
    progress: bool | Progress = False,
) -> StudyResult:
    """Train variants on the same photos with the same seeds, and compare every pair of them.

    Args:
        data: Folder of label folders, CSV, Parquet, fer2013.csv, a folder with metadata.csv, or a `DataSet`.
        over: What to vary: "augment", "size", "colour", "hierarchy" or "recipe".
        recipe: The recipe whose variants are compared: by default "resnet-small", or "head" for hierarchies.
        variants: Which variants, such as ["none", "gentle"] or ["32", "64"]; the usual ones by default.
        hierarchy: Trees over the labels to compare, as TOML files.
        seeds: Number of random splits, at least 3.
        folds: How many fifths of each split are tested, 1 to 5.
        epochs: Number of epochs of networks.
        report: Where to write a page with figures and a chart.
        detector: "auto", or a name from `mien models list`.
        faces: "find" looks for the face, "cut" takes each picture as a face already cut.
        min_face: Side of the smallest face, in pixels of the photo.
        labels: CSV with labels for the photos of a folder.
        images: Folder that the file names of a table are relative to.
        target: Column of a table that holds the label.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        cache: Whether embeddings and finished trainings are looked up and stored.
        progress: Show bars.

    Raises:
        UnknownName: No such variant or recipe.
        DataError: Too few photos, or `report` cannot be written.
        WeightsError: Weights are missing.
        MissingExtra: So is a package.
    """
    start = time.perf_counter()
    run = RunOptions.build(workers, keep_going, cache, progress)
    trees = tuple(Path(tree) for tree in hierarchy or ())
    options = StudyOptions(over, recipe, tuple(variants or ()), seeds, folds, epochs, trees)
    photos = open_data(data, images=images, target=target, labels=labels)
    for note in photos.notes:
        run.note(note)
    if report is not None:
        fileio.check_writable(Path(report))
    prepared = FaceOptions(detector=detector, faces=faces, min_face=min_face)
    result = compare_variants(photos, data_name(data), options, prepared, run)
    result = replace(result, seconds=time.perf_counter() - start)
    for note in result.notes:
        run.note(note)
    if report is not None:
        result.to_html(report)
    return result


def compare_variants(
    data: DataSet, name: str, options: StudyOptions, faces: FaceOptions, run: RunOptions
) -> StudyResult:
    """Labelled data (called `name`) -> every variant trained and tested on the same photos, and every pair compared.

    Trainings that an earlier run finished on the same photos are not repeated.

    Raises: as `study`.
    """
    start = time.perf_counter()
    variants = build_variants(options, faces, replace(run, progress=NoProgress()))  # one bar for all trainings
    for tree in (variant.recipe.tree for variant in variants if variant.recipe.tree is not None):
        tree.check([origin.label for origin in data.origins if origin.label is not None])
    photos = prepare_study(data, [variant.recipe.spec for variant in variants], run, options.seeds)
    with TrialStore(settings().home / "studies" if run.cache else None, photos) as store:
        trials = _run_trials(variants, photos, options, store, run)
        remembered = store.hits
    notes = [*photos.notes, *_untested(photos, options)]
    if remembered:
        notes.append(
            f"{pluralize(remembered, 'training')} finished by an earlier run: results and times are from there"
        )
    return StudyResult(
        data=name,
        over=options.over,
        scores=[score_variant(v.name, trials[v.name], photos.y, photos.units) for v in variants],
        comparisons=compare(trials, photos.y, photos.units),
        photos=len(photos.y),
        rejected=photos.rejected,
        remembered=remembered,
        notes=notes,
        seconds=time.perf_counter() - start,
    )


def _untested(photos: StudyData, options: StudyOptions) -> list[str]:
    """A note on labels that the figures say nothing about."""
    tested = {int(j) for _, _, rows in photos.tests(options.folds) for j in photos.y[rows]}
    missed = [label for j, label in enumerate(photos.labels) if j not in tested]
    why = "there are too few, or they belong together; with --folds 5 more photos are tested"
    return [f"no photo of {join_names(missed)} was tested: {why}"] if missed else []


def _run_trials(
    variants: Sequence[Variant], photos: StudyData, options: StudyOptions, store: TrialStore, run: RunOptions
) -> Mapping[str, list[Trial]]:
    """Seed by seed, so that the variants are timed under like conditions."""
    trials: dict[str, list[Trial]] = {variant.name: [] for variant in variants}
    plan = [(*test, variant) for test in photos.tests(options.folds) for variant in variants]
    for seed, fold, rows, variant in run.progress.track(plan, len(plan), "trainings"):
        trial = store.get(variant, seed, fold, rows)
        if trial is None:
            try:
                trial = run_trial(variant.recipe, photos, rows, seed, fold)
            except MienError as error:
                raise type(error)(f"{options.over} {variant.name}: {error}") from error
            store.put(variant, trial)
        trials[variant.name].append(trial)
    return trials
