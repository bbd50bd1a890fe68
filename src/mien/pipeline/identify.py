"""Who faces are: somebody who is enrolled in the gallery, or unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from mien import config, models
from mien.errors import DataError, MienError
from mien.gallery import open_gallery as open_database
from mien.gallery.records import EmbeddingSpec, IncompatibleVectors
from mien.gallery.search import NOBODY, Search, is_suitable, search_for, unit
from mien.gallery.threshold import RATE, Threshold, calibrate, check_rate, cosine_to_distance, sample_people
from mien.pipeline.embed_faces import FaceEmbedder
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.spec import PipelineSpec, build_spec
from mien.types import UNKNOWN, Detection, Embedding, Faces, Floats, Ints, Origin, PhotoRef, Rejected

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery as GalleryDatabase

_NEIGHBOURS = 4  # a person, and as many others as are named as too close to them
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Match:
    """A person whom a face is like, and the distance between its vector and their template."""

    id: int
    name: str
    distance: float

    def as_json(self) -> dict[str, Any]:
        """The fields of a person in an answer."""
        return {"id": self.id, "name": self.name, "distance": round(self.distance, 4)}


@dataclass(frozen=True, slots=True)
class Identification:
    """Who a face is: `person`, or None where it is like nobody; `rival` is somebody else whom it might as well be."""

    origin: Origin
    face: Detection
    person: Match | None
    rival: Match | None
    threshold: Threshold | None

    @property
    def key(self) -> str:
        return self.origin.uri

    @property
    def label(self) -> str:
        """The name, or "unknown"."""
        return self.person.name if self.person else UNKNOWN

    def as_json(self) -> dict[str, Any]:
        """The line that `mien identify` prints for a face."""
        return {
            "image": self.key,
            "face": self.face.as_json(),
            "label": self.label,
            "person": self.person.as_json() if self.person else None,
            "rival": self.rival.as_json() if self.rival else None,
            "threshold": None if self.threshold is None else round(self.threshold.distance, 4),
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    """The gallery's templates at a version, by the ids of their people, and the threshold.

    changed: how many templates changed since the threshold was set.
    """

    version: int
    ids: Ints
    search: Search
    threshold: Threshold | None
    changed: int = 0


class Identifier:
    """Answers who a face is, from a copy of the templates that follows every change of the gallery.

    Safe to use from several threads at once; what another process changes is seen by the next question.
    """

    def __init__(self, gallery: GalleryDatabase, rate: float = RATE) -> None:
        check_rate(rate)
        self._gallery, self._rate = gallery, rate
        self._lock = Lock()
        self._snapshot: _Snapshot | None = None

    def identify(self, faces: Sequence[Embedding]) -> list[Identification]:
        """Faces embedded as the gallery's are -> who each is.

        Raises:
            DataError: the gallery cannot be read.
        """
        if not faces:
            return []
        cosines, ids, threshold = self._nearest(np.stack([face.vector for face in faces]), 2)
        names = self._names(ids)
        return [
            Identification(
                face.origin,
                face.face,
                _match(int(row[0]), float(likeness[0]), names),
                _match(int(row[1]), float(likeness[1]), names),
                threshold,
            )
            for face, row, likeness in zip(faces, ids, cosines, strict=True)
        ]

    def threshold(self) -> Threshold | None:
        """How like a template a face must be to get its name; None where nobody is enrolled."""
        with self._lock:
            return self._current().threshold

    def too_close(self, ids: Sequence[int]) -> dict[int, list[Match]]:
        """People -> for each whose template would be taken for others, those others, the nearest first."""
        close: dict[int, list[Match]] = {}
        for start in range(0, len(ids), _AT_ONCE):
            people, templates = self._gallery.templates(ids[start : start + _AT_ONCE])
            cosines, others, _ = self._nearest(templates, _NEIGHBOURS)
            names = self._names(others)
            for person, row, likeness in zip(people, others, cosines, strict=True):
                matches = [_match(int(i), float(c), names) for i, c in zip(row, likeness, strict=True) if i != person]
                if named := [match for match in matches if match]:
                    close[int(person)] = named
        return close

    def _nearest(self, vectors: Floats, most: int) -> tuple[Floats, Ints, Threshold | None]:
        """The people most like each vector, with `NOBODY` in place of those who are not like enough."""
        with self._lock:
            snapshot = self._current()
            if snapshot.threshold is None or not len(vectors):
                shape = (len(vectors), most)
                return np.full(shape, -1, np.float32), np.full(shape, NOBODY, np.int64), snapshot.threshold
            cosines, ids = snapshot.search.nearest(unit(vectors), most)
        return cosines, np.where(cosines >= snapshot.threshold.cosine, ids, NOBODY), snapshot.threshold

    def _names(self, ids: Ints) -> dict[int, str]:
        people = self._gallery.people([int(i) for i in np.unique(ids) if i != NOBODY])
        return {person.id: person.name for person in people}

    def _current(self) -> _Snapshot:
        snapshot = self._snapshot
        if snapshot is None or snapshot.version != self._gallery.version():
            fresh = snapshot is None or not len(snapshot.ids)
            snapshot = self._snapshot = self._read() if fresh or snapshot is None else self._updated(snapshot)
        return snapshot

    def _read(self) -> _Snapshot:
        nobody: Ints = np.empty(0, np.int64)
        changes = self._gallery.changes(-1, nobody)
        search = search_for(changes.ids, changes.templates)
        return _Snapshot(changes.version, changes.ids, search, self._calibrated(changes.ids, search))

    def _updated(self, snapshot: _Snapshot) -> _Snapshot:
        """The snapshot with the changes put into it; the threshold is set again where a hundredth of it changed."""
        changes = self._gallery.changes(snapshot.version, snapshot.ids)
        gone = np.union1d(changes.gone, np.intersect1d(changes.ids, snapshot.ids))
        ids = np.concatenate([np.setdiff1d(snapshot.ids, gone), changes.ids])
        snapshot.search.update(gone, changes.ids, changes.templates)
        if not len(ids) or not is_suitable(snapshot.search):
            return self._read()
        changed = snapshot.changed + len(changes.ids) + len(changes.gone)
        if changed * 100 < len(ids):
            return _Snapshot(changes.version, ids, snapshot.search, snapshot.threshold, changed)
        return _Snapshot(changes.version, ids, snapshot.search, self._calibrated(ids, snapshot.search))

    def _calibrated(self, ids: Ints, search: Search) -> Threshold | None:
        """The threshold for these people; None where there is nobody."""
        spec = stored_spec(self._gallery)
        owners, vectors = self._gallery.vectors([int(i) for i in sample_people(ids)])
        if spec is None or not len(owners):
            return None
        return calibrate(owners, vectors, search, verification_threshold(spec), self._rate)


def _match(person: int, cosine: float, names: dict[int, str]) -> Match | None:
    # Somebody who was forgotten in this moment has no name any more.
    return Match(person, names[person], cosine_to_distance(cosine)) if person in names else None


@dataclass(frozen=True, slots=True)
class FaceNamer:
    """Names faces that were found by the gallery's detector.

    spec: the gallery's pipeline, by whose detector faces must be found. embedder: how its network sees a face.
    """

    spec: PipelineSpec
    embedder: FaceEmbedder
    identifier: Identifier

    @classmethod
    def of(cls, spec: PipelineSpec, identifier: Identifier) -> FaceNamer:
        """The namer for a gallery's pipeline and its identifier."""
        return cls(spec, spec.face_embedders()[0], identifier)

    def names(self, batch: Sequence[Faces], vectors: Sequence[Embedding]) -> list[list[Match | None]]:
        """Photos, and the vectors of their faces -> for each photo, for each face, who it is.

        Raises:
            DataError: the gallery cannot be read.
        """
        people: dict[str, list[Match | None]] = {faces.key: [None] * len(faces) for faces in batch}
        for answer in self.identifier.identify(vectors):
            people[answer.key][answer.face.index] = answer.person
        return [people[faces.key] for faces in batch]

    def identify_photos(self, refs: Sequence[PhotoRef], run: RunOptions) -> Iterator[Identification | Rejected]:
        """Photos -> every face of them with who it is."""
        for result in embed_photos(self.spec.all_faces(), refs, run):
            if isinstance(result, Rejected):
                yield result
            else:
                yield from self.identifier.identify([result])


