"""Several kinds of vectors of the same photos: which tells their labels apart best; knows no picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from mien.train.candidates import Candidate, fit
from mien.train.samples import Samples, prepare
from mien.train.split import TRAIN_ONLY, deal_folds, units_to_test
from mien.types import Floats, Ints

FOLDS = 3
_KINDS = (Candidate("logistic", 10.0), Candidate("logistic", 100.0))
MOST = 2400
"""More photos would not change which is better, and take longer."""


@dataclass(frozen=True, slots=True)
class Rival:
    """What one kind of vectors reached over all folds, by the better of two heads."""

    embedder: str
    accuracy: float
    macro_f1: float

    def as_json(self) -> dict[str, Any]:
        """Every field, as strict JSON."""
        return asdict(self)


def compare(
    vectors: Mapping[str, Floats],
    labels: Sequence[str],
    groups: Sequence[str | None],
    splits: Sequence[str | None],
    seed: int,
) -> tuple[Rival, ...]:
    """Kinds of vectors (n, d) by name, row for row of the same photos -> how each does in the same folds.

    Photos that are to be measured on have no part in it, and neither have strangers.

    Raises:
        DataError: too little to compare by, as `fit_head` says it.
    """
    rows: Ints | None = None
    found = []
    for name, each in vectors.items():
        train = prepare(each, labels, groups, splits).train
        if rows is None:  # the folds are those of the first, by which near-copies are known
            units = units_to_test(train, FOLDS, (seed,))
            rows = np.sort(np.random.default_rng(seed).permutation(len(train))[:MOST])
            fold = deal_folds(train.y[rows], units.among(rows), FOLDS, seed)
        part = Samples(train.vectors[rows], train.y[rows], train.labels)
        found.append(max((_tried(name, kind, part, fold, seed) for kind in _KINDS), key=lambda one: one.macro_f1))
    return tuple(found)


def best(rivals: Sequence[Rival], n: int) -> Rival:
    """Of rivals in the order of their costs, compared on `n` photos, the first within one standard error of the best.

    Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3; the error is that of a share of photos.
    """
    most = max(one.macro_f1 for one in rivals)
    error = math.sqrt(most * (1 - most) / max(1, n))
    return next(one for one in rivals if one.macro_f1 >= most - error)


def _tried(name: str, kind: Candidate, samples: Samples, fold: Ints, seed: int) -> Rival:
    guessed = np.full(len(samples), -1)
    for number in np.unique(fold[fold != TRAIN_ONLY]):
        here, rest = fold == number, fold != number
        head = fit(kind, samples.vectors[rest], samples.y[rest], len(samples.labels), seed)
        guessed[here] = head.logits(samples.vectors[here]).argmax(axis=1)
    tested = fold != TRAIN_ONLY
    y, answers = samples.y[tested], guessed[tested]
    f1 = float(f1_score(y, answers, labels=np.unique(y), average="macro", zero_division=0))
    return Rival(name, float((y == answers).mean()), f1)
