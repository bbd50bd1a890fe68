"""From which likeness on a face is somebody's: set on the gallery itself; knows vectors, and no database.

Everybody in it plays the stranger for the others: what counts is how like each photo is to the nearest template of
another person. Taken for normally distributed, a quantile of it lets in the stated share of strangers. With few people
that is a guess, and so it is drawn towards what the embedder's own threshold says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mien.errors import DataError
from mien.gallery.search import NOBODY, Search
from mien.gallery.template import concentration, template, unit
from mien.types import Floats, Ints

Doubles: TypeAlias = npt.NDArray[np.float64]

RATE = 0.01
"""The share of strangers that may be taken for somebody, unless another is stated."""

MOST_PEOPLE = 1000
"""So many people play the stranger; more tell no more."""

_PRIOR_PEOPLE = 20  # the embedder's threshold weighs as much as so many people
_CROWD = -0.04  # the distance at a rate falls with this power of the number of people
_LOOKED_AT = 4  # the nearest templates, of which one or two may be the same person
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

    own: the largest distance of two photos of one person, as the embedder states it. Left out, somebody meets one
    person fewer than a stranger will. Measured on Labeled Faces in the Wild, 1 to 300 people drawn at random, 1 to 5
    photos each: for a rate of 1 %, 0.5 to 1.7 % of all other people's photos were let in on average.
    """
    check_rate(rate)
    people = np.unique(owners)
    prior = _prior(own, len(search), float(np.mean([concentration(vectors[owners == i]) for i in people])), rate)
    others, weights = _others(owners, vectors, search, (1 + prior) / 2)
    if len(people) < 2 or len(others) < 2:
        return Threshold(prior, rate, len(people))
    found = _quantile(others, weights, len(people), (1 - rate) ** ((len(search) - 1) / len(search)))
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


def _others(owners: Ints, vectors: Floats, search: Search, one: float) -> tuple[Doubles, Doubles]:
    """How like the photos are to the nearest template of somebody else, and what each photo weighs.

    Templates with a cosine of `one` or more are taken for one person under two names, who is no stranger to
    themselves: left in, a few such would make everybody unknown.
    """
    people = np.unique(owners)
    twins = _near(search, people, np.stack([template(vectors[owners == i]) for i in people]), one)
    cosines, ids = search.nearest(unit(vectors), _LOOKED_AT)
    likeness, whose = [], []
    for owner, row, some in zip(owners.tolist(), ids.tolist(), cosines.tolist(), strict=True):
        strangers = [c for i, c in zip(row, some, strict=True) if i not in twins[owner] and i != NOBODY]
        if strangers:
            likeness.append(strangers[0])
            whose.append(owner)
    # Everybody weighs the same, however many photos there are.
    _, place, counts = np.unique(whose, return_inverse=True, return_counts=True)
    return np.array(likeness), 1 / counts[place] if whose else np.empty(0)


def _near(search: Search, people: Ints, templates: Floats, one: float) -> dict[int, set[int]]:
    """For each of these people, whom to take for them: themselves, and whoever is as near as `one`."""
    cosines, ids = search.nearest(templates, _LOOKED_AT)
    return {
        int(i): {int(i), *row[likeness >= one].tolist()} for i, row, likeness in zip(people, ids, cosines, strict=True)
    }


def _quantile(values: Doubles, weights: Doubles, people: int, share: float) -> float:
    """A quantile of the normal distribution that fits these values."""
    mean = float(np.average(values, weights=weights))
    variance = float(np.average((values - mean) ** 2, weights=weights)) * people / (people - 1)
    return mean + math.sqrt(variance) * NormalDist().inv_cdf(share)
