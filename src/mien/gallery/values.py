"""What goes into a gallery and what comes out; knows no database."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mien.errors import DataError
from mien.text import escape
from mien.types import Floats, Ints

_LONGEST = 200


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A person's face in a photo, to be enrolled: SHA-256 of the photo's bytes, vector, side in pixels, and score."""

    sha256: str
    vector: Floats
    side: float
    score: float


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """Somebody in the gallery: `consent` is what was noted about it."""

    id: int
    name: str
    photos: int
    created: datetime
    consent: str | None

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien people` prints."""
        return {
            "id": self.id,
            "name": self.name,
            "photos": self.photos,
            "created": self.created.isoformat(timespec="seconds"),
            "consent": self.consent,
        }


@dataclass(frozen=True, slots=True)
class EmbeddingSpec:
    """How a gallery's vectors are made: the chain as JSON, and the digest of it and of its weights."""

    spec: str
    digest: str


@dataclass(frozen=True, slots=True)
class Added:
    """What came of enrolling: the person, which photos are new, and which were enrolled before, under which name."""

    person: PersonRecord
    added: tuple[str, ...]
    before: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What happened to templates: those (n, d) that are new or other, by their people, and the ids of who went."""

    version: int
    ids: Ints
    templates: Floats
    gone: Ints


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was removed, when, and whether the files were rewritten so that no byte of it is left in them.

    photos: the checksums of the photos. cached: entries of the cache that went with them.
    """

    person: int
    name: str
    photos: tuple[str, ...]
    vectors: int
    cached: int
    forgotten: datetime
    erased: bool

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien forget` prints."""
        return {
            "person": self.name,
            "id": self.person,
            "photos": len(self.photos),
            "vectors": self.vectors,
            "cache_entries": self.cached,
            "sha256": list(self.photos),
            "forgotten": self.forgotten.isoformat(timespec="seconds"),
            "erased": self.erased,
        }


class NoName(DataError):
    """What was given is not a name."""


class OtherVectors(DataError):
    """The gallery's vectors are made in another way than these, and cannot be compared with them."""


class NothingNew(DataError):
    """Somebody was with every one of these photos enrolled before. before: who, by the photo's checksum."""

    def __init__(self, message: str, before: Mapping[str, str]) -> None:
        super().__init__(message)
        self.before = before


def tidy(name: str) -> str:
    """A person's name as it is kept: composed letters, single spaces.

    Raises:
        NoName: it is empty, too long, or holds what cannot be printed.
    """
    plain = " ".join(unicodedata.normalize("NFC", name).split())
    if not plain or len(plain) > _LONGEST or escape(plain) != plain:
        raise NoName(f"{escape(name)[:60]!r} is no name: use 1 to {_LONGEST} letters that can be printed")
    return plain


def folded(name: str) -> str:
    """A name as it is compared: without case, and with full-width and other forms of a letter taken as that letter."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
