"""Predictions, rejections and figures for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.types import UNKNOWN, Detection, Origin, Prediction, Reason, Rejected

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
