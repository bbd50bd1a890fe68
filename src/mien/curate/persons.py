"""Whose face is in which folder, judged by all the others; knows vectors and numbers of folders, and no photo."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mien.curate.likeness import (
    Bools,
    Folders,
    Nearest,
    Scale,
    measure,
    nearest_others,
    own_distances,
    same_person,
)
from mien.types import Floats, Ints

# How often these things are expected before anything is seen: one photo in twenty in somebody else's folder, one in
# a hundred of a stranger, and one folder in twenty of somebody who has another one. They only matter where the vectors
# leave room for doubt, and there they decide for the label.
_MISFILED, _STRANGE, _DOUBLE = 0.05, 0.01, 0.05

# So many photos of a person are like no other of theirs: a hand before the mouth, a costume, forty years.
_ODD = 0.003

_ROUNDS = 3
"""What is wrong is taken out, and the folders are looked at again, so often."""


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How each photo stands (n,): to its own folder, to the nearest of somebody else, and what that says.

    own: the distance to the folder's other photos; photos: how many of them it was compared with. stays, strange: the
    probabilities that it is in its place, and that it is in nobody's; the rest is that it is the nearest other's.
    face: the number of the face that fits the own folder best, and sure: the probability that this is the one meant.
    same: pairs of folders that are one person's, with distance and probability.
    """

    own: Floats
    photos: Floats
    other: Nearest
    stays: Floats
    strange: Floats
    face: Ints
    sure: Floats
    same: Sequence[tuple[int, int, float, float]]

    @property
    def moved(self) -> Bools:
        """Those that are somebody else's whose folder is known."""
        return np.asarray((self.stays < 0.5) & (1 - self.stays - self.strange >= self.strange))

    @property
    def stranger(self) -> Bools:
        """Those that fit no folder."""
        return np.asarray((self.stays < 0.5) & ~self.moved)


def judge(faces: Sequence[Floats], folder: Ints, k: int) -> Standing:
    """The faces of each photo and the number of its folder, 0 to k - 1 -> how each photo stands.

    Faces are (m, d) vectors of unit length, at least one, the main one first. Folders go by the photos that fit them:
    what is found wrong in one round does not count in the next.
    """
    main = np.stack([rows[0] for rows in faces])
    meant, trusted = main, np.ones(len(main), bool)
    persons = np.arange(k)
    for turn in range(_ROUNDS):
        scale = measure(meant, folder, k, trusted)
        folders = Folders.of(meant, folder, k, trusted)
        if turn:
            pairs = _doubles(folders, scale)
            persons = _joined(k, pairs)
            face, sure = _which(faces, meant, folder, folders, trusted, scale)
            chosen = np.stack([rows[i] for rows, i in zip(faces, face, strict=True)])
        else:
            pairs, face, sure, chosen = [], np.zeros(len(main), np.int64), np.ones(len(main), np.float32), main
        own, photos = _own(chosen, meant, folder, folders, trusted, scale)
        other = nearest_others(main, persons[folder], folders, persons, scale)
        stays, strange = _posterior(scale.evidence(own, photos), other, int((folders.photos > 0).sum()))
        standing = Standing(own, photos, other, stays, strange, face, sure, pairs)
        meant, trusted = chosen, _trusted(standing, folder, k)
    return standing


def _own(
    chosen: Floats, meant: Floats, folder: Ints, folders: Folders, trusted: Bools, scale: Scale
) -> tuple[Floats, Floats]:
    """The distance to the folder's other photos; the sums hold `meant` of each, which may be another face of it."""
    others = replace(folders)
    changed = trusted & (chosen != meant).any(axis=1)
    own, photos = own_distances(chosen, folder, others, trusted & ~changed, scale)
    for i in np.flatnonzero(changed):
        without = Folders(folders.sums[[folder[i]]] - meant[[i]], folders.photos[[folder[i]]] - 1)
        own[i : i + 1], photos[i : i + 1] = own_distances(
            chosen[[i]], np.zeros(1, np.int64), without, np.zeros(1, bool), scale
        )
    return own, photos


def _which(
    faces: Sequence[Floats], meant: Floats, folder: Ints, folders: Folders, trusted: Bools, scale: Scale
) -> tuple[Ints, Floats]:
    """For each photo the face that fits the folder's other photos best, and how sure that is."""
    face, sure = np.zeros(len(faces), np.int64), np.ones(len(faces), np.float32)
    for i, rows in enumerate(faces):
        if len(rows) == 1:
            continue
        at = folder[i]
        gone = meant[i] if trusted[i] else np.float32(0)
        left = Folders((folders.sums[at] - gone)[None], (folders.photos[at] - trusted[i])[None])
        if left.photos[0] == 0:
            continue
        zeros = np.zeros(len(rows), np.int64)
        evidence = scale.evidence(*own_distances(rows, zeros, left, np.zeros(len(rows), bool), scale))
        odds = np.exp(np.append(evidence, 0) - max(float(evidence.max()), 0))
        face[i] = int(evidence.argmax())
        sure[i] = float(odds[face[i]] / odds.sum())
    return face, sure


def _posterior(own: Floats, other: Nearest, k: int) -> tuple[Floats, Floats]:
    """The evidence for the own folder and for the nearest other -> the probabilities to stay, and to be a stranger."""
    stays = math.log(1 - _MISFILED - _STRANGE) + np.logaddexp(own, math.log(_ODD)).astype(np.float32)
    moves = math.log(_MISFILED / max(k - 1, 1)) + other.evidence
    strange = np.full_like(stays, math.log(_STRANGE))
    most = np.maximum(np.maximum(stays, moves), strange)
    parts = np.exp(np.stack([stays, moves, strange]) - most)
    parts /= parts.sum(axis=0)
    return np.asarray(parts[0], np.float32), np.asarray(parts[2], np.float32)


def _trusted(standing: Standing, folder: Ints, k: int) -> Bools:
    """The photos that a folder goes by: not those of others, nor strangers to a majority that agrees."""
    here = ~standing.moved
    count = np.bincount(folder[here], minlength=k)
    strangers = np.bincount(folder[standing.stranger], minlength=k)
    outvoted = (strangers < count - strangers) & (count - strangers >= 2)
    return np.asarray(here & ~(standing.stranger & outvoted[folder]))


def _doubles(folders: Folders, scale: Scale) -> list[tuple[int, int, float, float]]:
    prior = math.log(_DOUBLE / max(int((folders.photos > 0).sum()) - 1, 1))
    found = same_person(folders, scale, -prior)
    return [(i, j, distance, 1 / (1 + math.exp(-evidence - prior))) for i, j, distance, evidence in found]


def _joined(k: int, pairs: Sequence[tuple[int, int, float, float]]) -> Ints:
    """Whose each folder is, with those that are one person's under one number."""
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    graph = coo_matrix((np.ones(len(pairs), np.int8), (left, right)), shape=(k, k))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)
