"""What goes into a gallery and what comes out of it: faces, people, results, errors."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mien.errors import DataError
from mien.text import escape
from mien.types import Floats, Ints

_LONGEST = 200


@dataclass(frozen=True, slots=True, eq=False)
class FaceSample:
    """A face to enroll: SHA-256 of the photo's bytes, vector (d,), side in pixels, and the detector's score."""

    sha256: str
    vector: Floats
    side: float
    score: float


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person in the gallery; `photos` is how many, `consent` the note about it."""

    id: int
    name: str
    photos: int
    created: datetime
    consent: str | None

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien people` prints."""
        return asdict(self) | {"created": self.created.isoformat(timespec="seconds")}


@dataclass(frozen=True, slots=True)
class EmbeddingSpec:
    """How a gallery's vectors are made: the pipeline as JSON, and the digest of it and of its weights."""

    spec: str
    digest: str


@dataclass(frozen=True, slots=True)
class EnrollResult:
    """The person, the photos that are new, and those enrolled before, with the name; photos by their checksums."""

    person: PersonRecord
    added: tuple[str, ...]
    before: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class TemplateChanges:
    """Templates that are new or changed (n, d), the ids of their people (n,), and the ids of people who are gone."""

    version: int
    ids: Ints
    templates: Floats
    gone: Ints


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What was removed, when, and whether the files were rewritten so that no byte of it is left in them.

    photos: the checksums of the photos. cached: how many cache entries were removed.
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


class InvalidName(DataError):
    """A name cannot be used."""


class IncompatibleVectors(DataError):
    """The gallery's vectors were made by another pipeline and cannot be compared with these."""


class NothingToEnroll(DataError):
    """Every photo was enrolled before. before: the name, by the photo's checksum."""

    def __init__(self, message: str, before: Mapping[str, str]) -> None:
        super().__init__(message)
        self.before = before


def normalize_name(name: str) -> str:
    """A person's name as it is stored: composed letters, single spaces.

    Raises:
        InvalidName: it is empty, too long, or has characters that cannot be printed.
    """
    plain = " ".join(unicodedata.normalize("NFC", name).split())
    if not plain or len(plain) > _LONGEST or escape(plain) != plain:
        raise InvalidName(f"{escape(name)[:60]!r} is not a name: use 1 to {_LONGEST} printable characters")
    return plain


def fold_person(name: str) -> str:
    """A name as it is compared: without case, and with full-width and other forms of a letter unified."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
