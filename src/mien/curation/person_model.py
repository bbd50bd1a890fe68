"""Whether each photo shows the person of its folder, from the distances between faces: a probabilistic model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from mien.types import Floats, Ints

Bools: TypeAlias = npt.NDArray[np.bool_]

KNOWN_LIMIT, KNOWN_SLOPE = 0.41, 80.0
"""The distance below which two faces are more likely one person's, and the log-odds that a unit of distance is worth.

Of dlib's network at unit length, on pairs of Labeled Faces in the Wild: the limit is that of `mien verify`; pairs
of one person lie 0.30 apart and pairs of two 0.56, both with a deviation of about 0.057, and for two normal
distributions of one variance the log-odds are linear with the slope (0.56 - 0.30) / 0.057^2.
"""

_KNOWN_SPREAD = 0.057
_KNOWN_COSINE = 0.955  # of two photos of one person, 0.30 apart
_MIN_PHOTOS = 50  # photos that have others of their folder beside them, so that the spread is known to a tenth
_SAMPLE = 512
_BLOCK = 1024
_NO_EVIDENCE = np.float32(-np.inf)


@dataclass(frozen=True, slots=True)
class DistanceScale:
    """What distances mean in a data set.

    limit: where both answers are equally likely. slope: log-odds per unit of distance, against a folder of very many
    photos. cosine: the typical one of two photos of one person.
    """

    limit: float = KNOWN_LIMIT
    slope: float = 2 * KNOWN_SLOPE
    cosine: float = _KNOWN_COSINE

    def length(self, n: Floats) -> Floats:
        """The length of the mean of n unit vectors of one person."""
        return np.asarray(np.sqrt((1 + (n - 1) * self.cosine) / np.maximum(n, 1)), np.float32)

    def evidence(self, distance: Floats, photos: Floats) -> Floats:
        """Distances to means of so many photos -> log-odds that it is the same person; 0 for a mean of no photos.

        What a mean of n photos adds to the spread of a distance falls with n: the variance is 1 + 1/n of a photo's.
        """
        return np.asarray((self.limit - distance) * self.slope * photos / (photos + 1), np.float32)


KNOWN = DistanceScale()


@dataclass(frozen=True, slots=True, eq=False)
class FolderSums:
    """For each of k folders the sum (k, d) of the unit vectors that represent it, and their number (k,)."""

    sums: Floats
    photos: Floats

    @classmethod
    def of(cls, vectors: Floats, folder: Ints, k: int, trusted: Bools) -> FolderSums:
        """Unit vectors (n, d), their folders (n,), and which of them represent the folders (n,)."""
        rows = np.flatnonzero(trusted)
        members = csr_matrix((np.ones(len(rows), np.float32), (folder[rows], rows)), shape=(k, len(vectors)))
        return cls(np.asarray(members @ vectors, np.float32), np.bincount(folder[rows], minlength=k).astype(np.float32))

    def means(self, scale: DistanceScale) -> Floats:
        """The mean directions, at a length at which a product with one is worth a product with a single photo."""
        lengths = np.linalg.norm(self.sums, axis=1)
        return np.asarray(self.sums * (scale.length(self.photos) / np.maximum(lengths, 1e-6))[:, None], np.float32)


def to_distance(cosine: Floats) -> Floats:
    """Cosines -> Euclidean distances of vectors of unit length."""
    return np.asarray(np.sqrt(np.maximum(2 - 2 * cosine, 0)), np.float32)


def own_distances(
    vectors: Floats, folder: Ints, folders: FolderSums, members: Floats, inside: Bools, scale: DistanceScale
) -> tuple[Floats, Floats]:
    """Vectors (n, d) -> how far each lies from its folder's other photos (n,), and how many those are (n,).

    inside: whether the folder's sum holds the photo itself, by its row of `members` (n, d), which is then taken out.
    """
    photos = folders.photos[folder] - inside
    sums = folders.sums[folder] - np.where(inside[:, None], members, 0)
    lengths = np.maximum(np.linalg.norm(sums, axis=1), 1e-6)
    cosines = np.einsum("nd,nd->n", vectors, sums) / lengths * scale.length(photos)
    return to_distance(np.asarray(cosines, np.float32)), np.asarray(photos, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class NearestFolder:
    """For each photo the most likely folder of somebody else: its number (n,), its distance, and the evidence for it.

    folder is -1, and evidence minus infinity, where there is no other.
    """

    folder: Ints
    distance: Floats
    evidence: Floats


def nearest_others(
    vectors: Floats, person: Ints, folders: FolderSums, persons: Ints, scale: DistanceScale
) -> NearestFolder:
    """Vectors (n, d) and the person that each is labelled with (n,) -> the nearest folder of another person.

    persons (k,): the person of each folder. Works on blocks of rows, so that not all distances are held at once.
    """
    means, n = folders.means(scale), len(vectors)
    nearest = NearestFolder(np.full(n, -1), np.full(n, np.inf, np.float32), np.full(n, _NO_EVIDENCE))
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        distance = to_distance(vectors[rows] @ means.T)
        evidence = scale.evidence(distance, folders.photos[None, :])
        evidence[(person[rows, None] == persons[None, :]) | (folders.photos == 0)[None, :]] = _NO_EVIDENCE
        best = evidence.argmax(axis=1)
        at = np.arange(len(best))
        nearest.evidence[rows], nearest.distance[rows] = evidence[at, best], distance[at, best]
        nearest.folder[rows] = np.where(np.isfinite(evidence[at, best]), best, -1)
    return nearest


def folders_of_one_person(
    folders: FolderSums, scale: DistanceScale, min_evidence: float
) -> list[tuple[int, int, float, float]]:
    """Pairs of folders that are likely one person's: both numbers, the distance, and the evidence (log-odds)."""
    means, pairs = folders.means(scale), []
    with np.errstate(divide="ignore"):
        spread = np.where(folders.photos > 0, 1 / folders.photos, np.inf).astype(np.float32)
    for start in range(0, len(means), _BLOCK):
        block = slice(start, start + _BLOCK)
        distance = to_distance(means[block] @ means.T)
        # As for a photo and a mean, with the variance of both means; several years of a person do not average out.
        worth = np.minimum(1 / (spread[block, None] + spread[None, :]), 1)
        evidence = (scale.limit - distance) * scale.slope * worth
        for i, j in zip(*np.nonzero(evidence > min_evidence), strict=True):
            if start + i < j:
                pairs.append((start + int(i), int(j), float(distance[i, j]), float(evidence[i, j])))
    return pairs


