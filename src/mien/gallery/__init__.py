"""The gallery: people stored by name in a database and recognized by their faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mien.registry import Registry

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery

__all__ = ["open_gallery"]

_PARTS: Registry[type[Gallery]] = Registry(
    "part", {"the gallery": "mien.gallery.gallery:Gallery"}, {"the gallery": "serve"}
)


def open_gallery(address: str, *, create: bool) -> Gallery | None:
    """A path or a URL -> the gallery there, brought up to date; None where there is none and none is to be created.

    Raises:
        MissingExtra: the packages for it are not installed. DataError: it cannot be opened.
    """
    kind = _PARTS.load("the gallery")
    return kind(address) if create or kind.exists(address) else None
