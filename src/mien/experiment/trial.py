"""One training of a recipe on a part of the photos, and its answers for the rest: what studies are made of."""

from __future__ import annotations

import time

import numpy as np

from mien.errors import MienError
from mien.evaluate.comparison import Trial
from mien.experiment.recipes import Recipe
from mien.experiment.study_data import StudyData
from mien.types import Ints

_LEARNT_FROM = 1000
"""So many of the photos that were learnt from tell how well they are known."""


def run_trial(recipe: Recipe, photos: StudyData, rows: Ints, seed: int, fold: int) -> Trial:
    """A recipe, photos, and the numbers of those to test on (m,) -> its answers for them, learnt from the others.

    Raises:
        MienError: training failed; the message names the recipe and the seed.
    """
    inputs = photos.inputs[recipe.spec]
    tested = np.isin(np.arange(len(photos.y)), rows)
    start = time.perf_counter()
    try:
        fit = recipe.learn(inputs, photos.names, photos.groups, ["test" if test else "train" for test in tested], seed)
    except MienError as error:
        raise type(error)(f"{recipe.name}, seed {seed}: {error}") from error
    told = fit.as_json()
    # A training that was broken off goes on where it stopped: what it took before is in its curves.
    seconds = max(time.perf_counter() - start, sum(epoch["seconds"] for epoch in told.get("curves", [])))
    number = {label: j for j, label in enumerate(photos.labels)}
    classes = np.array([number[label] for label in fit.head.labels], dtype=np.int64)
    answers = np.full(len(tested), -1, dtype=np.int64)
    answers[fit.held_out.rows] = classes[fit.held_out.probabilities.argmax(axis=1)]
    some = np.sort(np.random.default_rng(seed).permutation(fit.seen)[:_LEARNT_FROM])
    again = classes[fit.head.answer(inputs[some])[0].argmax(axis=1)]
    return Trial(
        seed=seed,
        fold=fold,
        rows=rows,
        answers=answers[rows],
        learnt=float((again == photos.y[some]).mean()),
        seconds=seconds,
        epochs=told.get("epochs"),
        best_epoch=told.get("best_epoch"),
    )
