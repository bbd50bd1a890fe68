"""Who is enrolled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mien.config import gallery as address
from mien.flows.identify import Identifier, Match
from mien.gallery import open_gallery
from mien.gallery.records import PersonRecord
from mien.gallery.threshold import Threshold

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery

_COMPARED = 10_000  # people who are compared with each other, which takes a second on one core


def line(person: PersonRecord, close: Sequence[Match]) -> dict[str, Any]:
    """The line that `mien people` prints for somebody."""
    return {**person.as_json(), "close": [other.as_json() for other in close]}


@dataclass(frozen=True, slots=True)
class People:
    """Everybody with those whom they are too close to, whether that was looked at, and the threshold."""

    listed: Sequence[tuple[PersonRecord, Sequence[Match]]]
    compared: bool = True
    threshold: Threshold | None = None


def people() -> People:
    """Everybody in the gallery by name; nobody where there is no gallery, and none is made.

    Raises:
        MissingExtra: the packages for it are not installed. DataError: it cannot be opened.
    """
    gallery = open_gallery(address(), create=False)
    if gallery is None:
        return People([])
    with gallery:
        return everybody(gallery, Identifier(gallery))


def everybody(gallery: Gallery, identifier: Identifier) -> People:
    """Everybody in a gallery by name."""
    known = gallery.people()
    compared = len(known) <= _COMPARED
    close = identifier.too_close([person.id for person in known]) if compared else {}
    return People([(person, close.get(person.id, [])) for person in known], compared, identifier.threshold())
