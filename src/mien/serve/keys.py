"""API keys: made, listed, revoked, and recognised; knows a file of their hashes, and no request.

A key's secret is 256 random bits. A password needs a slow hash because few are likely; of these all are equally
likely, no hash of them can be guessed back, and so one round of SHA-256 does what scrypt does for passwords, without
taking a tenth of a second for each request.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from threading import Lock
from typing import Any

from mien import fileio
from mien.errors import DataError

_KEY = re.compile(r"mien_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_NOBODY = sha256(b"").hexdigest()


class Scope(IntEnum):
    """What a key may do; each may do what those before it may."""

    READ = 1
    ENROL = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()

    @staticmethod
    def named(text: str) -> Scope:
        """By its name.

        Raises:
            DataError: there is none of that name.
        """
        try:
            return Scope[text.upper()]
        except KeyError as error:
            raise DataError(f"there is no scope {text!r}: use read, enrol or admin") from error


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept: never its secret. note: what it is for."""

    id: str
    scope: Scope
    hash: str
    created: str
    note: str = ""
    revoked: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien serve keys list` prints."""
        return {
            "id": self.id,
            "scope": str(self.scope),
            "note": self.note,
            "created": self.created,
            "revoked": self.revoked,
        }


class Keys:
    """The keys in a file; what another process changes is seen by the next question."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = Lock()
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def add(self, scope: Scope, note: str = "") -> tuple[Key, str]:
        """A new key, and the text that its holder sends: the only time that there is one.

        Raises:
            DataError: the file cannot be written.
        """
        secret = secrets.token_urlsafe(32)
        with self._changing() as keys:
            key = Key(_free(keys), scope, sha256(secret.encode()).hexdigest(), _now(), note)
            keys[key.id] = key
        return key, f"mien_{key.id}_{secret}"

    def revoke(self, id: str) -> Key:
        """From now on the key is refused.

        Raises:
            DataError: there is none of that id, or the file cannot be written.
        """
        with self._changing() as keys:
            if id not in keys:
                raise DataError(f"there is no key {id!r}: 'mien serve keys list' shows those that there are")
            if keys[id].revoked is None:
                keys[id] = replace(keys[id], revoked=_now())
            return keys[id]

    def all(self) -> list[Key]:
        """Every key that ever was, the oldest first."""
        return list(self._current().values())

    def usable(self) -> bool:
        """Whether there is a key that is not revoked."""
        return any(key.revoked is None for key in self.all())

    def recognise(self, text: str) -> Key | None:
        """What a request carries -> the key, unless there is none such or it was revoked; in constant time."""
        found = _KEY.fullmatch(text)
        key = self._current().get(found[1]) if found else None
        said = sha256(found[2].encode() if found else b"").hexdigest()
        same = compare_digest(said, key.hash if key else _NOBODY)
        return key if key is not None and same and key.revoked is None else None

    def _current(self) -> dict[str, Key]:
        with self._turn:
            try:
                status = self.path.stat()
            except FileNotFoundError:
                self._seen, self._keys = None, {}
                return self._keys
            stamp = status.st_ino, status.st_mtime_ns, status.st_size
            if stamp != self._seen:
                self._keys, self._seen = _read(self.path), stamp
            return self._keys

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Key]]:
        """The keys, alone; what was changed is written at the end."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise fileio.write_error(self.path, error) from error
        try:
            _wait(lock)
            keys = dict(self._current())
            yield keys
            whole = [{**key.as_json(), "hash": key.hash} for key in keys.values()]
            fileio.write(self.path, json.dumps(whole, indent=1).encode())
            self.path.chmod(0o600)
        finally:
            os.close(lock)


def _wait(lock: int) -> None:
    """Wait until no other process changes the keys."""
    if sys.platform == "win32":
        return
    import fcntl  # not there on Windows

    fcntl.flock(lock, fcntl.LOCK_EX)


def _read(path: Path) -> dict[str, Key]:
    try:
        made = [Key(**{**each, "scope": Scope.named(each["scope"])}) for each in json.loads(path.read_bytes())]
        return {key.id: key for key in made}
    except (OSError, ValueError, TypeError, KeyError, DataError) as error:
        # To go on without any would be to let everybody in, or nobody.
        raise DataError(f"the keys in {path} cannot be read ({error}): restore the file or remove it") from error


def _free(keys: dict[str, Key]) -> str:
    while (id := secrets.token_hex(4)) in keys:
        pass
    return id


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
