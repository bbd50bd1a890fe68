"""Folders of people: photos of somebody else in them, two that are one person's, and whose face a group photo means.

Knows what photos show as values; how likely it is that two faces are one person's stands in `persons`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mien.curate.finding import DROP, KEEP, Finding, Kind
from mien.curate.likeness import deviation, to_distance
from mien.curate.persons import Standing, judge
from mien.curate.photo import Limits
from mien.curate.shown import ImageFeatures
from mien.models import IDENTITY_EMBEDDER
from mien.types import UNKNOWN, Box, Floats, Ints

_PAIRS = 20_000
# By how many deviations of the distances between labels the distances within one are smaller, in medians: 3.9 to 6.2
# where labels are people (press photos, portraits, web albums), and 2.4 to 4.6 with every fourth of those photos in
# a wrong folder; 0.1 to 0.4 for expressions and masks, 1.1 for boys, girls, men and women.
_APART = 1.8


def about_people(shown: Sequence[ImageFeatures]) -> bool:
    """Whether labels are persons: whether faces with one label are far more alike than faces with two.

    Where no label has two photos they are taken for people, and otherwise where nothing can be told they are not.
    """
    table = _table(shown, frozenset())
    if table is None or table.k < 2:
        return False
    vectors = np.stack([rows[0] for rows in table.faces])
    rng = np.random.default_rng(0)
    same = _pairs_within(table.folder, rng)
    if not len(same):
        return True
    i, j = rng.integers(0, len(vectors), (2, _PAIRS))
    apart = table.folder[i] != table.folder[j]
    within = _distances(vectors, same[:, 0], same[:, 1])
    between = _distances(vectors, i[apart], j[apart])
    return bool(np.median(between) - np.median(within) > _APART * deviation(between))


def _distances(vectors: Floats, i: Ints, j: Ints) -> Floats:
    return to_distance(np.einsum("nd,nd->n", vectors[i], vectors[j]))


def people(shown: Sequence[ImageFeatures], excluded: frozenset[str] = frozenset()) -> list[Finding]:
    """Photos labelled with people -> wrong-person, same-person and many-faces, in the order of the photos.

    excluded: keys of photos that are copies of others: a wrong photo must not be vouched for by its copy. A photo that
    fits another folder is proposed for it, a stranger to be dropped unless seen in profile, and one whose folder does
    not agree on who it is to be looked at. Photos labelled "unknown" are nobody's.
    """
    table = _table(shown, excluded)
    if table is None:
        return []
    standing = judge(table.faces, table.folder, table.k)
    found = [*_wrong(table, standing), *_groups(table, standing)]
    rank = {item.key: i for i, item in enumerate(table.shown)}
    return [*sorted(found, key=lambda one: rank[one.path or ""]), *_same(table, standing)]


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The photos that are judged, with their faces' vectors, those faces' numbers in the photo, and their folders."""

    shown: Sequence[ImageFeatures]
    faces: Sequence[Floats]
    numbers: Sequence[Ints]
    names: Sequence[str]
    folder: Ints

    @property
    def k(self) -> int:
        return len(self.names)

    def nearest(self, i: int, folder: int) -> str | None:
        """The key of the photo of a folder, other than the i-th, whose main face is most like the i-th's."""
        rows = np.flatnonzero(self.folder == folder)
        rows = rows[rows != i]
        if not len(rows):
            return None
        likeness = np.stack([self.faces[row][0] for row in rows]) @ self.faces[i][0]
        return self.shown[int(rows[likeness.argmax()])].key


def _table(shown: Sequence[ImageFeatures], excluded: frozenset[str]) -> _Table | None:
    kept, faces, numbers = [], [], []
    for item in shown:
        rows = item.vectors.get(IDENTITY_EMBEDDER)
        if rows is None or not len(rows) or item.origin.label in (None, UNKNOWN) or item.key in excluded:
            continue
        there = np.flatnonzero(np.isfinite(rows).all(axis=1))
        if len(there) and there[0] == 0:
            kept.append(item)
            faces.append(rows[there])
            numbers.append(there)
    if not kept:
        return None
    names, folder = np.unique([item.origin.label or "" for item in kept], return_inverse=True)
    return _Table(kept, faces, numbers, names.tolist(), folder.astype(np.int64))


