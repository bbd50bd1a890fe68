"""Somebody out of the gallery without a trace in its files: rows first, then the bytes that they lay in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from mien.gallery.connect import WRITES
from mien.gallery.tables import Book, Person, Photo
from mien.gallery.values import Receipt

Uncache: TypeAlias = Callable[[Sequence[bytes]], int]
"""Checksums of photos -> how many entries of the cache were removed."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What a transaction removed: the person's id and name, the photos' checksums, and entries of the cache."""

    id: int
    name: str
    photos: tuple[str, ...]
    cached: int


def remove(session: Session, person: Person, uncache: Uncache) -> Removed:
    """Delete somebody's rows and what the cache holds of the photos, inside of the caller's transaction.

    The cache goes first: a kill between the two leaves somebody whose photos have to be computed again, and never a
    cache that holds somebody who is gone.
    """
    photos = tuple(session.scalars(select(Photo.sha256).where(Photo.person_id == person.id).order_by(Photo.id)))
    cached = uncache([bytes.fromhex(photo) for photo in photos])
    session.execute(delete(Person).where(Person.id == person.id))  # what belongs to the row goes with it
    return Removed(person.id, person.name, photos, cached)


def receipt(removed: Removed, *, erased: bool) -> Receipt:
    """What is told about it; there is one vector a photo."""
    photos = removed.photos
    now = datetime.now(UTC)
    return Receipt(removed.id, removed.name, photos, len(photos), removed.cached, now, erased)


def sweep(engine: Engine) -> bool:
    """Rewrite the files, so that nothing deleted is left in free space or in the log; whether that could be done.

    It cannot be while somebody else reads; it is then done by the next who opens the gallery.
    """
    try:
        done = _sweep_sqlite(engine) if engine.dialect.name == "sqlite" else _sweep_server(engine)
        if done:
            with engine.execution_options(**{WRITES: True}).begin() as connection:
                connection.execute(update(Book).values(sweep=False))
    except DBAPIError:
        return False
    return done


def _sweep_sqlite(engine: Engine) -> bool:
    # Deleted rows were zeroed, but SQLite leaves copies of some behind where it moved them between pages.
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        row = cursor.fetchone()
        cursor.close()
    finally:
        raw.close()
    return row is not None and row[0] == 0


def _sweep_server(engine: Engine) -> bool:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("embeddings", "photos", "people"):
            connection.execute(text(f"VACUUM (FULL) {table}"))
    return True
