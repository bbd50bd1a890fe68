"""One training of a recipe on a part of the photos, tested on the rest; finished ones are stored."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np

from mien import __version__
from mien.errors import DataError, MienError
from mien.evaluation.comparison import Trial
from mien.experiment.features import StudyData
from mien.experiment.recipes import Recipe
from mien.experiment.variants import Variant
from mien.fileio import JsonLines, write_error
from mien.types import Ints

_TRAIN_SAMPLE = 1000
"""So many of the photos trained on are enough to measure accuracy on them."""


def run_trial(recipe: Recipe, photos: StudyData, rows: Ints, seed: int, fold: int) -> Trial:
    """A recipe, photos, and the rows of those to test on (m,) -> its answers for them, trained on the others.

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
    facts = fit.as_json()
    # A training that was stopped resumes from its checkpoint: the time it took before is in its curves.
    seconds = max(time.perf_counter() - start, sum(epoch["seconds"] for epoch in facts.get("curves", [])))
    number = {label: j for j, label in enumerate(photos.labels)}
    classes = np.array([number[label] for label in fit.head.labels], dtype=np.int64)
    answers = np.full(len(tested), -1, dtype=np.int64)
    answers[fit.held_out.rows] = classes[fit.held_out.probabilities.argmax(axis=1)]
    sample = np.sort(np.random.default_rng(seed).permutation(fit.seen)[:_TRAIN_SAMPLE])
    train_answers = classes[fit.head.answer(inputs[sample])[0].argmax(axis=1)]
    return Trial(
        seed=seed,
        fold=fold,
        rows=rows,
        answers=answers[rows],
        learnt=float((train_answers == photos.y[sample]).mean()),
        seconds=seconds,
        epochs=facts.get("epochs"),
        best_epoch=facts.get("best_epoch"),
    )


class TrialStore:
    """The finished trials on these photos, in `folder`, so that a study that was stopped can be resumed.

    hits: how many `get` has returned. Without a folder nothing is stored; lines that cannot be read are ignored.
    """

    def __init__(self, folder: Path | None, photos: StudyData) -> None:
        self.hits = 0
        self._lines: JsonLines | None = None
        self._known: dict[str, dict[str, Any]] = {}
        if folder is None:
            return
        path = folder / f"{_photos_digest(photos)}.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lines = JsonLines(path, os.O_CREAT)
            for text in self._lines.recover().splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    line = json.loads(text)
                    self._known[str(line["name"])] = line
        except BlockingIOError as error:
            raise DataError("another study of these photos is running: wait until it is done") from error
        except OSError as error:
            raise DataError(f"{write_error(path, error)} (studies are stored in MIEN_HOME)") from error

    def get(self, variant: Variant, seed: int, fold: int, rows: Ints) -> Trial | None:
        """The trial of a variant on a fold of a seed, which holds these rows, if it was finished."""
        try:
            trial = _from_json(self._known[_trial_digest(variant, seed, fold)])
        except (KeyError, TypeError, ValueError):
            return None
        if not np.array_equal(trial.rows, rows):
            return None
        self.hits += 1
        return trial

    def put(self, variant: Variant, trial: Trial) -> None:
        """Store a trial; `DataError` where it cannot be written."""
        if self._lines is None:
            return
        line = {"name": _trial_digest(variant, trial.seed, trial.fold), "variant": variant.name, **asdict(trial)}
        line |= {"rows": trial.rows.tolist(), "answers": trial.answers.tolist()}
        try:
            self._lines.append([line], durable=True)
        except OSError as error:
            raise write_error(self._lines.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lines is not None:
            self._lines.close()


def _from_json(line: dict[str, Any]) -> Trial:
    rows, answers = (np.array(line[name], dtype=np.int64) for name in ("rows", "answers"))
    if rows.shape != answers.shape or rows.ndim != 1:
        raise ValueError("rows and answers are not of one length")
    epochs, best = (None if line[name] is None else int(line[name]) for name in ("epochs", "best_epoch"))
    return Trial(
        int(line["seed"]), int(line["fold"]), rows, answers, float(line["learnt"]), float(line["seconds"]), epochs, best
    )


def _photos_digest(photos: StudyData) -> str:
    """The photos, their labels, groups and units. How they are prepared is part of a trial's digest."""
    fields = [photos.keys, photos.labels, photos.y.tolist(), photos.units.tolist(), photos.groups]
    return sha256(json.dumps(fields).encode()).hexdigest()[:32]


def _trial_digest(variant: Variant, seed: int, fold: int) -> str:
    fields = [__version__, variant.as_json(), seed, fold]
    return sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
