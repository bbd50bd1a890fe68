"""Calibration: the temperature that makes probabilities believable, and the threshold below which a face is unknown."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import norm, t
from sklearn.metrics import roc_auc_score

from mien.errors import DataError
from mien.models.head import Doubles, softmax
from mien.types import UNKNOWN, Ints

ENOUGH_CLASSES = 5
"""With fewer classes, the classes left out do not show how strangers scatter."""

SURE_CLASSES = 10
"""With fewer classes, that scatter is an estimate which is not relied upon alone."""

ENOUGH_STRANGERS = 20
"""With this many strangers in the data, they alone set the threshold."""

MIN_SEPARATION = 0.75
MIN_KEPT = 0.7
MIN_KEPT_BY_GUESS = 0.95
"""No threshold is set below this area under the ROC curve, or where fewer known photos would keep their right names.

Measured: people have a separation of 0.96 to 1 and, with 4 photos each, keep 96 % on average; six traits and seven
expressions have 0.5 to 0.63. Two traits may reach 0.99, and a threshold between them then loses 4 % and more.
"""

MIN_KNOWN = 10
"""Fewer known photos that were not learnt from do not show how familiar the known are."""

_NEEDS_STRANGERS = f"needs {ENOUGH_STRANGERS} photos of others, labelled {UNKNOWN!r}"
_NEEDS_KNOWN = f"needs more photos of the known, {MIN_KNOWN} of which are kept back for it"

_ENOUGH_BEYOND = 5  # strangers above the threshold, for a plain quantile to find it
_KNOWN_LOSS = 0.001
_REACH = 5.0


@dataclass(frozen=True, slots=True)
class UnknownThreshold:
    """The threshold and what to expect of it.

    threshold: familiarity below which a face is a stranger; None where none is set.
    rate: the share of strangers that it lets in; None where that could not be estimated.
    kept: the share of known photos that still get their right name, out of fold; or would, were a threshold set.
    separation: the area under the ROC curve, known against strangers.
    strangers: how many photos stood for strangers.
    method: how it was found, in words.
    """

    threshold: float | None
    rate: float | None
    kept: float
    separation: float
    strangers: int
    method: str


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Familiarities of the three kinds of photos that set a threshold.

    `known` ones out of fold, with whether each was named `right`; those whose own class was `left_out`, with their
    classes; and the data's own `strangers`.
    """

    known: Doubles
    right: npt.NDArray[np.bool_]
    left_out: Doubles
    left_out_y: Ints
    strangers: Doubles


@dataclass(frozen=True, slots=True)
class _Normal:
    mean: float
    deviation: float
    sources: int


def check_rate(rate: float) -> None:
    """Raise DataError unless this is a false accept rate that a threshold can have."""
    if not 0 < rate < 0.5:
        raise DataError(f"the false accept rate is {rate}: it must be between 0 and 0.5")


def fit_temperature(logits: Doubles, y: Ints) -> float:
    """Out-of-fold logits (n, k) and true classes -> the temperature that makes their softmax most likely.

    Temperature scaling after Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2. The targets are
    smoothed by one photo in n + 2, as in Platt (1999), so that flawless answers do not become certainty: scikit-learn's
    temperature scaling does not smooth, and has no finite answer there.
    """
    n, k = logits.shape
    doubt = 1 / (n + 2)
    spread = float(logits.std()) or 1.0
    target = np.full((n, k), doubt / k)
    target[np.arange(n), y] += 1 - doubt

    def loss(log_temperature: float) -> float:
        return -float((target * log_softmax(logits / (spread * math.exp(log_temperature)), axis=1)).sum() / n)

    best = minimize_scalar(loss, bounds=(-7.0, 7.0), method="bounded", options={"xatol": 1e-4})
    return spread * math.exp(float(best.x))


def cross_calibrate(logits: Doubles, y: Ints, fold: Ints) -> Doubles:
    """Logits (n, k) -> probabilities (n, k), each fold's with the temperature of the other folds."""
    probabilities = np.empty_like(logits)
    for number in np.unique(fold):
        here = fold == number
        rest = ~here if not here.all() else here
        probabilities[here] = softmax(logits[here] / fit_temperature(logits[rest], y[rest]))
    return probabilities


def leave_classes_out(vectors: Doubles, y: Ints, centres: Doubles) -> Doubles:
    """Vectors (n, d) of length 1 -> how familiar each would be to a head without its class (n,).

    The other centres do not depend on the class that is left out, so this is exact and needs no refit.
    """
    cosines = vectors @ centres.T
    cosines[np.arange(len(y)), y] = -np.inf
    return np.asarray(cosines.max(axis=1))


