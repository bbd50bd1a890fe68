"""The recipe `auto`: the cheap ones first, cross-validated on the same folds, and the best that fits in time."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mien.data import DataSet
from mien.errors import DataError, MienError
from mien.evaluate.comparison import Trial, score_variant
from mien.experiment.features import gather_features
from mien.experiment.recipes import FaceOptions, Recipe, TrainOptions, build_recipe
from mien.experiment.study_data import StudyData, prepare_study
from mien.experiment.trial import run_trial
from mien.pipeline.classify import stack_inputs
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.text import join_names

CHEAPEST_FIRST = ("head", "embedding-cnn", "finetune", "resnet-small", "fer-cnn")
MINUTES = 30.0
"""How long it may take, where the user does not say."""

_FOLDS = 3
_FINAL = 1.5  # the last training sees three parts where a fold's sees two


@dataclass(frozen=True, slots=True)
class RecipeScore:
    """What one recipe came to: means over the folds. None where it was not tried to the end, and `why` says why."""

    recipe: str
    accuracy: float | None
    macro_f1: float | None
    seconds: float
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """Every field, as strict JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RecipeChoice:
    """The options with the best recipe's name in them, and all that were tried."""

    options: TrainOptions
    tried: tuple[RecipeScore, ...]

    @property
    def notes(self) -> list[str]:
        """What a person should know about the choice."""
        measured = [f"{one.recipe} {one.accuracy:.1%}" for one in self.tried if one.accuracy is not None]
        notes = [f"of {join_names(measured)} right in {_FOLDS} folds, {self.options.recipe} was chosen"]
        return notes + [f"{one.recipe} was not tried to the end: {one.why}" for one in self.tried if one.why]


def choose_recipe(data: DataSet, options: TrainOptions, faces: FaceOptions, drive: RunOptions) -> RecipeChoice:
    """Labelled data -> the recipe with the best macro-F1 in cross-validation, of those that fit in `options.minutes`.

    The cheapest is tried whatever it takes, and where another fails it is not chosen. Of two within one photo of each
    other the cheaper is taken. Where the data names a split to be measured on, that is left alone.

    Raises:
        DataError: an option that goes with one recipe only, or too little to learn from.
    """
    _check(options, faces)
    end = time.monotonic() + 60 * (MINUTES if options.minutes is None else options.minutes)
    photos: StudyData | None = None
    tried: list[RecipeScore] = []
    for name in CHEAPEST_FIRST:
        start = time.monotonic()
        if tried and end <= start:
            tried.append(RecipeScore(name, None, None, 0.0, "no time was left"))
            continue
        try:
            recipe = build_recipe(replace(options, recipe=name, minutes=None), of_recipe(name, faces), drive)
            photos = _prepared(photos, data, recipe.spec, drive)
            tried.append(_tried(recipe, photos, end if tried else None))
        except MienError as error:
            if not tried:
                raise
            tried.append(RecipeScore(name, None, None, time.monotonic() - start, str(error)))
    best = max(one.macro_f1 for one in tried if one.macro_f1 is not None)
    within = 0 if photos is None else 1 / len(photos.y)
    name = next(one.recipe for one in tried if one.macro_f1 is not None and one.macro_f1 >= best - within)
    return RecipeChoice(replace(options, recipe=name, minutes=None), tuple(tried))


def _check(options: TrainOptions, faces: FaceOptions) -> None:
    given = [name for name in options.of_networks if name != "minutes"]
    given += [name for name, value in (("size", faces.size), ("colour", faces.grey)) if value is not None]
    if given:
        raise DataError(f"--{given[0]} goes with one recipe: name it with --recipe instead of auto")


def _prepared(before: StudyData | None, data: DataSet, spec: PipelineSpec, drive: RunOptions) -> StudyData:
    """The photos at the end of a chain, in the folds that they were dealt into `before`, for whichever chain that was.

    A photo that this chain cannot prepare is left out from here on.
    """
    if before is None:
        return prepare_study(data, [spec], drive, 1)
    if spec in before.inputs:
        return before
    found = {item.key: item for item in gather_features(data, spec, drive).items}
    rows = np.array([i for i, key in enumerate(before.keys) if key in found], dtype=np.int64)
    return replace(
        before,
        keys=[before.keys[i] for i in rows],
        y=before.y[rows],
        units=before.units[rows],
        folds=[fold[rows] for fold in before.folds],
        groups=[before.groups[i] for i in rows],
        inputs={spec: stack_inputs([found[before.keys[i]] for i in rows])},
    )


def of_recipe(name: str, faces: FaceOptions) -> FaceOptions:
    """What the user said of faces, as far as one of the recipes that `choose_recipe` tries has a use for it."""
    return faces if name in ("head", "embedding-cnn") else replace(faces, embedder="auto")


def _tried(recipe: Recipe, photos: StudyData, end: float | None) -> RecipeScore:
    """Cross-validation of a recipe, given up once it is seen that it and a last training would end too late."""
    start = time.monotonic()
    trials: list[Trial] = []
    for number, (seed, fold, rows) in enumerate(photos.tests(_FOLDS)):
        left = None if end is None else max(0.0, (end - time.monotonic()) / (_FOLDS - number + _FINAL))
        begun = time.monotonic()
        trials.append(run_trial(_limited(recipe, left), photos, rows, seed, fold))
        took = time.monotonic() - begun
        if left is not None and took > left:
            why = f"one of {_FOLDS} folds takes more than {left:.0f} s, its share of the time (--minutes)"
            return RecipeScore(recipe.name, None, None, time.monotonic() - start, why)
    found = score_variant(recipe.name, trials, photos.y, photos.units)
    return RecipeScore(recipe.name, found.accuracy_mean, found.macro_f1_mean, time.monotonic() - start)


def _limited(recipe: Recipe, seconds: float | None) -> Recipe:
    """The same, broken off after so many seconds: what a network learnt by then does not count, but costs no more."""
    if seconds is None or recipe.settings is None:
        return recipe
    run = replace(recipe.options.run, folder=None, limit=recipe.share(seconds / 60))
    return replace(recipe, options=replace(recipe.options, run=run))
