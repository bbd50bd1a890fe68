"""Folders of people: photos of somebody else, two folders of one person, and which face of a group photo is meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mien.curation.checks import PhotoLimits
from mien.curation.features import ImageFeatures
from mien.curation.findings import DROP, KEEP, Finding, Kind
from mien.curation.person_model import Judgement, deviation, judge, to_distance
from mien.models import IDENTITY_EMBEDDER
from mien.text import pluralize
from mien.types import UNKNOWN, Box, Floats, Ints

_PAIRS = 20_000
# How many deviations smaller distances within a label are than those between labels, in medians: 3.9 to 6.2 where
# labels are people (press photos, portraits, web albums), and 2.4 to 4.6 with every fourth of those photos in a wrong
# folder; 0.1 to 0.4 for expressions and masks, 1.1 for boys, girls, men and women.
_PEOPLE_MARGIN = 1.8


def labels_are_people(photos: Sequence[ImageFeatures]) -> bool:
    """Whether labels are names of people: whether faces with one label are far more alike than faces with two.

    Where no label has two photos they are taken for people; where there is nothing to compare they are not.
    """
    table = _table(photos, frozenset())
    if table is None or table.k < 2:
        return False
    vectors = np.stack([rows[0] for rows in table.faces])
    rng = np.random.default_rng(0)
    same = _pairs_within(table.folder, rng)
    if not len(same):
        return True
    i, j = rng.integers(0, len(vectors), (2, _PAIRS))
    apart = table.folder[i] != table.folder[j]
    within, between = (
        to_distance(np.einsum("nd,nd->n", vectors[rows], vectors[others]))
        for rows, others in ((same[:, 0], same[:, 1]), (i[apart], j[apart]))
    )
    return bool(np.median(between) - np.median(within) > _PEOPLE_MARGIN * deviation(between))


def _pairs_within(folder: Ints, rng: np.random.Generator) -> Ints:
    """Pairs of different photos with one label (m, 2), from each label about as many as it has photos."""
    order = np.lexsort((rng.random(len(folder)), folder))
    i, j = order, np.roll(order, -1)
    pairs = np.stack([i, j], axis=1)[folder[i] == folder[j]]
    return np.asarray(pairs[pairs[:, 0] != pairs[:, 1]][:_PAIRS], np.int64)


def identity_findings(photos: Sequence[ImageFeatures], excluded: frozenset[str] = frozenset()) -> list[Finding]:
    """Photos labelled with people -> wrong-person, same-person and many-faces, in the order of the photos.

    excluded: keys of photos that are copies of others: a wrong photo must not be vouched for by its copy. For a photo
    that fits another folder that one is proposed, for a stranger (unless in profile) to drop it, and for one whose own
    folder does not agree on a person to look at it. Photos labelled "unknown" are nobody's.
    """
    table = _table(photos, excluded)
    if table is None:
        return []
    judgement = judge(table.faces, table.folder, table.k)
    findings = [*_wrong_person(table, judgement), *_many_faces(table, judgement)]
    rank = {photo.key: i for i, photo in enumerate(table.photos)}
    return [*sorted(findings, key=lambda finding: rank[finding.path or ""]), *_same_person(table, judgement)]


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The photos that are judged, their folders, and their faces: vectors, and numbers in the photo."""

    photos: Sequence[ImageFeatures]
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
        cosines = np.stack([self.faces[row][0] for row in rows]) @ self.faces[i][0]
        return self.photos[int(rows[cosines.argmax()])].key


def _table(photos: Sequence[ImageFeatures], excluded: frozenset[str]) -> _Table | None:
    judged, faces, numbers = [], [], []
    for photo in photos:
        rows = photo.vectors.get(IDENTITY_EMBEDDER)
        if rows is None or not len(rows) or photo.origin.label in (None, UNKNOWN) or photo.key in excluded:
            continue
        finite = np.flatnonzero(np.isfinite(rows).all(axis=1))
        if len(finite) and finite[0] == 0:
            judged.append(photo)
            faces.append(rows[finite])
            numbers.append(finite)
    if not judged:
        return None
    names, folder = np.unique([photo.origin.label or "" for photo in judged], return_inverse=True)
    return _Table(judged, faces, numbers, names.tolist(), folder.astype(np.int64))


def _wrong_person(table: _Table, judgement: Judgement) -> Iterator[Finding]:
    strangers = np.bincount(table.folder[judgement.stranger], minlength=table.k)
    agrees = 2 * strangers < np.bincount(table.folder[~judgement.moved], minlength=table.k)
    for i in np.flatnonzero(judgement.stays < 0.5).tolist():
        photo, folder, other = table.photos[i], int(table.folder[i]), int(judgement.other.folder[i])
        yaw = photo.quality["yaw"][0] if "yaw" in photo.quality else 0
        if judgement.stranger[i] and abs(yaw) > PhotoLimits().yaw:  # in profile, a face matches nobody
            continue
        label = table.names[folder]
        own = f"distance {judgement.own[i]:.2f}" if judgement.photos[i] else "no other photo of them"
        detail, confidence = f"labelled {label} ({own})", float(1 - judgement.stays[i])
        if other >= 0:
            detail += f"; most similar other person: {table.names[other]} ({judgement.other.distance[i]:.2f})"
        if judgement.moved[i]:
            proposed, twin = table.names[other], table.nearest(i, other)
        elif agrees[folder]:
            proposed, twin = DROP, table.nearest(i, folder)
        else:
            proposed, twin, confidence = KEEP, table.nearest(i, folder), confidence / 2
            detail = f"the photos of {label} show several people, and it is unclear who is meant; {detail}"
        yield Finding(Kind.WRONG_PERSON, photo.key, label, proposed, confidence, detail, twin)


def _many_faces(table: _Table, judgement: Judgement) -> Iterator[Finding]:
    """Photos in which another face than the main one is meant, or in which others are nearly as large."""
    for i in np.flatnonzero(judgement.stays >= 0.5).tolist():
        photo, numbers = table.photos[i], table.numbers[i]
        if len(numbers) < 2 or not judgement.photos[i]:
            continue
        number = int(numbers[judgement.face[i]])
        if number or (photo.sides[1:] >= PhotoLimits().second * photo.sides[0]).any():
            x1, y1, x2, y2 = (float(value) for value in photo.boxes[number])
            box: Box = (x1, y1, x2, y2)
            label = photo.origin.label or ""
            detail = (
                f"{len(photo)} faces; face {number} is most like the other photos of {label} ({judgement.own[i]:.2f})"
            )
            twin = table.nearest(i, int(table.folder[i]))
            confidence = float(judgement.sure[i])
            yield Finding(Kind.MANY_FACES, photo.key, label, f"face {number}", confidence, detail, twin, box)


def _same_person(table: _Table, judgement: Judgement) -> Iterator[Finding]:
    """Two folders of one person: the smaller is proposed to become part of the larger."""
    counts = np.bincount(table.folder, minlength=table.k)
    for i, j, distance, confidence in judgement.same:
        small, large = sorted((i, j), key=lambda folder: (counts[folder], -folder))
        names = table.names[small], table.names[large]
        sizes = f"{names[0]} ({pluralize(int(counts[small]), 'photo')}) and {names[1]} ({counts[large]})"
        detail = f"{sizes} look like the same person (distance {distance:.2f})"
        yield Finding(Kind.SAME_PERSON, None, names[0], names[1], confidence, detail, names[1])
