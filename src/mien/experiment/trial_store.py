"""Trials that are finished, kept so that a study which was broken off goes on where it stopped; runs none."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np

from mien import __version__
from mien.errors import DataError
from mien.evaluate.comparison import Trial
from mien.experiment.study_data import StudyData
from mien.experiment.variants import Variant
from mien.fileio import JsonLines, write_error
from mien.types import Ints


class TrialStore:
    """The finished trials on these photos, in `folder`; `taken` counts those that were there already.

    Without a folder it remembers nothing. A line that cannot be read is worth no more than none.
    """

    def __init__(self, folder: Path | None, subjects: StudyData) -> None:
        self.taken = 0
        self._lines: JsonLines | None = None
        self._known: dict[str, dict[str, Any]] = {}
        if folder is None:
            return
        path = folder / f"{_address(subjects)}.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lines = JsonLines(path, os.O_CREAT)
            self._load(self._lines.recover())
        except BlockingIOError as error:
            raise DataError("another study of these photos is running: wait until it is done") from error
        except OSError as error:
            raise DataError(f"{write_error(path, error)} (MIEN_HOME says where it is kept)") from error

    def recall(self, way: Variant, seed: int, fold: int, rows: Ints) -> Trial | None:
        """The trial of a way on a fold of a seed, which holds these rows, if it was finished."""
        try:
            trial = _trial(self._known[_name(way, seed, fold)])
        except (KeyError, TypeError, ValueError):
            return None
        if not np.array_equal(trial.rows, rows):
            return None
        self.taken += 1
        return trial

    def keep(self, way: Variant, trial: Trial) -> None:
        """Remember a trial.

        Raises:
            DataError: it cannot be written.
        """
        if self._lines is None:
            return
        line = {
            "name": _name(way, trial.seed, trial.fold),
            "variant": way.name,
            "seed": trial.seed,
            "fold": trial.fold,
            "rows": trial.rows.tolist(),
            "answers": trial.answers.tolist(),
            "learnt": trial.learnt,
            "seconds": trial.seconds,
            "epochs": trial.epochs,
            "best_epoch": trial.best_epoch,
        }
        try:
            self._lines.append([line], durable=True)
        except OSError as error:
            raise write_error(self._lines.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lines is not None:
            self._lines.close()

    def _load(self, data: bytes) -> None:
        for text in data.splitlines():
            try:
                line = json.loads(text)
                self._known[str(line["name"])] = line
            except (ValueError, KeyError, TypeError):
                continue


def _trial(line: dict[str, Any]) -> Trial:
    rows, answers = (np.array(line[name], dtype=np.int64) for name in ("rows", "answers"))
    if rows.shape != answers.shape or rows.ndim != 1:
        raise ValueError("rows and answers do not belong together")
    epochs, best = (None if line[name] is None else int(line[name]) for name in ("epochs", "best_epoch"))
    return Trial(
        int(line["seed"]), int(line["fold"]), rows, answers, float(line["learnt"]), float(line["seconds"]), epochs, best
    )


def _address(subjects: StudyData) -> str:
    """What was studied: the photos, their labels, groups and units. How they were seen is part of a trial's name."""
    whole = [subjects.keys, subjects.labels, subjects.y.tolist(), subjects.units.tolist(), subjects.groups]
    return sha256(json.dumps(whole).encode()).hexdigest()[:32]


def _name(way: Variant, seed: int, fold: int) -> str:
    whole = [__version__, way.as_json(), seed, fold]
    return sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
