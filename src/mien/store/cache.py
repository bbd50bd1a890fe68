"""The cache of what was computed from a photo: SQLite, addressed by content; knows neither photos nor vectors.

Safe for several processes at once, and safe to delete at any time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    chain BLOB NOT NULL, photo BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (chain, photo)
) WITHOUT ROWID
"""
_MOST_VARIABLES = 500  # SQLite's own limit was 999 for long


@dataclass(frozen=True, slots=True)
class Cache:
    """Values by (chain, photo): what computed them, and SHA-256 of the bytes that they were computed from.

    A cache that cannot be opened or written is as good as an empty one: the work is done again, and nothing fails.
    """

    path: Path

    def get(self, chain: bytes, photos: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The values that there are for these photos."""
        found: dict[bytes, bytes] = {}
        with contextlib.suppress(sqlite3.Error, OSError), self._session() as connection:
            for start in range(0, len(photos), _MOST_VARIABLES):
                some = photos[start : start + _MOST_VARIABLES]
                marks = ",".join("?" * len(some))
                query = f"SELECT photo, value FROM results WHERE chain = ? AND photo IN ({marks})"  # noqa: S608 (marks only)
                found.update(connection.execute(query, (chain, *some)))
        return found

    def put(self, chain: bytes, values: Iterable[tuple[bytes, bytes]]) -> None:
        """Remember values of photos, all of them or none."""
        rows = [(chain, photo, value) for photo, value in values]
        if rows:
            with contextlib.suppress(sqlite3.Error, OSError), self._session() as connection:
                connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", rows)

    def forget(self, photos: Iterable[bytes]) -> int:
        """Remove all that was computed from these photos; how many values went."""
        if not self.path.exists():
            return 0
        with self._session() as connection:
            return sum(connection.execute("DELETE FROM results WHERE photo = ?", (photo,)).rowcount for photo in photos)

    @contextlib.contextmanager
    def _session(self) -> Iterator[sqlite3.Connection]:
        # Opened for each call: a thread's connection would outlive it, and a call serves a whole batch of photos.
        try:
            connection = self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # locked, read-only or full: the file itself is well
            self.path.unlink(missing_ok=True)
            connection = self._connect()
        with contextlib.closing(connection), connection:
            yield connection

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
