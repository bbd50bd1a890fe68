"""The gallery as the service holds it: opened when there is one, and asked who faces are; knows no request."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING

from mien.errors import DataError, MienError
from mien.pipeline.identify import (
    FaceNamer,
    Identifier,
    enrollment_spec,
    gallery_exists,
    gallery_spec,
    open_gallery,
)
from mien.pipeline.spec import PipelineSpec

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery

_log = logging.getLogger("mien.serve")


class People:
    """Who is enrolled. detector: the one that the service was told to use, or "auto"."""

    def __init__(self, detector: str) -> None:
        self._detector = detector
        self._turn = Lock()
        self._held: tuple[Gallery, Identifier] | None = None
        self._naming: FaceNamer | None = None
        self._complaint = ""

    def held(self, *, make: bool = False) -> tuple[Gallery, Identifier] | None:
        """The gallery and who answers from it; None where there is none and none is made.

        Raises:
            MissingExtra, DataError: it cannot be opened.
        """
        with self._turn:
            if self._held is None and (make or gallery_exists()):
                gallery = open_gallery(make=make)
                self._held = gallery, Identifier(gallery)
            return self._held

    def naming(self) -> FaceNamer | None:
        """Who tells the names of faces; None where nobody was ever enrolled.

        Raises:
            MienError: the gallery cannot be used on this machine.
        """
        if self._naming is None and (held := self.held()) is not None:
            gallery, identifier = held
            spec = gallery_spec(gallery)
            if spec is not None:
                spec.ready()
                self._naming = FaceNamer.of(spec, identifier)
        return self._naming

    def beside_a_look(self) -> FaceNamer | None:
        """The same for photos that are looked at anyway: where it fails, names are left out, and the log says why."""
        try:
            found = self.naming()
            if found is None or self._detector in ("auto", found.spec.detector):
                return found
            why = f"their faces were found by {found.spec.detector}, and not by {self._detector}"
        except MienError as error:
            why = str(error)
        if why != self._complaint:
            _log.warning("people are not named", extra={"fields": {"why": why}})
            self._complaint = why
        return None

    def spec(self) -> tuple[Gallery, Identifier, PipelineSpec]:
        """The gallery, made if there is none, and the chain to enrol with.

        Raises:
            DataError: this machine makes other vectors, or the gallery cannot be opened.
        """
        held = self.held(make=True)
        if held is None:
            raise DataError("there is no gallery, and none could be made")
        gallery, identifier = held
        way = enrollment_spec(gallery, self._detector, "auto")
        way.ready()
        return gallery, identifier, way

    def close(self) -> None:
        """Let go of the gallery."""
        with self._turn:
            if self._held is not None:
                self._held[0].close()
                self._held = None
