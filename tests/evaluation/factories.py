"""Predictions, rejections and trials for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.evaluation.comparison import Comparison, Trial, VariantScore
from mien.types import UNKNOWN, Detection, Ints, Origin, Prediction, Reason, Rejected

LABELS = ("ann", "bob", "eve")
FACE = Detection(0, (0.0, 0.0, 1.0, 1.0), 1.0)


def predicted(
    uri: str,
    truth: str | None,
    answer: str,
    *,
    probability: float = 0.8,
    familiarity: float = 1.0,
    labels: Sequence[str] = LABELS,
) -> Prediction:
    rest = [label for label in labels if label != answer]
    top = ((answer, probability), *((label, (1 - probability) / len(rest)) for label in rest))
    return Prediction(Origin(uri, truth), FACE, answer if familiarity >= 0.5 else UNKNOWN, top, familiarity)


def rejected(uri: str, truth: str | None, reason: Reason = Reason.NO_FACE) -> Rejected:
    return Rejected(Origin(uri, truth), "detect", reason)


def crowd(
    classes: int, photos: int, strangers: int = 0, seed: int = 0
) -> tuple[list[Prediction | Rejected], list[str]]:
    """Many photos, about one in ten answered wrongly and one in fifty rejected."""
    rng = np.random.default_rng(seed)
    labels = [f"person {i}" for i in range(classes)]
    results: list[Prediction | Rejected] = []
    for i in range(photos + strangers):
        stranger = i >= photos
        truth = int(rng.integers(classes))
        wrong = rng.random() < 0.1
        answer = labels[int(rng.integers(classes)) if wrong else truth]
        uri, name = f"folder/{i}.jpg", "somebody else" if stranger else labels[truth]
        if rng.random() < 0.02:
            results.append(rejected(uri, name))
            continue
        familiarity = float(rng.normal(0.0 if stranger else 2.0))
        probability = float(rng.uniform(0.5, 1.0))
        results.append(predicted(uri, name, answer, probability=probability, familiarity=familiarity, labels=labels))
    return results, labels


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


def score(variant: str, accuracy: float, seconds: float = 10.0) -> VariantScore:
    interval = (accuracy - 0.02, accuracy + 0.02)
    return VariantScore(variant, accuracy, 0.01, interval, accuracy, 100, 3, seconds, 20.0, 12.0, 0.99, 0.99 - accuracy)


def pair(a: str, b: str, points: float, p: float) -> Comparison:
    return Comparison(a, b, points / 100, (0.0, points / 50), p, p < 0.05)
