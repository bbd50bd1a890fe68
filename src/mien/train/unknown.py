"""Where familiarity ends and "unknown" begins; knows familiarities and classes, not how a head names them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata, t

from mien.errors import DataError
from mien.models.head import Doubles
from mien.types import UNKNOWN, Ints

ENOUGH_CLASSES = 5
"""With fewer classes, how strangers scatter cannot be told from those left out."""

SURE_CLASSES = 10
"""With fewer classes, their scatter is an estimate that is not relied upon alone."""

ENOUGH_STRANGERS = 20
"""From so many strangers in the data on, they alone set the threshold."""

LEAST_SEPARATION = 0.75
LEAST_KEPT = 0.7
LEAST_KEPT_BY_GUESS = 0.95
"""No threshold is set below this area under the ROC curve, or where fewer of the known would keep their right names.

Measured: people have a separation of 0.96 to 1 and, with 4 photos each, keep 96 % on average; six traits and seven
expressions have 0.5 to 0.63. Two traits may reach 0.99, and a threshold between them then loses 4 % and more.
"""

LEAST_KNOWN = 10
"""Of fewer known photos that were not learnt from, nothing can be said of how familiar the known are."""

_NEEDS_STRANGERS = f"needs {ENOUGH_STRANGERS} photos of others, labelled {UNKNOWN!r}"
_NEEDS_KNOWN = f"needs more photos of the known, {LEAST_KNOWN} of which are kept back for it"

_ENOUGH_BEYOND = 5  # strangers above the threshold, for a plain quantile to find it
_KNOWN_LOSS = 0.001
_REACH = 5.0


@dataclass(frozen=True, slots=True)
class Unknown:
    """The threshold and what to expect of it.

    threshold: familiarity below which a face is a stranger; None where none is set.
    rate: the share of strangers that it lets in; None where that could not be estimated.
    kept: the share of known photos that are named rightly all the same, out of fold; or would be, were one set.
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
    """Familiarities of the three sorts of photos that a threshold is set by.

    `known` ones out of fold, with whether each was named `right`; those whose own class was `left_out`, with their
    classes; and the data's own `strangers`.
    """

    known: Doubles
    right: npt.NDArray[np.bool_]
    left_out: Doubles
    left_out_y: Ints
    strangers: Doubles


@dataclass(frozen=True, slots=True)
class _Bell:
    mean: float
    deviation: float
    sources: int


def check_rate(rate: float) -> None:
    """Raise DataError unless this share of strangers may be let in."""
    if not 0 < rate < 0.5:
        raise DataError(f"the share of strangers to let in is {rate}: give one between 0 and 0.5")


def leave_classes_out(vectors: Doubles, y: Ints, centres: Doubles) -> Doubles:
    """Vectors (n, d) of length 1 -> how familiar each is to a head that was trained without its class (n,).

    The other centres do not depend on the class that is left out, so this is exact and needs no refit.
    """
    cosines = vectors @ centres.T
    cosines[np.arange(len(y)), y] = -np.inf
    return np.asarray(cosines.max(axis=1))


def set_threshold(evidence: Evidence, classes: int, rate: float) -> Unknown:
    """Familiarities of the known and of strangers -> the threshold that lets in `rate` of the strangers.

    Strangers' familiarity is the largest of many cosines and close to normally distributed, which a quantile of a few
    dozen photos is not fit to estimate: the threshold is a quantile of the normal distribution. How cautious it is with
    the few classes that stand for all strangers depends on what that costs: between the plain quantile and the one of
    Student's t for a new source of strangers, it lies where one in a thousand of the known would be lost. It is never
    more than five standard deviations below the known, where strangers would slip in for nobody's sake, nor, with fewer
    than ten classes, nearer to strangers than to the known, counted in standard deviations of each.

    Measured on Labeled Faces in the Wild with two embedders, 5 to 35 people drawn at random with 4 to 13 photos each:
    for a rate of 1 % it let in 0.1 to 1.2 % of all other people's photos on average; for 5 %, 2 to 4 % (0.2 to 0.9 %
    with fewer than ten people).
    """
    scores, weights, method = _stand_ins(evidence, classes)
    separation = _area(evidence.known, scores)
    own = _bell(evidence.known, np.ones(len(evidence.known)), 1)
    stated: float | None = rate
    if len(evidence.strangers) >= ENOUGH_STRANGERS:
        threshold = _from_strangers(own, scores, rate)
    else:
        other = _bell(scores, weights, classes)
        threshold = _midway(own, other)
        if classes >= ENOUGH_CLASSES:
            # Left out, a class meets one class fewer than a stranger will.
            quantile = _between(own, other, (1 - rate) ** ((classes - 1) / classes))
            threshold = quantile if classes >= SURE_CLASSES else max(quantile, threshold)
        else:
            stated = None
            method += f", too few for a rate of {100 * rate:.3g} %: midway between known and strangers"
    kept = float((evidence.right & (evidence.known >= threshold)).mean())
    least = float(evidence.right.mean()) * (LEAST_KEPT_BY_GUESS if stated is None else LEAST_KEPT)
    if separation < LEAST_SEPARATION or kept < least:
        return Unknown(None, None, kept, separation, len(scores), f"none would do ({method})")
    return Unknown(threshold, stated, kept, separation, len(scores), method)


