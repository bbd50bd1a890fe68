"""How near faces lie to the folders of people, and what a distance is worth as evidence; knows vectors only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from mien.types import Floats, Ints

Bools = npt.NDArray[np.bool_]

KNOWN_LIMIT, KNOWN_SLOPE = 0.41, 80.0
"""The distance below which two faces are more likely one person's, and the log-odds that a unit of distance is worth.

Of dlib's network at unit length, on pairs of Labeled Faces in the Wild: the limit is the one that verifying uses; pairs
of one person lie 0.30 apart and pairs of two 0.56, both with a deviation of about 0.057, and for two normal
distributions of one variance the log-odds are linear with the slope (0.56 - 0.30) / 0.057^2.
"""

_KNOWN_SPREAD = 0.057
_KNOWN_COSINE = 0.955  # of two photos of one person, 0.30 apart
_ENOUGH = 50  # photos that have others of their folder beside them, so that the spread is known to a tenth
_SAMPLE = 512
_BLOCK = 1024
_NOTHING = np.float32(-np.inf)


@dataclass(frozen=True, slots=True)
class Scale:
    """What distances mean in a data set.

    limit: where both answers are equally likely. slope: log-odds a unit of distance, against a folder of very many
    photos. cosine: of two photos of one person, typically.
    """

    limit: float = KNOWN_LIMIT
    slope: float = 2 * KNOWN_SLOPE
    cosine: float = _KNOWN_COSINE

    def length(self, n: Floats) -> Floats:
        """How long the mean of n unit vectors of one person is."""
        return np.asarray(np.sqrt((1 + (n - 1) * self.cosine) / np.maximum(n, 1)), np.float32)

    def evidence(self, distance: Floats, photos: Floats) -> Floats:
        """Distances to means of so many photos -> log-odds for one person; 0 where a mean is of no photo.

        What a mean of n photos adds to the spread of a distance falls with n: the variance is 1 + 1/n of a photo's.
        """
        return np.asarray((self.limit - distance) * self.slope * photos / (photos + 1), np.float32)


KNOWN = Scale()


@dataclass(frozen=True, slots=True, eq=False)
class Folders:
    """The sums (k, d) of the unit vectors that each of k folders goes by, and how many those are (k,)."""

    sums: Floats
    photos: Floats

    @classmethod
    def of(cls, vectors: Floats, folder: Ints, k: int, trusted: Bools) -> Folders:
        """Unit vectors (n, d), their folders (n,), and which of them the folders shall go by (n,)."""
        rows = np.flatnonzero(trusted)
        members = csr_matrix((np.ones(len(rows), np.float32), (folder[rows], rows)), shape=(k, len(vectors)))
        return cls(np.asarray(members @ vectors, np.float32), np.bincount(folder[rows], minlength=k).astype(np.float32))

    def means(self, scale: Scale) -> Floats:
        """The mean direction of each, at the length at which a product with it is worth one with a single photo."""
        lengths = np.linalg.norm(self.sums, axis=1)
        return np.asarray(self.sums * (scale.length(self.photos) / np.maximum(lengths, 1e-6))[:, None], np.float32)


def to_distance(cosine: Floats) -> Floats:
    """Cosines -> Euclidean distances of vectors of unit length."""
    return np.asarray(np.sqrt(np.maximum(2 - 2 * cosine, 0)), np.float32)


def own_distances(
    vectors: Floats, folder: Ints, folders: Folders, inside: Bools, scale: Scale
) -> tuple[Floats, Floats]:
    """Vectors (n, d) -> how far each lies from its folder's other photos (n,), and how many those are (n,).

    inside: whether the folder's sum holds the vector itself, which is then taken out.
    """
    photos = folders.photos[folder] - inside
    sums = folders.sums[folder] - np.where(inside[:, None], vectors, 0)
    lengths = np.maximum(np.linalg.norm(sums, axis=1), 1e-6)
    cosines = np.einsum("nd,nd->n", vectors, sums) / lengths * scale.length(photos)
    return to_distance(np.asarray(cosines, np.float32)), np.asarray(photos, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """For each photo the folder of somebody else that speaks loudest for it: which (n,), how far, what that is worth.

    folder is -1, and evidence minus infinity, where there is no other.
    """

    folder: Ints
    distance: Floats
    evidence: Floats


def nearest_others(vectors: Floats, person: Ints, folders: Folders, persons: Ints, scale: Scale) -> Nearest:
    """Vectors (n, d) and whose they are said to be (n,) -> the nearest folder that is not of that person.

    persons (k,) says whose each folder is. Works on blocks of rows, so that not all distances are held at once.
    """
    means, n = folders.means(scale), len(vectors)
    found = Nearest(np.full(n, -1), np.full(n, np.inf, np.float32), np.full(n, _NOTHING))
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        distance = to_distance(vectors[rows] @ means.T)
        evidence = scale.evidence(distance, folders.photos[None, :])
        evidence[(person[rows, None] == persons[None, :]) | (folders.photos == 0)[None, :]] = _NOTHING
        best = evidence.argmax(axis=1)
        at = np.arange(len(best))
        found.evidence[rows], found.distance[rows] = evidence[at, best], distance[at, best]
        found.folder[rows] = np.where(np.isfinite(evidence[at, best]), best, -1)
    return found


def same_person(folders: Folders, scale: Scale, least: float) -> list[tuple[int, int, float, float]]:
    """Pairs of folders that are likely one person's: both numbers, the distance, and the evidence, above `least`."""
    means, found = folders.means(scale), []
    with np.errstate(divide="ignore"):
        spread = np.where(folders.photos > 0, 1 / folders.photos, np.inf).astype(np.float32)
    for start in range(0, len(means), _BLOCK):
        block = slice(start, start + _BLOCK)
        distance = to_distance(means[block] @ means.T)
        # As for a photo and a mean, with the variance of both means; several years of a person do not average out.
        worth = np.minimum(1 / (spread[block, None] + spread[None, :]), 1)
        evidence = (scale.limit - distance) * scale.slope * worth
        for i, j in zip(*np.nonzero(evidence > least), strict=True):
            if start + i < j:
                found.append((start + int(i), int(j), float(distance[i, j]), float(evidence[i, j])))
    return found


