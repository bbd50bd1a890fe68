"""The people who are enrolled: the gallery as the service holds it, opened on first use."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from mien.errors import DataError, MienError
from mien.flows.enroll import NoPhoto, Wish, enroll
from mien.flows.forget import forget
from mien.flows.gallery import chain_for, is_there, opened, pinned
from mien.flows.identify import Identifier
from mien.flows.naming import Naming, naming
from mien.flows.people import everybody, line
from mien.gallery.values import NoName, OtherVectors
from mien.pipeline.execute import RunOptions
from mien.serve.problems import Problem
from mien.serve.uploads import Upload
from mien.types import Origin, PhotoRef

if TYPE_CHECKING:
    from mien.gallery.book import Gallery
    from mien.gallery.values import PersonRecord

_OPTIONS = RunOptions(workers=1, keep_going=True, cache=False)  # nothing of an uploaded photo goes into the cache
_log = logging.getLogger("mien.serve")


class EnrolledPeople:
    """Lists, names, enrols and forgets people. detector: the one that the service was started with, or "auto"."""

    def __init__(self, detector: str) -> None:
        self._detector = detector
        self._lock = Lock()
        self._opened: tuple[Gallery, Identifier] | None = None
        self._namer: Naming | None = None
        self._last_warning = ""

    def close(self) -> None:
        """Close the gallery."""
        with self._lock:
            if self._opened is not None:
                self._opened[0].close()
                self._opened = None

    def namer(self) -> Naming | None:
        """What names faces; None where nobody was ever enrolled.

        Raises:
            MienError: this machine cannot use the gallery.
        """
        if self._namer is None and (pair := self._open()) is not None:
            gallery, identifier = pair
            spec = pinned(gallery)
            if spec is not None:
                spec.ready()
                self._namer = naming(spec, identifier)
        return self._namer

    def namer_for_look(self) -> Naming | None:
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

    def anybody(self) -> bool:
        """Whether faces can be named: somebody is enrolled, and this machine can use the gallery."""
        return self.namer_for_look() is not None

    def list(self) -> dict[str, Any]:
        """Everybody, and the largest distance at which a face is somebody's."""
        pair = self._open()
        if pair is None:
            return {"people": [], "threshold": None}
        people = everybody(*pair)
        threshold = None if people.threshold is None else round(people.threshold.distance, 4)
        return {"people": [line(*entry) for entry in people.listed], "threshold": threshold}

    def get(self, id: int) -> dict[str, Any]:
        """One person.

        Raises:
            Problem: nobody has that id.
        """
        _, identifier, person = self._find(id)
        return line(person, identifier.too_close([id]).get(id, []))

    def enroll(self, who: str | int, photos: Sequence[Upload], consent: str | None, *, largest: bool) -> dict[str, Any]:
        """Enrol somebody new by name, or add photos to somebody by name or id.

        Raises:
            Problem: nobody has that id, or the name, the photos or the gallery cannot be used.
        """
        name = who if isinstance(who, str) else self._find(who)[2].name
        gallery, identifier = self._open(create=True) or _no_gallery()
        try:
            spec = chain_for(gallery, self._detector, "auto")
            spec.ready()
            result = enroll(Wish(name, consent, largest), _refs(photos), gallery, spec, _OPTIONS, identifier)
        except NoPhoto as error:
            rejected = [{"image": item.key, **item.as_json()} for item in error.rejected]
            raise Problem(409, "no-usable-photo", str(error), rejected=rejected) from error
        except NoName as error:
            raise Problem(409, "no-name", str(error)) from error
        except OtherVectors as error:
            raise Problem(409, "other-vectors", str(error)) from error
        return result.as_json(spec)

    def forget(self, id: int) -> dict[str, Any]:
        """Remove somebody -> the receipt.

        Raises:
            Problem: nobody has that id.
        """
        gallery, _, person = self._find(id)
        try:
            return forget(person.name, gallery).as_json()
        except DataError as error:
            if error.__cause__:  # the database failed
                raise
            raise Problem(404, "no-such-person", str(error)) from error

    def _open(self, *, create: bool = False) -> tuple[Gallery, Identifier] | None:
        """The gallery and what identifies faces in it; None where there is no gallery and none is created.

        Raises:
            MissingExtra, DataError: it cannot be opened.
        """
        with self._lock:
            if self._opened is None and (create or is_there()):
                gallery = opened(make=create)
                self._opened = gallery, Identifier(gallery)
            return self._opened

    def _find(self, id: int) -> tuple[Gallery, Identifier, PersonRecord]:
        pair = self._open()
        people = pair[0].people([id]) if pair else []
        if pair is None or not people:
            raise Problem(404, "no-such-person", "There is no person with this id")
        return *pair, people[0]


def _no_gallery() -> tuple[Gallery, Identifier]:
    raise DataError("there is no gallery, and none could be created")


def _refs(photos: Sequence[Upload]) -> list[PhotoRef]:
    """Photos by their own names, with a number where a name repeats."""
    names = [photo.name for photo in photos]
    keys = [name if name not in names[:i] else f"{name} ({i + 1})" for i, name in enumerate(names)]
    return [PhotoRef(Origin(key), data=photo.data) for key, photo in zip(keys, photos, strict=True)]