@contextmanager
def namer_for_look(detector: str) -> Iterator[tuple[FaceNamer | None, str | None]]:
    """The namer to use while photos are looked at, if anybody is enrolled, or a sentence why nobody can be named.

    detector: the one that a user wants; "auto" is the gallery's own, since others find other faces than were enrolled.
    """
    if not gallery_exists():
        yield None, None
        return
    try:
        gallery = open_gallery()
    except MienError as error:
        yield None, f"people are not named: {error}"
        return
    with gallery:
        try:
            spec = gallery_spec(gallery)
            if spec is not None:
                spec.ready()
        except MienError as error:
            yield None, f"people are not named: {error}"
            return
        if spec is None:
            yield None, None
        elif detector in ("auto", spec.detector):
            yield FaceNamer.of(spec, Identifier(gallery)), None
        else:
            yield None, f"people are not named: they were enrolled with {spec.detector}, not {detector}"


def open_gallery(address: str | None = None, *, make: bool = False) -> GalleryDatabase:
    """The gallery at an address; by default the one that the environment names, or the user's own.

    Raises:
        MissingExtra: the packages for it are not installed. DataError: it cannot be opened, or there is none and `make`
            is not set.
    """
    address = address or config.gallery()
    gallery = open_database(address, create=make)
    if gallery is None:
        raise DataError(f"nobody is enrolled: there is no gallery {address} yet; 'mien enroll NAME PHOTO' makes it")
    return gallery


