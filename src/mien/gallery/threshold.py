"""From which likeness on a face is somebody's: set on the gallery itself; knows vectors, and no database.

Everybody in it plays the stranger for the others: what counts is how like each photo is to the nearest template of
another person. Taken for normally distributed, a quantile of it lets in the stated share of strangers. With few people
that is a guess, and so it is drawn towards what the embedder's own threshold says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mien.errors import DataError
from mien.gallery.search import Search
from mien.gallery.template import concentration, unit
from mien.types import Floats, Ints

RATE = 0.01
"""The share of strangers that may be taken for somebody, unless another is stated."""

MOST_PEOPLE = 1000
"""So many people play the stranger; more tell no more."""

_PRIOR_PEOPLE = 20  # the embedder's threshold weighs as much as so many people
_CROWD = -0.04  # the distance at a rate falls with this power of the number of people
_STATED_RATE = 0.01  # what an embedder's threshold for two photos lets in at most


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which cosine on a face is somebody's, the share of strangers that it lets in, and from how many people."""

    cosine: float
    rate: float
    people: int

    @property
    def distance(self) -> float:
        """The same as a distance of vectors of length 1."""
        return distance(self.cosine)


def distance(cosine: float) -> float:
    """The cosine of two vectors of length 1 -> their distance."""
    return math.sqrt(max(0.0, 2 - 2 * cosine))


def check_rate(rate: float) -> None:
    """Raise DataError unless this share of strangers may be let in."""
    if not 0 < rate < 0.5:
        raise DataError(f"the share of strangers to let in is {rate}: give one between 0 and 0.5")


def drawn(ids: Ints) -> Ints:
    """The people who play the stranger: all of them, or some, the same ones as long as they are there."""
    if len(ids) <= MOST_PEOPLE:
        return ids
    keys = (ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(16)  # Fibonacci hashing, Knuth 6.4
    return np.asarray(ids[np.argsort(keys, kind="stable")[:MOST_PEOPLE]])


def calibrate(owners: Ints, vectors: Floats, search: Search, own: float, rate: float) -> Threshold:
    """Photos (n, d) of the people who play the stranger, whose each is (n,), and everybody's templates -> threshold.

    own: the largest distance of two photos of one person, as the embedder states it. Measured on Labeled Faces in the
    Wild, 1 to 100 people drawn at random, 1 to 5 photos each: for a rate of 1 %, 0.4 to 1.6 % of all other people's
    photos were let in on average.
    """
    check_rate(rate)
    people = np.unique(owners)
    prior = _prior(own, len(search), float(np.mean([concentration(vectors[owners == i]) for i in people])), rate)
    if len(people) < 2:
        return Threshold(prior, rate, len(people))
    found = _by_others(owners, vectors, search, rate)
    weight = len(people) - 1
    cosine = (weight * found + _PRIOR_PEOPLE * prior) / (weight + _PRIOR_PEOPLE)
    return Threshold(min(cosine, 1.0), rate, len(people))


def _prior(own: float, people: int, agreement: float, rate: float) -> float:
    """The embedder's threshold for two photos -> the cosine for so many templates.

    The more templates there are, the nearer lies the nearest to a stranger: on a stranger of LFW, distances at 1 % fall
    from 0.43 for one person to 0.37 for 20 and 0.33 for 300. And a template, being a mean, is nearer to everybody than
    a photo is, the more so the less its photos agree.
    """
    crowd = max(1.0, people * _STATED_RATE / rate)
    nearest = own * math.pow(crowd, _CROWD)
    return min(1.0, (1 - nearest**2 / 2) / math.sqrt(agreement))


def _by_others(owners: Ints, vectors: Floats, search: Search, rate: float) -> float:
    """A quantile of how like the photos are to the nearest template of somebody else."""
    cosines, ids = search.nearest(unit(vectors), 2)
    others = np.where(ids[:, 0] == owners, cosines[:, 1], cosines[:, 0]).astype(np.float64)
    people, place, counts = np.unique(owners, return_inverse=True, return_counts=True)
    weights = 1 / counts[place]  # everybody weighs the same, however many photos there are
    n = len(people)
    mean = float(np.average(others, weights=weights))
    variance = float(np.average((others - mean) ** 2, weights=weights)) * n / (n - 1)
    # Left out, somebody meets one person fewer than a stranger will.
    share = (1 - rate) ** ((len(search) - 1) / len(search))
    return mean + math.sqrt(variance) * NormalDist().inv_cdf(share)
