"""The cache of embeddings in SQLite: results of a photo, addressed by its content and by what computed them.

Safe for several processes at once, and safe to delete at any time.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mien.types import Detection, Embedding, Floats, Origin, Reason, Rejected

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    chain BLOB NOT NULL, photo BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (chain, photo)
) WITHOUT ROWID
"""
_MOST_VARIABLES = 500  # SQLite's own limit was 999 for long
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

# Depends on the pipeline alone; a missing file, a limit or what a decoder cannot read may be different tomorrow.
_CACHEABLE = frozenset({Reason.NO_FACE})
_FLOAT32, _FLOAT16 = "<f4", "<f2"  # little-endian


@dataclass(frozen=True, slots=True)
class Cache:
    """Values by (pipeline, photo): the digest of what computed them, and SHA-256 of the photo's bytes.

    A cache that cannot be opened or written acts as an empty one: the work is done again, and nothing fails. A damaged
    one is removed and started again.
    """

    path: Path

    def get(self, spec: bytes, photos: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The values that are stored for these photos."""

        def look_up(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            values: dict[bytes, bytes] = {}
            for start in range(0, len(photos), _MOST_VARIABLES):
                chunk = photos[start : start + _MOST_VARIABLES]
                marks = ",".join("?" * len(chunk))
                query = f"SELECT photo, value FROM results WHERE chain = ? AND photo IN ({marks})"  # noqa: S608 (marks only)
                values.update(connection.execute(query, (spec, *chunk)))
            return values

        with contextlib.suppress(sqlite3.Error, OSError):
            return self._run(look_up)
        return {}

    def put(self, spec: bytes, values: Iterable[tuple[bytes, bytes]]) -> None:
        """Store values of photos, all of them or none."""
        rows = [(spec, photo, value) for photo, value in values]
        query = "INSERT OR REPLACE INTO results VALUES (?, ?, ?)"
        if rows:
            with contextlib.suppress(sqlite3.Error, OSError):
                self._run(lambda connection: connection.executemany(query, rows))

    def forget(self, photos: Iterable[bytes]) -> int:
        """Remove all values of these photos, with every byte of them -> how many there were.

        Raises:
            sqlite3.Error, OSError: it could not be removed, or not yet from the file.
        """
        if not self.path.exists():
            return 0
        rows = [(photo,) for photo in photos]
        query = "DELETE FROM results WHERE photo = ?"
        removed = self._run(lambda connection: connection.executemany(query, rows).rowcount)
        # Deleted rows are zeroed, but SQLite leaves copies where it moved rows between pages: the file is rewritten.
        self._run(lambda connection: connection.execute("VACUUM"))
        return removed

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._run_once(work)
        except sqlite3.DatabaseError as error:
            # An extended code holds the plain one in its low byte; SQLite's own module raises some without any.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise  # locked, read-only or full: the file itself is intact
            for suffix in ("-wal", "-shm", ""):  # the log first: left behind, it would be read into the new file
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            return self._run_once(work)

    def _run_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # Opened for each call: a thread's connection would outlive it, and a call serves a whole batch of photos.
        with contextlib.closing(self._connect()) as connection, connection:
            return work(connection)

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=10)
        try:
            with contextlib.suppress(sqlite3.OperationalError):  # another process is using it right now
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


def pack(results: Sequence[Embedding | Rejected]) -> bytes | None:
    """All results of one photo -> bytes; None where they should not be cached."""
    faces: list[dict[str, object]] = []
    vectors: list[Floats] = []
    for result in results:
        if isinstance(result, Rejected):
            if result.reason not in _CACHEABLE:
                return None
            return json.dumps({"rejected": [result.stage, str(result.reason), result.detail]}).encode()
        face = result.face
        landmarks = None if face.landmarks is None else face.landmarks.tolist()
        faces.append({"index": face.index, "box": face.box, "score": face.score, "landmarks": landmarks})
        if face.turned:
            faces[-1]["turned"] = face.turned
        vectors.append(result.vector)
    with np.errstate(over="ignore"):  # float16 where it loses nothing: features are rounded to it where they are made
        lossless = all(np.array_equal(vector, vector.astype(_FLOAT16).astype(_FLOAT32)) for vector in vectors)
    kind = _FLOAT16 if lossless else _FLOAT32
    head = json.dumps({"type": kind, "faces": faces}).encode()
    return head + b"\n" + b"".join(vector.astype(kind).tobytes() for vector in vectors)


def unpack(data: bytes, origin: Origin) -> list[Embedding | Rejected]:
    """Bytes -> the results, as of the photo at `origin`.

    Raises:
        ValueError, KeyError, TypeError: the bytes are not what `pack` makes.
    """
    head, _, tail = data.partition(b"\n")
    fields = json.loads(head)
    if "rejected" in fields:
        stage, reason, detail = fields["rejected"]
        return [Rejected(origin, str(stage), Reason(reason), str(detail))]
    faces = [_face(**face) for face in fields["faces"]]
    kind = fields.get("type", _FLOAT32)  # entries of an earlier release do not say it
    if kind not in (_FLOAT32, _FLOAT16):
        raise ValueError(f"numbers of the type {kind!r}")
    vectors = np.frombuffer(tail, kind).astype(np.float32).reshape(len(faces), -1)
    return [Embedding(origin, face, vector) for face, vector in zip(faces, vectors, strict=True)]


def _face(index: Any, box: Any, score: Any, landmarks: object, turned: Any = 0) -> Detection:
    points = None if landmarks is None else np.asarray(landmarks, np.float32).reshape(5, 2)
    return Detection(int(index), tuple(box), float(score), points, int(turned))
