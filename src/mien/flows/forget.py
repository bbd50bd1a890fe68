"""Somebody out of the gallery and out of the cache."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from mien.config import settings
from mien.errors import DataError
from mien.store.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mien.gallery.gallery import Gallery
    from mien.gallery.records import ErasureReceipt


def forget(name: str, gallery: Gallery) -> ErasureReceipt:
    """A name -> nobody: rows, vectors, and what was remembered of the photos, in one transaction.

    Raises:
        DataError: there is nobody of that name, or the gallery or the cache cannot be written; then all of it stays.
    """
    return gallery.forget(name, _clean_cache)


def _clean_cache(photos: Sequence[bytes]) -> int:
    cache = Cache(settings().home / "cache.sqlite")
    try:
        return cache.forget(photos)
    except (sqlite3.Error, OSError) as error:
        raise DataError(
            f"nobody was forgotten, since the cache {cache.path} could not be written ({error}):"
            " try again, or delete it"
        ) from error