def fit_scale(vectors: Floats, folder: Ints, k: int, trusted: Bools, seed: int = 0) -> DistanceScale:
    """Unit vectors and their folders -> what distances mean here; `KNOWN` where there are too few photos to tell.

    Medians and their deviations, which a tenth of wrong photos moves little: the limit is halfway between the median
    distance to the own folder and to somebody else's; the slope is that of two normal distributions of one variance.
    The spread is never taken for less than half of the known one: a studio's photos of a few people would otherwise
    condemn the first holiday photo.
    """
    folders = FolderSums.of(vectors, folder, k, trusted)
    several = trusted & (folders.photos[folder] >= 2)
    if several.sum() < _MIN_PHOTOS or (folders.photos >= 2).sum() < 3:
        return KNOWN
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(np.flatnonzero(several))[: 4 * _SAMPLE])
    sample = np.sort(rng.permutation(np.flatnonzero(folders.photos >= 2))[:_SAMPLE])
    n = folders.photos[folder[rows]] - 1
    cosines = (np.einsum("nd,nd->n", vectors[rows], folders.sums[folder[rows]]) - 1) / n  # with the others, on average
    scale = DistanceScale(cosine=float(np.median(cosines)))
    own, _ = own_distances(vectors[rows], folder[rows], folders, vectors[rows], trusted[rows], scale)
    others = to_distance(vectors[rows] @ folders.means(scale)[sample].T)[folder[rows, None] != sample[None, :]]
    middle, far = float(np.median(own)), float(np.median(others))
    spread = max(deviation(own), deviation(others), _KNOWN_SPREAD / 2)
    if far <= middle + spread:
        return KNOWN
    weight = float(np.median(n / (n + 1)))
    return DistanceScale((middle + far) / 2, (far - middle) / spread**2 / weight, scale.cosine)