def gallery_exists() -> bool:
    """Whether there may be a gallery: a file, or a server, which is not asked; loads no database."""
    address = config.gallery()
    return "://" in address or Path(address).expanduser().exists()


def stored_spec(gallery: GalleryDatabase) -> PipelineSpec | None:
    """The pipeline that a gallery's vectors were made with, whatever weights are here; None where nobody is."""
    pin = gallery.embedding_spec()
    return None if pin is None else PipelineSpec.from_json(json.loads(pin.spec))


def gallery_spec(gallery: GalleryDatabase) -> PipelineSpec | None:
    """The same pipeline, if this machine makes the same vectors with it.

    Raises:
        IncompatibleVectors: weights or mien are not the same as when people were enrolled.
    """
    spec, pin = stored_spec(gallery), gallery.embedding_spec()
    if spec is None or pin is None:
        return None
    if spec.digest().hex() != pin.digest:
        raise IncompatibleVectors(
            f"the gallery {gallery.address} holds vectors that this machine cannot compare with its own, because its"
            f" weights of {spec.detector} or {spec.embedder} are different: install the same ones, or enroll everybody"
            " again"
        )
    return spec


def enrollment_spec(gallery: GalleryDatabase, detector: str, embedder: str) -> PipelineSpec:
    """The pipeline to enroll with: the gallery's, or what a user asks for in a new one.

    Raises:
        IncompatibleVectors: it is not the gallery's. DataError: the embedder states no threshold.
    """
    spec = gallery_spec(gallery)
    if spec is None:
        spec = build_spec(detector, embedder, which="all")
    elif detector not in ("auto", spec.detector) or embedder not in ("auto", spec.embedder):
        raise IncompatibleVectors(
            f"the gallery {gallery.address} holds vectors by {spec.detector} and {spec.embedder}, and others cannot be"
            " compared with them: omit --detector and --embedder, or start another gallery with MIEN_GALLERY"
        )
    verification_threshold(spec)
    return spec


def verification_threshold(spec: PipelineSpec) -> float:
    """The largest distance between two photos of one person that the embedder of a pipeline states.

    Raises:
        DataError: it states none.
    """
    card = models.get_card(spec.embedder) if spec.embedder in models.CARDS else None
    if card is None or card.threshold is None:
        raise DataError(
            f"the embedder {spec.embedder!r} states no threshold: enroll with dlib-resnet, or another that does, or add"
            " a network of your own again with --threshold"
        )
    return card.threshold


def embedding_spec(spec: PipelineSpec) -> EmbeddingSpec:
    """What a gallery stores of a pipeline."""
    return EmbeddingSpec(json.dumps(spec.as_json(), sort_keys=True), spec.digest().hex())
