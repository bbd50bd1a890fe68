"""The temperature that makes probabilities believable; knows logits only."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar

from mien.models.head import Doubles, softmax
from mien.types import Ints


def fit_temperature(logits: Doubles, y: Ints) -> float:
    """Out-of-fold logits (n, k) and true classes -> the temperature that makes their softmax likeliest.

    Temperature scaling after Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2. The targets are
    drawn in by one photo in n + 2, as Platt (1999) does, so that flawless answers do not become certainty.
    """
    n, k = logits.shape
    doubt = 1 / (n + 2)
    spread = float(logits.std()) or 1.0
    target = np.full((n, k), doubt / k)
    target[np.arange(n), y] += 1 - doubt

    def loss(log_temperature: float) -> float:
        scaled = logits / (spread * math.exp(log_temperature))
        shifted = scaled - scaled.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -float((target * log_p).sum() / n)

    found = minimize_scalar(loss, bounds=(-7.0, 7.0), method="bounded", options={"xatol": 1e-4})
    return spread * math.exp(float(found.x))


def cross_fitted(logits: Doubles, y: Ints, fold: Ints) -> Doubles:
    """Logits (n, k) -> probabilities (n, k), each fold's with the temperature of the other folds."""
    made = np.empty_like(logits)
    for number in np.unique(fold):
        here = fold == number
        rest = ~here if not here.all() else here
        made[here] = softmax(logits[here] / fit_temperature(logits[rest], y[rest]))
    return made