def deviation(values: Floats) -> float:
    """The standard deviation of a normal distribution with these values' median absolute deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


# The judgement of each photo.

# Prior probabilities: one photo in twenty is in somebody else's folder, one in a hundred shows a stranger, and one
# folder in twenty belongs to somebody who has another one. They only matter where the vectors leave room for doubt, and
# there they favour the label.
_P_MISFILED, _P_STRANGER, _P_DOUBLE = 0.05, 0.01, 0.05

# This share of a person's photos is unlike all the others: a hand before the mouth, a costume, forty years.
_P_ODD = 0.003

_ROUNDS = 3
"""How often wrong photos are taken out and the folders judged again."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """How well each of n photos fits its own folder, and the nearest one of somebody else.

    own: the distance to the folder's other photos; photos: how many of them there are. stays, strange: the
    probabilities that it is in the right folder, and that no folder is right; the rest is that of the nearest other.
    face: the number of the face that fits the own folder best, and sure: the probability that this is the one meant.
    same: pairs of folders that are one person's, with distance and probability.
    """

    own: Floats
    photos: Floats
    other: NearestFolder
    stays: Floats
    strange: Floats
    face: Ints
    sure: Floats
    same: Sequence[tuple[int, int, float, float]]

    @property
    def moved(self) -> Bools:
        """The photos that belong in another folder (n,)."""
        return np.asarray((self.stays < 0.5) & (1 - self.stays - self.strange >= self.strange))

    @property
    def stranger(self) -> Bools:
        """The photos that fit no folder (n,)."""
        return np.asarray((self.stays < 0.5) & ~self.moved)


def judge(faces: Sequence[Floats], folder: Ints, k: int) -> Judgement:
    """The faces of each photo and the number of its folder, 0 to k - 1 -> how well each photo fits.

    Faces are (m, d) vectors of unit length, at least one, the main one first. A folder is represented by the photos
    that fit it: those found wrong in one round do not count in the next.
    """
    main = np.stack([rows[0] for rows in faces])
    meant, trusted = main, np.ones(len(main), bool)
    persons = np.arange(k)
    for round_number in range(_ROUNDS):
        scale = fit_scale(meant, folder, k, trusted)
        folders = FolderSums.of(meant, folder, k, trusted)
        if round_number:
            pairs = _same_person(folders, scale)
            joined = coo_matrix(
                (np.ones(len(pairs)), ([pair[0] for pair in pairs], [pair[1] for pair in pairs])), (k, k)
            )
            persons = connected_components(joined, directed=False)[1].astype(np.int64)
            face, sure = _meant_faces(faces, meant, folder, folders, trusted, scale)
            chosen = np.stack([rows[i] for rows, i in zip(faces, face, strict=True)])
        else:
            pairs, face, sure, chosen = [], np.zeros(len(main), np.int64), np.ones(len(main), np.float32), main
        own, photos = own_distances(chosen, folder, folders, meant, trusted, scale)
        other = nearest_others(main, persons[folder], folders, persons, scale)
        stays, strange = _posterior(scale.evidence(own, photos), other, int((folders.photos > 0).sum()))
        judgement = Judgement(own, photos, other, stays, strange, face, sure, pairs)
        meant, trusted = chosen, _trusted(judgement, folder, k)
    return judgement


def _meant_faces(
    faces: Sequence[Floats], meant: Floats, folder: Ints, folders: FolderSums, trusted: Bools, scale: DistanceScale
) -> tuple[Ints, Floats]:
    """For each photo the face that fits the folder's other photos best, and how sure that is."""
    face, sure = np.zeros(len(faces), np.int64), np.ones(len(faces), np.float32)
    for i, rows in enumerate(faces):
        if len(rows) == 1:
            continue
        same = np.full(len(rows), i)
        distances, photos = own_distances(rows, folder[same], folders, meant[same], trusted[same], scale)
        if photos[0] == 0:
            continue
        evidence = scale.evidence(distances, photos)
        odds = np.exp(np.append(evidence, 0) - max(float(evidence.max()), 0))
        face[i] = int(evidence.argmax())
        sure[i] = float(odds[face[i]] / odds.sum())
    return face, sure


def _posterior(own: Floats, other: NearestFolder, k: int) -> tuple[Floats, Floats]:
    """The evidence for the own folder and for the nearest other -> the probabilities to stay, and to be a stranger."""
    stays = math.log(1 - _P_MISFILED - _P_STRANGER) + np.logaddexp(own, math.log(_P_ODD)).astype(np.float32)
    moves = math.log(_P_MISFILED / max(k - 1, 1)) + other.evidence
    strange = np.full_like(stays, math.log(_P_STRANGER))
    most = np.maximum(np.maximum(stays, moves), strange)
    parts = np.exp(np.stack([stays, moves, strange]) - most)
    parts /= parts.sum(axis=0)
    return np.asarray(parts[0], np.float32), np.asarray(parts[2], np.float32)


def _trusted(judgement: Judgement, folder: Ints, k: int) -> Bools:
    """The photos that represent a folder: none of other people, no strangers to a majority that agrees."""
    here = ~judgement.moved
    count = np.bincount(folder[here], minlength=k)
    strangers = np.bincount(folder[judgement.stranger], minlength=k)
    outvoted = (strangers < count - strangers) & (count - strangers >= 2)
    return np.asarray(here & ~(judgement.stranger & outvoted[folder]))


def _same_person(folders: FolderSums, scale: DistanceScale) -> list[tuple[int, int, float, float]]:
    prior = math.log(_P_DOUBLE / max(int((folders.photos > 0).sum()) - 1, 1))
    pairs = folders_of_one_person(folders, scale, -prior)
    return [(i, j, distance, 1 / (1 + math.exp(-evidence - prior))) for i, j, distance, evidence in pairs]