def _wrong(table: _Table, standing: Standing) -> Iterator[Finding]:
    agrees = _agreement(table, standing)
    for i in np.flatnonzero(standing.stays < 0.5).tolist():
        if standing.stranger[i] and _in_profile(table.shown[i]):
            continue
        item, folder, other = table.shown[i], int(table.folder[i]), int(standing.other.folder[i])
        own = table.names[folder]
        told = f"{own} {standing.own[i]:.2f}" if standing.photos[i] else f"{own} has no other photo"
        if other >= 0:
            told = f"{table.names[other]} {standing.other.distance[i]:.2f}, {told}"
        where, sure = f"in the folder of {own}; nearest: {told}", float(1 - standing.stays[i])
        if standing.moved[i]:
            twin = table.nearest(i, other)
            yield Finding(Kind.WRONG_PERSON, item.key, own, table.names[other], sure, where, twin)
        elif agrees[folder]:
            yield Finding(Kind.WRONG_PERSON, item.key, own, DROP, sure, where, table.nearest(i, folder))
        else:
            where = f"the photos of {own} are not of one person, and which is meant cannot be told; {where}"
            yield Finding(Kind.WRONG_PERSON, item.key, own, KEEP, sure / 2, where, table.nearest(i, folder))


def _in_profile(item: ImageFeatures) -> bool:
    """Whether the main face is turned so far that it is like nobody's, the person's own photos included."""
    yaw = item.quality.get("yaw")
    return yaw is not None and bool(abs(yaw[0]) > Limits().yaw)


def _agreement(table: _Table, standing: Standing) -> list[bool]:
    """For each folder whether most of its own photos are of one person."""
    here = np.bincount(table.folder[~standing.moved], minlength=table.k)
    strangers = np.bincount(table.folder[standing.stranger], minlength=table.k)
    return [bool(2 * a < b) for a, b in zip(strangers, here, strict=True)]


def _groups(table: _Table, standing: Standing) -> Iterator[Finding]:
    """Photos in which another face than the main one is meant, or in which others are nearly as large."""
    for i in np.flatnonzero(standing.stays >= 0.5).tolist():
        item, numbers = table.shown[i], table.numbers[i]
        if len(numbers) < 2 or not standing.photos[i]:
            continue
        number = int(numbers[standing.face[i]])
        if number or _crowded(item):
            x1, y1, x2, y2 = (float(value) for value in item.boxes[number])
            box: Box = (x1, y1, x2, y2)
            own = item.origin.label or ""
            detail = f"{len(item)} faces; face {number} is most like the other photos of {own}: {standing.own[i]:.2f}"
            twin = table.nearest(i, int(table.folder[i]))
            sure = float(standing.sure[i])
            yield Finding(Kind.MANY_FACES, item.key, own, f"face {number}", sure, detail, twin, box)


def _crowded(item: ImageFeatures) -> bool:
    return bool((item.sides[1:] >= Limits().second * item.sides[0]).any())


def _same(table: _Table, standing: Standing) -> Iterator[Finding]:
    """Two folders of one person: the smaller is proposed to become part of the larger."""
    counts = np.bincount(table.folder, minlength=table.k)
    for i, j, distance, sure in standing.same:
        small, large = sorted((i, j), key=lambda folder: (counts[folder], -folder))
        names = table.names[small], table.names[large]
        detail = (
            f"{names[0]} ({counts[small]}) and {names[1]} ({counts[large]}) look like one person: {distance:.2f} apart"
        )
        yield Finding(Kind.SAME_PERSON, None, names[0], names[1], sure, detail, names[1])


def _pairs_within(folder: Ints, rng: np.random.Generator) -> Ints:
    """Pairs of different photos with one label (m, 2), from each label about as many as it has photos."""
    order = np.lexsort((rng.random(len(folder)), folder))
    i, j = order, np.roll(order, -1)
    pairs = np.stack([i, j], axis=1)[folder[i] == folder[j]]
    return np.asarray(pairs[pairs[:, 0] != pairs[:, 1]][:_PAIRS], np.int64)
