"""People known by name: kept in a database, found again by their faces; knows vectors, and no photo's pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mien.registry import Registry

if TYPE_CHECKING:
    from mien.gallery.book import Gallery

__all__ = ["open_gallery"]

_PARTS: Registry[type[Gallery]] = Registry(
    "part", {"the gallery": "mien.gallery.book:Gallery"}, {"the gallery": "serve"}
)


def open_gallery(address: str, *, make: bool) -> Gallery | None:
    """A path or a URL -> the gallery there, brought up to this version; None where there is none and none is made.

    Raises:
        MissingExtra: the packages for it are not installed. DataError: it cannot be opened.
    """
    kind = _PARTS.load("the gallery")
    return kind(address) if make or kind.exists(address) else None
