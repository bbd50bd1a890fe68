"""The people who are enrolled: the gallery as the service holds it, opened on first use."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from mien.errors import DataError, MienError
from mien.flows.gallery import Enrollment, NoUsablePhoto, Person, enroll_photos, forget_person, list_people
from mien.gallery.records import IncompatibleVectors, InvalidName
from mien.pipeline.execute import RunOptions
from mien.pipeline.identify import FaceNamer, Identifier, enrollment_spec, gallery_exists, gallery_spec, open_gallery
from mien.serve.problems import Problem
from mien.serve.uploads import Upload
from mien.types import Origin, PhotoRef

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery
    from mien.gallery.records import PersonRecord

_OPTIONS = RunOptions(workers=1, keep_going=True, cache=False)  # nothing of an uploaded photo goes into the cache
_log = logging.getLogger("mien.serve")


class EnrolledPeople:
    """Lists, names, enrolls and forgets people. detector: the one that the service was started with, or "auto".

    Raises:
        MienError: in every method, if this machine cannot open or use the gallery.
        Problem: nobody has that id, or the name or the photos cannot be used.
    """

    def __init__(self, detector: str) -> None:
        self._detector = detector
        self._lock = Lock()
        self._opened: tuple[Gallery, Identifier] | None = None
        self._namer: FaceNamer | None = None
        self._last_warning = ""

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened[0].close()
                self._opened = None

    def namer(self) -> FaceNamer | None:
        """What names faces; None where nobody was ever enrolled."""
        if self._namer is None and (pair := self._open()) is not None:
            gallery, identifier = pair
            spec = gallery_spec(gallery)
            if spec is not None:
                spec.ready()
                self._namer = FaceNamer.of(spec, identifier)
        return self._namer

    def namer_for_look(self) -> FaceNamer | None:
        """The same for `look`, which goes on without names, and a warning in the log, where there can be none."""
        try:
            namer = self.namer()
            if namer is None or self._detector in ("auto", namer.spec.detector):
                return namer
            why = f"the gallery was made with {namer.spec.detector}, and the service uses {self._detector}"
        except MienError as error:
            why = str(error)
        if why != self._last_warning:
            _log.warning("people are not named", extra={"why": why})
            self._last_warning = why
        return None

    def list(self) -> dict[str, Any]:
        """Everybody, and the largest distance at which a face is somebody's."""
        pair = self._open()
        if pair is None:
            return {"people": [], "threshold": None}
        people = list_people(*pair)
        threshold = None if people.threshold is None else round(people.threshold.distance, 4)
        return {"people": [entry.as_json() for entry in people], "threshold": threshold}

    def get(self, id: int) -> dict[str, Any]:
        """One person."""
        _, identifier, person = self._find(id)
        return Person(person, identifier.too_close([id]).get(id, [])).as_json()

    def enroll(self, who: str | int, photos: Sequence[Upload], consent: str | None, *, largest: bool) -> dict[str, Any]:
        """Enroll somebody new by name, or add photos to somebody by name or id."""
        name = who if isinstance(who, str) else self._find(who)[2].name
        pair = self._open(create=True)
        assert pair is not None
        gallery, identifier = pair
        try:
            spec = enrollment_spec(gallery, self._detector, "auto")
            spec.ready()
            enrollment = Enrollment(name, consent, largest)
            result = enroll_photos(enrollment, _refs(photos), gallery, spec, _OPTIONS, identifier)
        except NoUsablePhoto as error:
            rejected = [{"image": item.key, **item.as_json()} for item in error.rejected]
            raise Problem(409, "no-usable-photo", str(error), rejected=rejected) from error
        except InvalidName as error:
            raise Problem(409, "no-name", str(error)) from error
        except IncompatibleVectors as error:
            raise Problem(409, "other-vectors", str(error)) from error
        return result.as_json()

    def forget(self, id: int) -> dict[str, Any]:
        """Remove somebody -> the receipt."""
        gallery, _, person = self._find(id)
        try:
            return forget_person(person.name, gallery).as_json()
        except DataError as error:
            if error.__cause__:  # the database failed
                raise
            raise Problem(404, "no-such-person", str(error)) from error

    def _open(self, *, create: bool = False) -> tuple[Gallery, Identifier] | None:
        """The gallery and what identifies faces in it; None where there is no gallery and none is created."""
        with self._lock:
            if self._opened is None and (create or gallery_exists()):
                gallery = open_gallery(make=create)
                self._opened = gallery, Identifier(gallery)
            return self._opened

    def _find(self, id: int) -> tuple[Gallery, Identifier, PersonRecord]:
        pair = self._open()
        people = pair[0].people([id]) if pair else []
        if pair is None or not people:
            raise Problem(404, "no-such-person", "There is no person with this id")
        return *pair, people[0]


def _refs(photos: Sequence[Upload]) -> list[PhotoRef]:
    """Photos by their own names, with a number where a name repeats."""
    names = [photo.name for photo in photos]
    keys = [name if name not in names[:i] else f"{name} ({i + 1})" for i, name in enumerate(names)]
    return [PhotoRef(Origin(key), data=photo.data) for key, photo in zip(keys, photos, strict=True)]
