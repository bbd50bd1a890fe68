"""Labels doubted by models that have not seen them: vectors and classes in, probabilities out; knows no photo."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn stands on it

from mien.types import Floats, Ints

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_FOLDS = 5
_DEALS = 3
"""Each photo is judged by so many models, none of which has seen it: the luck of one deal is averaged away."""

# A third of the covariance is a diagonal one: between 0.1 and 0.6 the answers hardly change, on expressions and masks.
_SHRINKAGE = 0.3

# A label is expected to be wrong in one of twenty cases, as if that had been seen in so many photos of one class.
_EXPECTED, _WEIGHT = 0.05, 100
_SURENESS = 2.0  # and the logarithm of the temperature within so much of 0


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """What is thought of n labels, by the kind of vectors that tells them apart best.

    kind: its name; accuracy: how many labels it agrees with. rate: the share of wrong labels that explains the answers
    best. wrong: (n,), the probability that a label is wrong; truth: (n, k), that each class is the right one.
    """

    kind: str
    accuracy: float
    rate: float
    wrong: Doubles
    truth: Doubles


def doubt(vectors: Mapping[str, Floats], y: Ints, units: Ints, seed: int = 0) -> Doubts:
    """Kinds of vectors (n, d) by name, classes (n,) from 0 on and what stays together (n,) -> how likely each is wrong.

    Confident learning (Northcutt et al. 2021, "Confident learning: estimating uncertainty in dataset labels") on
    out-of-fold probabilities, with three additions: the probabilities are means over several deals; the share of wrong
    labels and the temperature are fitted together, so that what comes out is a probability; and the models that judge
    in the end have not learnt from labels that were found to be wrong.
    """
    # Small matrices, many times: threads would wait for each other longer than they work, and for other programs more.
    with threadpool_limits(1):
        return _doubt(vectors, y, units, seed)


def _doubt(vectors: Mapping[str, Floats], y: Ints, units: Ints, seed: int) -> Doubts:
    fold = deal(y, units, seed)
    first = {name: out_of_fold(each, y, fold, np.ones(len(y), bool)) for name, each in vectors.items()}
    kind = max(first, key=lambda name: float((first[name].argmax(axis=1) == y).mean()))
    _, wrong, _ = _judged(first[kind], y)
    deals = [out_of_fold(vectors[kind], y, deal(y, units, seed + i), wrong < 0.5) for i in range(_DEALS)]
    mean = np.mean(deals, axis=0)
    rate, wrong, truth = _judged(mean, y)
    return Doubts(kind, float((mean.argmax(axis=1) == y).mean()), rate, wrong, truth)


def deal(y: Ints, units: Ints, seed: int) -> Ints:
    """Classes (n,) and what stays together (n,) -> a fold for each row (n,); classes are spread evenly.

    The largest units come first, and each goes where its classes are thinnest.
    """
    k, number = int(y.max()) + 1, int(units.max()) + 1
    counts = np.zeros((number, k))
    np.add.at(counts, (units, y), 1)
    order = np.random.default_rng(seed).permutation(number)
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    load, fold = np.zeros((_FOLDS, k)), np.zeros(number, np.int64)
    shares = counts / counts.sum(axis=0)
    for i in order:
        fold[i] = int(np.argmin(load @ shares[i] + 1e-9 * load.sum(axis=1)))
        load[fold[i]] += shares[i]
    return fold[units]


def out_of_fold(vectors: Floats, y: Ints, fold: Ints, learnt: Bools) -> Doubles:
    """Probabilities (n, k) by models that have seen no row of its fold, nor any that shall not be learnt from."""
    k = int(y.max()) + 1
    made = np.full((len(y), k), 1 / k)
    for number in np.unique(fold):
        here, rest = fold == number, (fold != number) & learnt
        if len(seen := np.unique(y[rest])) < 2:
            continue
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=_SHRINKAGE).fit(vectors[rest], y[rest])
        made[np.ix_(here, seen)] = model.predict_proba(vectors[here])
        made[np.ix_(here, np.setdiff1d(np.arange(k), seen))] = 0
    return made


def _judged(probabilities: Doubles, y: Ints) -> tuple[float, Doubles, Doubles]:
    """Out-of-fold probabilities (n, k) and labels -> the share of wrong ones, how likely each is wrong, and the truth.

    A label is seen as given with 1 - rate times the probability of its class, and by mistake with rate times that of
    the others, shared evenly. Temperature (Guo et al. 2017) and rate are those that make the labels likeliest, and a
    class whose labels are hard to agree with is doubted less: its odds are divided by its mean probability among its
    own, as confident learning does.
    """
    n, k = probabilities.shape
    at = np.arange(n)
    logs = np.log(np.maximum(probabilities, 1e-30))

    def tempered(temperature: float) -> Doubles:
        scaled = logs / temperature
        scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))

    def loss(values: Sequence[float]) -> float:
        rate = 0.5 / (1 + math.exp(-values[1]))
        given = tempered(math.exp(values[0]))[at, y]
        seen = (1 - rate) * given + rate * (1 - given) / (k - 1)
        prior = _WEIGHT * (_EXPECTED * math.log(rate) + (1 - _EXPECTED) * math.log(1 - rate))
        prior -= _WEIGHT * (values[0] / _SURENESS) ** 2 / 2
        return float(-(np.log(seen).sum() + prior) / n)

    start = [[0.0, -2.0], [0.7, -2.0], [0.0, -3.0]]
    options = {"initial_simplex": start, "xatol": 1e-3, "fatol": 1e-6, "maxiter": 200}
    found = minimize(loss, start[0], method="Nelder-Mead", options=options)
    temperature, rate = math.exp(float(np.clip(found.x[0], -3, 3))), 0.5 / (1 + math.exp(-float(found.x[1])))
    truth = tempered(temperature)
    given = np.clip(truth[at, y], 1e-12, 1 - 1e-12)
    typical = np.bincount(y, given, minlength=k) / np.maximum(np.bincount(y, minlength=k), 1)
    odds = rate / (1 - rate) / (k - 1) * (1 - given) / given * (typical / typical.mean())[y]
    return rate, odds / (1 + odds), truth
