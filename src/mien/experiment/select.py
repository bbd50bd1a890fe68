"""The choices behind `auto`: the recipe and the embedder that do best on the photos, in cross-validation."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from mien import models
from mien.data import DataSet
from mien.errors import DataError, MienError
from mien.evaluation.comparison import Trial, score_variant
from mien.experiment.features import LEARNT, FeatureSet, StudyData, gather_features, prepare_study
from mien.experiment.recipes import FaceOptions, Recipe, TrainOptions, build_recipe
from mien.experiment.trial import run_trial
from mien.models import APPEARANCE_EMBEDDER, EMBEDDER_SEPARATOR, IDENTITY_EMBEDDER
from mien.pipeline.classify import stack_inputs
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec, build_spec
from mien.text import join_names
from mien.training.head import EMBEDDER_FOLDS, EMBEDDER_PHOTOS, EmbedderScore, best_embedder, score_embedders
from mien.types import UNKNOWN, Embedding

CHEAPEST_FIRST = ("head", "embedding-cnn", "finetune", "resnet-small", "fer-cnn")
MINUTES = 30.0
"""The time limit, where the user gives none."""

_FOLDS = 3
_FINAL = 1.5  # the last training sees three parts where a fold's sees two

# Labels with fewer photos each, or more of them, are people: there the identity embedder is better, and comparing
# embedders costs time.
_FEWEST_PHOTOS, _MOST_LABELS = 20, 30


@dataclass(frozen=True, slots=True)
class RecipeScore:
    """Means over the folds; None where the recipe was not tried to the end, and `why` says why."""

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
    """The options with the name of the best recipe, and the scores of all that were tried."""

    options: TrainOptions
    scores: tuple[RecipeScore, ...]

    @property
    def notes(self) -> list[str]:
        """What a person should know about the choice."""
        accuracies = [f"{score.recipe} {score.accuracy:.1%}" for score in self.scores if score.accuracy is not None]
        notes = [f"recipe {self.options.recipe} was chosen; accuracy in {_FOLDS} folds: {join_names(accuracies)}"]
        return notes + [f"{score.recipe} was not tried to the end: {score.why}" for score in self.scores if score.why]


@dataclass(frozen=True, slots=True, eq=False)
class EmbedderChoice:
    """The scores of all embedders, the spec of the one that was chosen, and the photos as it prepares them."""

    scores: tuple[EmbedderScore, ...]
    spec: PipelineSpec
    features: FeatureSet

    @property
    def note(self) -> str:
        """What a person should know about the choice."""
        accuracies = [f"{score.embedder} {score.accuracy:.1%}" for score in self.scores]
        return f"embedder {self.spec.embedder} was chosen; accuracy in {EMBEDDER_FOLDS} folds: {join_names(accuracies)}"


def choose_recipe(data: DataSet, options: TrainOptions, faces: FaceOptions, run: RunOptions) -> RecipeChoice:
    """Labelled data -> the recipe with the best macro-F1 in cross-validation, of those that fit in `options.minutes`.

    The cheapest is tried whatever it takes; a recipe that fails is not chosen. Of two within one photo of each other
    the cheaper is taken. Where the data names a split to be measured on, that is left alone.

    Raises:
        DataError: an option that applies to one recipe only, or too few photos.
    """
    _check_options(options, faces)
    end = time.monotonic() + 60 * (MINUTES if options.minutes is None else options.minutes)
    photos: StudyData | None = None
    scores: list[RecipeScore] = []
    for name in CHEAPEST_FIRST:
        start = time.monotonic()
        if scores and end <= start:
            scores.append(RecipeScore(name, None, None, 0.0, "no time was left"))
            continue
        try:
            recipe = build_recipe(replace(options, recipe=name, minutes=None), faces_for(name, faces), run)
            photos = _prepare(photos, data, recipe.spec, run)
            scores.append(_cross_validate(recipe, photos, end if scores else None))
        except MienError as error:
            if not scores:
                raise
            scores.append(RecipeScore(name, None, None, time.monotonic() - start, str(error)))
    best_f1 = max(score.macro_f1 for score in scores if score.macro_f1 is not None)
    within = 0 if photos is None else 1 / len(photos.y)
    chosen = next(s.recipe for s in scores if s.macro_f1 is not None and s.macro_f1 >= best_f1 - within)
    return RecipeChoice(replace(options, recipe=chosen, minutes=None), tuple(scores))


def faces_for(recipe: str, faces: FaceOptions) -> FaceOptions:
    """The options of faces, without those that a recipe of `choose_recipe` does not take."""
    return faces if recipe in ("head", "embedding-cnn") else replace(faces, embedder="auto")


def choose_embedder(data: DataSet, faces: FaceOptions, seed: int, run: RunOptions) -> EmbedderChoice | None:
    """Labelled data -> the embedder that tells its labels apart best; None where the labels look like people's names.

    Detection, which takes most of the time, is done once for all.

    Raises:
        DataError: too few photos. WeightsError: weights are missing.
    """
    if not _may_be_appearance(data):
        return None
    joint = EMBEDDER_SEPARATOR.join((IDENTITY_EMBEDDER, APPEARANCE_EMBEDDER))
    spec = build_spec(faces.detector, joint, faces.faces, min_face=faces.min_face)
    features = gather_features(data, spec, run)
    vectors, dim = stack_inputs(features.items), models.get_card(IDENTITY_EMBEDDER).dim
    parts = {IDENTITY_EMBEDDER: slice(None, dim), APPEARANCE_EMBEDDER: slice(dim, None), joint: slice(None)}
    columns = {name: vectors[:, part] for name, part in parts.items()}
    scores = score_embedders(columns, features.labels, features.groups, features.splits, seed)
    chosen = best_embedder(scores, min(EMBEDDER_PHOTOS, len(vectors))).embedder
    items = [
        replace(item, vector=item.vector[parts[chosen]].copy())
        for item in features.items
        if isinstance(item, Embedding)
    ]
    spec = build_spec(faces.detector, chosen, faces.faces, min_face=faces.min_face)
    return EmbedderChoice(scores, spec, replace(features, items=items))


def _check_options(options: TrainOptions, faces: FaceOptions) -> None:
    given = [name for name in options.network_options if name != "minutes"]
    given += [name for name, value in (("size", faces.size), ("colour", faces.grey)) if value is not None]
    if given:
        raise DataError(f"--{given[0]} applies to one recipe only: give --recipe NAME instead of auto")


def _prepare(before: StudyData | None, data: DataSet, spec: PipelineSpec, run: RunOptions) -> StudyData:
    """The photos as the spec prepares them, in the folds of `before`, whichever spec that was prepared by.

    A photo that this spec cannot prepare is left out from here on.
    """
    if before is None:
        return prepare_study(data, [spec], run, 1)
    if spec in before.inputs:
        return before
    items = {item.key: item for item in gather_features(data, spec, run).items}
    rows = np.array([i for i, key in enumerate(before.keys) if key in items], dtype=np.int64)
    return replace(
        before,
        keys=[before.keys[i] for i in rows],
        y=before.y[rows],
        units=before.units[rows],
        folds=[fold[rows] for fold in before.folds],
        groups=[before.groups[i] for i in rows],
        inputs={spec: stack_inputs([items[before.keys[i]] for i in rows])},
    )


def _cross_validate(recipe: Recipe, photos: StudyData, end: float | None) -> RecipeScore:
    """Cross-validation of a recipe, given up as soon as it and a last training would end too late."""
    start = time.monotonic()
    trials: list[Trial] = []
    for number, (seed, fold, rows) in enumerate(photos.tests(_FOLDS)):
        limit = None if end is None else max(0.0, (end - time.monotonic()) / (_FOLDS - number + _FINAL))
        fold_start = time.monotonic()
        trials.append(run_trial(_with_limit(recipe, limit), photos, rows, seed, fold))
        if limit is not None and time.monotonic() - fold_start > limit:
            why = f"one of {_FOLDS} folds takes more than {limit:.0f} s, its share of the time (--minutes)"
            return RecipeScore(recipe.name, None, None, time.monotonic() - start, why)
    score = score_variant(recipe.name, trials, photos.y, photos.units)
    return RecipeScore(recipe.name, score.accuracy_mean, score.macro_f1_mean, time.monotonic() - start)


def _with_limit(recipe: Recipe, seconds: float | None) -> Recipe:
    """The same, stopped after so many seconds: its result by then does not count, but it costs no more time."""
    if seconds is None or recipe.settings is None:
        return recipe
    run = replace(recipe.options.run, folder=None, max_minutes=recipe.share(seconds / 60))
    return replace(recipe, options=replace(recipe.options, run=run))


def _may_be_appearance(data: DataSet) -> bool:
    """Whether the labels may be something else than people: few, with many photos each, and without strangers."""
    labels = Counter(o.label for o in data.origins if o.label is not None and o.split in LEARNT)
    if UNKNOWN in labels or not 2 <= len(labels) <= _MOST_LABELS or median(labels.values()) < _FEWEST_PHOTOS:
        return False
    return models.is_available(IDENTITY_EMBEDDER) and models.is_available(APPEARANCE_EMBEDDER)
