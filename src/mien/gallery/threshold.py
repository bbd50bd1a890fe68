"""The similarity threshold for identification, calibrated on the gallery itself.

Everybody in it is an impostor for the others: the similarities of their photos to the nearest template of another
person are taken as normally distributed, and a quantile of that gives the stated rate of false accepts. With few people
this is uncertain, so the threshold is shrunk towards the one that the embedder states.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mien.errors import DataError
from mien.gallery.search import NOBODY, Search, concentration, template, unit
from mien.types import Floats, Ints

Doubles: TypeAlias = npt.NDArray[np.float64]

RATE = 0.01
"""The default share of strangers that may be taken for somebody."""

MAX_PEOPLE = 1000
"""So many people serve as impostors; more would not improve the threshold."""

_PRIOR_PEOPLE = 20  # the embedder's threshold has the weight of so many people
_SIZE_EXPONENT = -0.04  # the distance at a rate falls with this power of the number of people
_NEAREST = 4  # templates to look at, of which one or two may be the same person
_STATED_RATE = 0.01  # of false accepts, at most, at an embedder's threshold for two photos


@dataclass(frozen=True, slots=True)
class Threshold:
    """The smallest cosine for a match, the rate of false accepts it stands for, and the number of people behind it."""

    cosine: float
    rate: float
    people: int

    @property
    def distance(self) -> float:
        """The same as a distance of vectors of length 1."""
        return cosine_to_distance(self.cosine)


def cosine_to_distance(cosine: float) -> float:
    """The cosine of two vectors of length 1 -> their distance."""
    return math.sqrt(max(0.0, 2 - 2 * cosine))


def check_rate(rate: float) -> None:
    """Raise DataError unless the rate of false accepts is between 0 and 0.5."""
    if not 0 < rate < 0.5:
        raise DataError(f"the false accept rate is {rate}: use one between 0 and 0.5")


def sample_people(ids: Ints) -> Ints:
    """The people who serve as impostors: all, or a sample that changes only as they are added and removed."""
    if len(ids) <= MAX_PEOPLE:
        return ids
    keys = (ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(16)  # Fibonacci hashing, Knuth 6.4
    return np.asarray(ids[np.argsort(keys, kind="stable")[:MAX_PEOPLE]])


def calibrate(owners: Ints, vectors: Floats, search: Search, own: float, rate: float) -> Threshold:
    """Vectors (n, d) of the impostors' photos, their owners (n,), and everybody's templates -> threshold.

    own: the largest distance of two photos of one person, as the embedder states it. An impostor from the gallery meets
    one template fewer than a stranger does, which the quantile allows for. Measured on Labeled Faces in the Wild, with
    1 to 300 random people of 1 to 5 photos each: at a rate of 1 %, 0.5 to 1.7 % of other people's photos are accepted.
    """
    check_rate(rate)
    people = np.unique(owners)
    prior = _prior(own, len(search), float(np.mean([concentration(vectors[owners == i]) for i in people])), rate)
    impostors, weights = _impostors(owners, vectors, search, (1 + prior) / 2)
    if len(people) < 2 or len(impostors) < 2:
        return Threshold(prior, rate, len(people))
    measured = _quantile(impostors, weights, len(people), (1 - rate) ** ((len(search) - 1) / len(search)))
    weight = len(people) - 1
    cosine = (weight * measured + _PRIOR_PEOPLE * prior) / (weight + _PRIOR_PEOPLE)
    return Threshold(min(cosine, 1.0), rate, len(people))


def _prior(own: float, people: int, agreement: float, rate: float) -> float:
    """The embedder's threshold for two photos -> the cosine for so many templates.

    The more templates there are, the nearer is the nearest to a stranger: on LFW, distances at 1 % fall from 0.43 for
    one person to 0.37 for 20 and 0.33 for 300. And a template, being a mean, is nearer to everybody than a photo is,
    the more so the less its photos agree.
    """
    relative_size = max(1.0, people * _STATED_RATE / rate)
    nearest = own * math.pow(relative_size, _SIZE_EXPONENT)
    return min(1.0, (1 - nearest**2 / 2) / math.sqrt(agreement))


def _impostors(owners: Ints, vectors: Floats, search: Search, duplicate: float) -> tuple[Doubles, Doubles]:
    """The similarity of each photo to the nearest template of somebody else, and the weight of each photo.

    Templates with a cosine of `duplicate` or more are taken as one person under two names: counted as impostors, a few
    of them would make everybody unknown.
    """
    people = np.unique(owners)
    cosines, ids = search.nearest(np.stack([template(vectors[owners == i]) for i in people]), _NEAREST)
    same = {int(i): {int(i), *row[c >= duplicate].tolist()} for i, row, c in zip(people, ids, cosines, strict=True)}
    cosines, ids = search.nearest(unit(vectors), _NEAREST)
    similarities, whose = [], []
    for owner, row, values in zip(owners.tolist(), ids.tolist(), cosines.tolist(), strict=True):
        strangers = [c for i, c in zip(row, values, strict=True) if i not in same[owner] and i != NOBODY]
        if strangers:
            similarities.append(strangers[0])
            whose.append(owner)
    # Everybody has the same weight, whatever the number of photos.
    _, place, counts = np.unique(whose, return_inverse=True, return_counts=True)
    return np.array(similarities), 1 / counts[place] if whose else np.empty(0)


def _quantile(values: Doubles, weights: Doubles, people: int, share: float) -> float:
    """A quantile of the normal distribution that fits these values."""
    mean = float(np.average(values, weights=weights))
    variance = float(np.average((values - mean) ** 2, weights=weights)) * people / (people - 1)
    return mean + math.sqrt(variance) * NormalDist().inv_cdf(share)