def measure(vectors: Floats, folder: Ints, k: int, trusted: Bools, seed: int = 0) -> Scale:
    """Unit vectors and their folders -> what distances mean here; `KNOWN` where there are too few photos to tell.

    Medians and their deviations, so that a tenth of wrong photos moves them little: the limit is halfway between the
    median distance to the own folder and to somebody else's; the slope is that of two normal distributions of one
    variance. The spread is never taken for less than half of what is known, for a studio's photos of a few people
    would otherwise condemn the first holiday photo.
    """
    folders = Folders.of(vectors, folder, k, trusted)
    several = trusted & (folders.photos[folder] >= 2)
    if several.sum() < _ENOUGH or (folders.photos >= 2).sum() < 3:
        return KNOWN
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(np.flatnonzero(several))[: 4 * _SAMPLE])
    some = np.sort(rng.permutation(np.flatnonzero(folders.photos >= 2))[:_SAMPLE])
    scale = Scale(cosine=_typical_cosine(vectors, folder, folders, rows))
    own, _ = own_distances(vectors[rows], folder[rows], folders, np.ones(len(rows), bool), scale)
    others = to_distance(vectors[rows] @ folders.means(scale)[some].T)[folder[rows, None] != some[None, :]]
    middle, far = float(np.median(own)), float(np.median(others))
    spread = max(deviation(own), deviation(others), _KNOWN_SPREAD / 2)
    if far <= middle + spread:
        return KNOWN
    n = folders.photos[folder[rows]] - 1
    weight = float(np.median(n / (n + 1)))
    return Scale((middle + far) / 2, (far - middle) / spread**2 / weight, scale.cosine)


def _typical_cosine(vectors: Floats, folder: Ints, folders: Folders, rows: Ints) -> float:
    """The median over photos of the mean cosine with the others of the folder."""
    own = vectors[rows]
    sums, n = folders.sums[folder[rows]], folders.photos[folder[rows]]
    return float(np.median((np.einsum("nd,nd->n", own, sums) - 1) / (n - 1)))


def deviation(values: Floats) -> float:
    """The standard deviation of a normal distribution with these values' median absolute deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
