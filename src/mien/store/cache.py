"""The cache of what was computed from a photo: SQLite, addressed by content; knows neither photos nor vectors.

Safe for several processes at once, and safe to delete at any time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    chain BLOB NOT NULL, photo BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (chain, photo)
) WITHOUT ROWID
"""
_MOST_VARIABLES = 500  # SQLite's own limit was 999 for long
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True, slots=True)
class Cache:
    """Values by (chain, photo): what computed them, and SHA-256 of the bytes that they were computed from.

    A cache that cannot be opened or written is as good as an empty one: the work is done again, and nothing fails.
    One that is damaged, on whichever page that shows, is removed and begun anew.
    """

    path: Path

    def get(self, spec: bytes, photos: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The values that there are for these photos."""

        def look_up(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            found: dict[bytes, bytes] = {}
            for start in range(0, len(photos), _MOST_VARIABLES):
                some = photos[start : start + _MOST_VARIABLES]
                marks = ",".join("?" * len(some))
                query = f"SELECT photo, value FROM results WHERE chain = ? AND photo IN ({marks})"  # noqa: S608 (marks only)
                found.update(connection.execute(query, (spec, *some)))
            return found

        with contextlib.suppress(sqlite3.Error, OSError):
            return self._do(look_up)
        return {}

    def put(self, spec: bytes, values: Iterable[tuple[bytes, bytes]]) -> None:
        """Remember values of photos, all of them or none."""
        rows = [(spec, photo, value) for photo, value in values]
        query = "INSERT OR REPLACE INTO results VALUES (?, ?, ?)"
        if rows:
            with contextlib.suppress(sqlite3.Error, OSError):
                self._do(lambda connection: connection.executemany(query, rows))

    def forget(self, photos: Iterable[bytes]) -> int:
        """Remove all that was computed from these photos, and every byte of it; how many values went.

        Raises:
            sqlite3.Error, OSError: it could not be removed, or not yet from the file.
        """
        if not self.path.exists():
            return 0
        rows = [(photo,) for photo in photos]
        removed = self._do(
            lambda connection: connection.executemany("DELETE FROM results WHERE photo = ?", rows).rowcount
        )
        # What is deleted is zeroed, but copies are left where rows were moved between pages: the file is written anew.
        self._do(lambda connection: connection.execute("VACUUM"))
        return removed

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._once(work)
        except sqlite3.DatabaseError as error:
            # An extended code holds the plain one in its low byte; SQLite's own module raises some without any.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise  # locked, read-only or full: the file itself is well
            self._remove()
            return self._once(work)

    def _once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # Opened for each call: a thread's connection would outlive it, and a call serves a whole batch of photos.
        with contextlib.closing(self._connect()) as connection, connection:
            return work(connection)

    def _remove(self) -> None:
        # The log goes first: left behind, it would be read into the new file.
        for suffix in ("-wal", "-shm", ""):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=10)
        try:
            with contextlib.suppress(sqlite3.OperationalError):  # another process is at it in this moment
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def digest(data: bytes) -> bytes:
    """SHA-256, the address of some bytes."""
    return sha256(data).digest()
