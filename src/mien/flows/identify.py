"""Faces into the names of people who are enrolled, or "unknown"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.errors import DataError
from mien.flows.gallery import held, own_threshold, pinned
from mien.gallery.search import NOBODY, Search, is_suitable, search_for, unit
from mien.gallery.threshold import RATE, Threshold, calibrate, check_rate, cosine_to_distance, sample_people
from mien.pipeline.execute import RunOptions
from mien.types import UNKNOWN, Embedding, Floats, Ints, PhotoRef, Rejected

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery

_MATES = 4  # a person, and as many others as are told of that they are too close to
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Match:
    """Somebody whom a face is like, and the distance between its vector and their template."""

    id: int
    name: str
    distance: float

    def as_json(self) -> dict[str, Any]:
        """The fields of a person in an answer."""
        return {"id": self.id, "name": self.name, "distance": round(self.distance, 4)}


@dataclass(frozen=True, slots=True)
class Identification:
    """Who a face is, nobody where it is like none of them; `rival` is somebody else whom it might as well be."""

    person: Match | None
    rival: Match | None
    threshold: Threshold | None

    @property
    def label(self) -> str:
        return self.person.name if self.person else UNKNOWN

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien identify` prints."""
        return {
            "label": self.label,
            "person": self.person.as_json() if self.person else None,
            "rival": self.rival.as_json() if self.rival else None,
            "threshold": None if self.threshold is None else round(self.threshold.distance, 4),
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Copy:
    """The gallery's templates at a version, by the ids of their people, and the threshold.

    unsettled: how many templates changed since the threshold was set.
    """

    version: int
    ids: Ints
    search: Search
    threshold: Threshold | None
    unsettled: int = 0


class Identifier:
    """Answers who a face is, from a copy of the templates that is brought up to date whenever the gallery changed.

    Safe to ask from several threads at once; what another process changes is seen by the next question.
    """

    def __init__(self, gallery: Gallery, rate: float = RATE) -> None:
        check_rate(rate)
        self._gallery, self._rate = gallery, rate
        self._lock = Lock()
        self._copy: _Copy | None = None

    def answers(self, vectors: Floats) -> list[Identification]:
        """Vectors (n, d) by the gallery's chain -> who each is.

        Raises:
            DataError: the gallery cannot be read.
        """
        cosines, ids, threshold = self._nearest(vectors, 2)
        names = self._names(ids)
        return [
            Identification(
                _match(int(row[0]), float(likeness[0]), names),
                _match(int(row[1]), float(likeness[1]), names),
                threshold,
            )
            for row, likeness in zip(ids, cosines, strict=True)
        ]

    def threshold(self) -> Threshold | None:
        """From which likeness on a face is somebody's; None where nobody is enrolled."""
        with self._lock:
            return self._current().threshold

    def too_close(self, ids: Sequence[int]) -> dict[int, list[Match]]:
        """People -> for each whose template would be taken for others, those others, the nearest first."""
        close: dict[int, list[Match]] = {}
        for start in range(0, len(ids), _AT_ONCE):
            people, templates = self._gallery.templates(ids[start : start + _AT_ONCE])
            cosines, others, _ = self._nearest(templates, _MATES)
            names = self._names(others)
            for one, row, likeness in zip(people, others, cosines, strict=True):
                found = [_match(int(i), float(c), names) for i, c in zip(row, likeness, strict=True) if i != one]
                if mates := [match for match in found if match]:
                    close[int(one)] = mates
        return close

    def _nearest(self, vectors: Floats, most: int) -> tuple[Floats, Ints, Threshold | None]:
        """The likest people of each vector, with `NOBODY` in place of those who are not like enough."""
        with self._lock:
            copy = self._current()
            if copy.threshold is None or not len(vectors):
                shape = (len(vectors), most)
                return np.full(shape, -1, np.float32), np.full(shape, NOBODY, np.int64), copy.threshold
            cosines, ids = copy.search.nearest(unit(vectors), most)
        return cosines, np.where(cosines >= copy.threshold.cosine, ids, NOBODY), copy.threshold

    def _names(self, ids: Ints) -> dict[int, str]:
        return {one.id: one.name for one in self._gallery.people([int(i) for i in np.unique(ids) if i != NOBODY])}

    def _current(self) -> _Copy:
        copy = self._copy
        if copy is None or copy.version != self._gallery.version():
            copy = self._copy = self._begun() if copy is None or not len(copy.ids) else self._continued(copy)
        return copy

    def _begun(self) -> _Copy:
        nobody: Ints = np.empty(0, np.int64)
        changes = self._gallery.changes(-1, nobody)
        search = search_for(changes.ids, changes.templates)
        return _Copy(changes.version, changes.ids, search, self._settled(changes.ids, search))

    def _continued(self, copy: _Copy) -> _Copy:
        """The copy with what changed put into it, and the threshold set anew where a hundredth of it did."""
        changes = self._gallery.changes(copy.version, copy.ids)
        gone = np.union1d(changes.gone, np.intersect1d(changes.ids, copy.ids))
        ids = np.concatenate([np.setdiff1d(copy.ids, gone), changes.ids])
        copy.search.update(gone, changes.ids, changes.templates)
        if not len(ids) or not is_suitable(copy.search):
            return self._begun()
        moved = copy.unsettled + len(changes.ids) + len(changes.gone)
        if moved * 100 < len(ids):
            return _Copy(changes.version, ids, copy.search, copy.threshold, moved)
        return _Copy(changes.version, ids, copy.search, self._settled(ids, copy.search))

    def _settled(self, ids: Ints, search: Search) -> Threshold | None:
        """The threshold for these people; None where there is nobody."""
        way = held(self._gallery)
        owners, vectors = self._gallery.vectors([int(i) for i in sample_people(ids)])
        if way is None or not len(owners):
            return None
        return calibrate(owners, vectors, search, own_threshold(way), self._rate)


def line(found: Embedding, answer: Identification) -> dict[str, Any]:
    """The line that `mien identify` prints for a face."""
    return {"image": found.key, "face": found.face.as_json(), **answer.as_json()}


def identify(
    refs: Sequence[PhotoRef], gallery: Gallery, drive: RunOptions, rate: float = RATE
) -> Iterator[tuple[Embedding, Identification] | Rejected]:
    """Photos -> every face of them with who it is.

    Raises:
        DataError: nobody is enrolled, or this machine makes other vectors. WeightsError: weights are missing.
    """
    identifier = Identifier(gallery, rate)
    way = pinned(gallery)
    if way is None or identifier.threshold() is None:
        raise DataError(f"nobody is enrolled in {gallery.address}: 'mien enroll NAME PHOTO' does it")
    for result in drive.vectors(way, refs):
        if isinstance(result, Rejected):
            yield result
        else:
            yield result, identifier.answers(result.vector[None])[0]


def _match(person: int, cosine: float, names: dict[int, str]) -> Match | None:
    # Somebody who was forgotten in this moment has no name any more.
    return Match(person, names[person], cosine_to_distance(cosine)) if person in names else None