def set_threshold(evidence: Evidence, classes: int, rate: float) -> UnknownThreshold:
    """Familiarities of the known and of strangers -> the threshold that lets in `rate` of the strangers.

    Strangers' familiarity is the largest of many cosines and close to normally distributed, and the quantiles of a few
    dozen photos are poor estimates: the threshold is a quantile of the normal distribution. How cautious it is with the
    few classes that stand for all strangers depends on what that costs: between the plain quantile and the one of
    Student's t for a new source of strangers, it lies where one in a thousand of the known would be lost. It is never
    more than five standard deviations below the known, where strangers would slip in and nobody would gain, nor, with
    fewer than ten classes, closer to strangers than to the known, counted in standard deviations of each.

    Measured on Labeled Faces in the Wild with two embedders, 5 to 35 people drawn at random with 4 to 13 photos each:
    for a rate of 1 % it let in 0.1 to 1.2 % of all other people's photos on average; for 5 %, 2 to 4 % (0.2 to 0.9 %
    with fewer than ten people).
    """
    scores, weights, method = _stand_ins(evidence, classes)
    separation = _area(evidence.known, scores)
    own = _normal(evidence.known, np.ones(len(evidence.known)), 1)
    stated: float | None = rate
    if len(evidence.strangers) >= ENOUGH_STRANGERS:
        threshold = _from_strangers(own, scores, rate)
    else:
        other = _normal(scores, weights, classes)
        threshold = _midway(own, other)
        if classes >= ENOUGH_CLASSES:
            # Left out, a class meets one class fewer than a stranger will.
            quantile = _between(own, other, (1 - rate) ** ((classes - 1) / classes))
            threshold = quantile if classes >= SURE_CLASSES else max(quantile, threshold)
        else:
            stated = None
            method += f", too few for a rate of {100 * rate:.3g} %: midway between known and strangers"
    kept = float((evidence.right & (evidence.known >= threshold)).mean())
    least = float(evidence.right.mean()) * (MIN_KEPT_BY_GUESS if stated is None else MIN_KEPT)
    if separation < MIN_SEPARATION or kept < least:
        return UnknownThreshold(None, None, kept, separation, len(scores), f"none would do ({method})")
    return UnknownThreshold(threshold, stated, kept, separation, len(scores), method)


def set_from_logits(
    known: Doubles, right: npt.NDArray[np.bool_], strangers: Doubles, classes: int, rate: float
) -> UnknownThreshold:
    """Largest logits of the known (n,), with whether each was named `right`, and of strangers (m,) -> the threshold.

    Without vectors, no class can stand in for strangers: it takes enough photos of them. The largest logit as a measure
    of familiarity: Hendrycks et al. 2022, "Scaling out-of-distribution detection".
    """
    if len(strangers) < ENOUGH_STRANGERS:
        return _none(_NEEDS_STRANGERS, right, len(strangers))
    return set_from_few(Evidence(known, right, np.empty(0), np.empty(0, np.int64), strangers), classes, rate)


def set_from_few(evidence: Evidence, classes: int, rate: float) -> UnknownThreshold:
    """`set_threshold` where the known photos are a small part kept back, and may be too few."""
    if len(evidence.known) < MIN_KNOWN:
        return _none(_NEEDS_KNOWN, evidence.right, len(evidence.strangers))
    return set_threshold(evidence, classes, rate)


def _none(method: str, right: npt.NDArray[np.bool_], strangers: int) -> UnknownThreshold:
    return UnknownThreshold(None, None, float(right.mean()) if len(right) else 0.0, 0.5, strangers, method)


def describe_threshold(unknown: UnknownThreshold) -> str:
    """What the user should know about the threshold, in one sentence."""
    if unknown.method in (_NEEDS_STRANGERS, _NEEDS_KNOWN):
        return f"no face will be called unknown: that {unknown.method}"
    cost = f"{100 * unknown.kept:.1f} % of known photos keep their right name"
    if unknown.threshold is None:
        return (
            f"no face will be called unknown: strangers look too much like these classes "
            f"(separation {unknown.separation:.2f}, 0.5 is chance; with a threshold, only {cost})"
        )
    if unknown.rate is None:
        return f"the threshold for unknown is a guess ({unknown.method}); {cost}: add classes, or photos of strangers"
    return f"about {100 * unknown.rate:.3g} % of strangers will be taken for someone known ({unknown.method}); {cost}"


def _stand_ins(evidence: Evidence, classes: int) -> tuple[Doubles, Doubles, str]:
    given = evidence.strangers
    if len(given) >= ENOUGH_STRANGERS:
        return given, np.ones(len(given)), f"from {len(given)} photos of strangers in the data"
    # Each class weighs the same: a stranger is as likely to be like one as like another.
    weights = 1 / np.bincount(evidence.left_out_y, minlength=classes)[evidence.left_out_y]
    method = f"by leaving out each of {classes} classes in turn"
    if len(given):
        method += f", and from {len(given)} photos of strangers in the data"
    share = np.full(len(given), weights.mean())
    return np.concatenate([evidence.left_out, given]), np.concatenate([weights, share]), method


def _from_strangers(own: _Normal, scores: Doubles, rate: float) -> float:
    if len(scores) * rate >= _ENOUGH_BEYOND:
        return float(np.quantile(scores, 1 - rate))
    return _between(own, _normal(scores, np.ones(len(scores)), len(scores)), 1 - rate)


def _normal(scores: Doubles, weights: Doubles, sources: int) -> _Normal:
    mean = float(np.average(scores, weights=weights))
    n = len(scores)
    variance = float(np.average((scores - mean) ** 2, weights=weights)) * n / max(1, n - 1)
    return _Normal(mean, math.sqrt(variance), sources)


def _between(own: _Normal, other: _Normal, share: float) -> float:
    plain = other.mean + other.deviation * float(norm.ppf(share))
    new = math.sqrt(1 + 1 / other.sources) * float(t.ppf(share, max(1, other.sources - 1)))
    cautious = other.mean + other.deviation * new
    free = own.mean - own.deviation * float(norm.ppf(1 - _KNOWN_LOSS))
    return max(min(max(plain, free), cautious), own.mean - _REACH * own.deviation)


def _midway(own: _Normal, other: _Normal) -> float:
    total = own.deviation + other.deviation
    return (
        (other.mean + own.mean) / 2
        if total <= 0
        else ((other.mean * own.deviation + own.mean * other.deviation) / total)
    )


def _area(known: Doubles, strangers: Doubles) -> float:
    y = np.repeat([1, 0], [len(known), len(strangers)])
    return float(roc_auc_score(y, np.concatenate([known, strangers])))