def set_by_logits(
    known: Doubles, right: npt.NDArray[np.bool_], strangers: Doubles, classes: int, rate: float
) -> Unknown:
    """Largest logits of the known (n,), with whether each was named `right`, and of strangers (m,) -> the threshold.

    Where there is no likeness, no class stands in for strangers: there is none without enough of them. The largest
    logit as a measure of familiarity: Hendrycks et al. 2022, "Scaling out-of-distribution detection".
    """
    if len(strangers) < ENOUGH_STRANGERS:
        return _none(_NEEDS_STRANGERS, right, len(strangers))
    return set_by_few(Evidence(known, right, np.empty(0), np.empty(0, np.int64), strangers), classes, rate)


def set_by_few(evidence: Evidence, classes: int, rate: float) -> Unknown:
    """`set_threshold` where the known are those of a small part kept back, and may be too few to say anything."""
    if len(evidence.known) < LEAST_KNOWN:
        return _none(_NEEDS_KNOWN, evidence.right, len(evidence.strangers))
    return set_threshold(evidence, classes, rate)


def _none(method: str, right: npt.NDArray[np.bool_], strangers: int) -> Unknown:
    return Unknown(None, None, float(right.mean()) if len(right) else 0.0, 0.5, strangers, method)


def describe(unknown: Unknown) -> str:
    """What a person should know about the threshold, in one sentence."""
    if unknown.method in (_NEEDS_STRANGERS, _NEEDS_KNOWN):
        return f"no face will be called unknown: that {unknown.method}"
    cost = f"{100 * unknown.kept:.1f} % of known photos keep their right name"
    if unknown.threshold is None:
        return (
            f"no face will be called unknown: by likeness, strangers cannot be told well enough from these classes "
            f"(separation {unknown.separation:.2f}, 0.5 is chance; with a threshold, only {cost})"
        )
    if unknown.rate is None:
        return f"the threshold for unknown is a guess ({unknown.method}); {cost}: add classes or photos of strangers"
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


def _from_strangers(own: _Bell, scores: Doubles, rate: float) -> float:
    if len(scores) * rate >= _ENOUGH_BEYOND:
        return float(np.quantile(scores, 1 - rate))
    return _between(own, _bell(scores, np.ones(len(scores)), len(scores)), 1 - rate)


def _bell(scores: Doubles, weights: Doubles, sources: int) -> _Bell:
    mean = float(np.average(scores, weights=weights))
    n = len(scores)
    variance = float(np.average((scores - mean) ** 2, weights=weights)) * n / max(1, n - 1)
    return _Bell(mean, math.sqrt(variance), sources)


def _between(own: _Bell, other: _Bell, share: float) -> float:
    plain = other.mean + other.deviation * float(norm.ppf(share))
    new = math.sqrt(1 + 1 / other.sources) * float(t.ppf(share, max(1, other.sources - 1)))
    cautious = other.mean + other.deviation * new
    free = own.mean - own.deviation * float(norm.ppf(1 - _KNOWN_LOSS))
    return max(min(max(plain, free), cautious), own.mean - _REACH * own.deviation)


def _midway(own: _Bell, other: _Bell) -> float:
    total = own.deviation + other.deviation
    return (
        (other.mean + own.mean) / 2
        if total <= 0
        else ((other.mean * own.deviation + own.mean * other.deviation) / total)
    )


def _area(known: Doubles, strangers: Doubles) -> float:
    ranks = rankdata(np.concatenate([known, strangers]))
    m, n = len(known), len(strangers)
    return float((ranks[:m].sum() - m * (m + 1) / 2) / (m * n))
