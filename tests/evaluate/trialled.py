"""Made-up trials for the tests of comparisons."""

from __future__ import annotations

import numpy as np

from mien.evaluate.trials import Trial
from mien.types import Ints


def alone(y: Ints) -> Ints:
    """Every photo a unit of its own."""
    return np.arange(len(y), dtype=np.int64)


def trials_of(y: Ints, answers: Ints, *, seeds: int = 3, folds: int = 5, seconds: float = 1.0) -> list[Trial]:
    """The same answers with every seed, a fifth of the photos a seed, another one each time."""
    return [_trial(y, answers, seed, folds, seconds) for seed in range(seeds)]


def answered(y: Ints, share: float, *, seed: int = 0, folds: int = 5, seconds: float = 1.0) -> list[Trial]:
    """Answers that are right with this probability, each by itself: three seeds, a fifth of the photos a seed."""
    made = []
    for s in range(3):
        right = np.random.default_rng([seed, s]).random(len(y)) < share
        made.append(_trial(y, np.where(right, y, y + 1), s, folds, seconds))
    return made


def _trial(y: Ints, answers: Ints, seed: int, folds: int, seconds: float) -> Trial:
    rows = np.sort(np.random.default_rng(seed).permutation(len(y))[: len(y) // folds])
    return Trial(seed, 0, rows, answers[rows], learnt=1.0, seconds=seconds, epochs=10 + seed, best_epoch=8)
