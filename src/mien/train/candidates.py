"""The ways to fit a head, and how each becomes one linear map; knows neither folds nor thresholds."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from mien.models.head import Doubles, unit
from mien.types import Ints


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of head, and how freely it may fit (`c`, the inverse of the penalty; None where there is none)."""

    kind: str
    c: float | None = None

    def __str__(self) -> str:
        return self.kind if self.c is None else f"{self.kind} (C = {self.c:g})"


CANDIDATES = (
    Candidate("centres"),
    Candidate("logistic", 1.0),
    Candidate("logistic", 10.0),
    Candidate("logistic", 100.0),
    Candidate("linear-svm", 0.1),
    Candidate("linear-svm", 1.0),
    Candidate("linear-svm", 10.0),
)
"""The simplest first: of equals the first is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Vectors of length 1 -> logits: `weights` (k, d), `bias` (k,)."""

    weights: Doubles
    bias: Doubles

    def logits(self, vectors: Doubles) -> Doubles:
        """Vectors (n, d) -> logits (n, k)."""
        return np.asarray(vectors @ self.weights.T + self.bias)


def class_centres(vectors: Doubles, y: Ints, k: int) -> Doubles:
    """Vectors (n, d) of length 1 -> the mean direction of each class (k, d), of length 1.

    A class whose vectors cancel out has none, and takes that of its first photo.
    """
    means = np.stack([vectors[y == j].mean(axis=0) for j in range(k)])
    firsts = np.stack([vectors[int(np.argmax(y == j))] for j in range(k)])
    return unit(np.where(np.linalg.norm(means, axis=1, keepdims=True) > 1e-9, means, firsts))


def fit(candidate: Candidate, vectors: Doubles, y: Ints, k: int, seed: int) -> Linear:
    """Vectors (n, d) of length 1 and their classes, 0 to k - 1 and none missing -> logits of the k classes.

    Logistic regression and the support vector machine see the vectors less their mean and over their spread, so that
    `c` means the same for every embedder, and weigh each class alike however many photos it has.
    """
    if candidate.c is None:
        return Linear(class_centres(vectors, y, k), np.zeros(k))
    mean = vectors.mean(axis=0)
    spread = float(np.sqrt(((vectors - mean) ** 2).sum(axis=1).mean())) or 1.0
    model = _model(candidate.kind, candidate.c, seed)
    with warnings.catch_warnings():
        # The penalty makes an answer that is not quite converged as good; nobody could act on the warning.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((vectors - mean) / spread, y)
    weights, bias = np.asarray(model.coef_) / spread, np.asarray(model.intercept_)
    if k == 2:  # one score for the second class: half of it for, half against, has the same softmax
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return Linear(weights, bias - weights @ mean)


def _model(kind: str, c: float, seed: int) -> Any:
    if kind == "logistic":
        return LogisticRegression(C=c, class_weight="balanced", max_iter=1000)
    return LinearSVC(C=c, class_weight="balanced", dual=False, max_iter=1000, random_state=seed)
