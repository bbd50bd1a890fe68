"""API keys in the service's database, and whether a request may do what it asks for.

A key's secret is 256 random bits, all equally likely, so that one round of SHA-256 protects it as well as a slow hash
protects a password, without taking a tenth of a second for each request.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from functools import cached_property
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable
from starlette.requests import Request

from mien.errors import DataError
from mien.serve.logs import AuditLog
from mien.serve.metrics import Metrics
from mien.serve.problems import Problem
from mien.serve.settings import ServiceConfig

COOKIE = "mien-key"
"""The cookie in which a page lends its key to a link that the browser opens by itself."""

GUESSES = 20
"""Wrong keys per address and minute that are answered as such."""

_KEY = re.compile(r"mien_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_NO_KEY = sha256(b"").hexdigest()
_LEGACY = "keys.json"  # where keys were kept before there was a database
_TABLE = sql.Table(
    "keys",
    sql.MetaData(),
    sql.Column("id", sql.String, primary_key=True),
    *(sql.Column(name, sql.String, nullable=False) for name in ("scope", "hash", "created", "note")),
    sql.Column("revoked", sql.String),
)


class Scope(IntEnum):
    """What a key may do; each scope includes those before it."""

    READ = 1
    ENROL = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()

    @staticmethod
    def parse(text: str) -> Scope:
        """A scope by its name; a `DataError` if there is none."""
        try:
            return Scope[text.upper()]
        except KeyError as error:
            raise DataError(f"there is no scope {text!r}: use read, enrol or admin") from error


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored, without its secret. note: what it is for."""

    id: str
    scope: Scope
    hash: str
    created: str
    note: str = ""
    revoked: str | None = None

    def as_json(self) -> dict[str, Any]:
        row = _row(self)
        return {name: row[name] for name in ("id", "scope", "note", "created", "revoked")}


class KeyStore:
    """The keys in a database; what another process changes is seen by the next request.

    Raises:
        DataError: in every method, if the database cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, scope: Scope, note: str = "") -> tuple[Key, str]:
        """Make a key -> the key, and the text that its holder sends, which is stored nowhere."""
        secret = secrets.token_urlsafe(32)
        key = Key(secrets.token_hex(4), scope, sha256(secret.encode()).hexdigest(), _now(), note)
        with self._connection() as connection:
            connection.execute(sql.insert(_TABLE).values(_row(key)))
        return key, f"mien_{key.id}_{secret}"

    def revoke(self, id: str) -> Key:
        """Have a key refused from now on; a `DataError` if there is none with that id."""
        with self._connection() as connection:
            unrevoked = (_TABLE.c.id == id) & (_TABLE.c.revoked.is_(None))
            connection.execute(sql.update(_TABLE).where(unrevoked).values(revoked=_now()))
            row = connection.execute(sql.select(_TABLE).where(_TABLE.c.id == id)).one_or_none()
        if row is None:
            raise DataError(f"there is no key {id!r}: 'mien serve keys list' shows all keys")
        return _key(row._asdict())

    def all(self) -> list[Key]:
        """All keys, revoked ones included, the oldest first."""
        if not self.path.exists() and not self.path.with_name(_LEGACY).exists():
            return []
        with self._connection() as connection:
            rows = connection.execute(sql.select(_TABLE).order_by(sql.literal_column("rowid")))
            return [_key(row._asdict()) for row in rows]

    def any_valid(self) -> bool:
        """Whether there is a key that is not revoked."""
        return any(key.revoked is None for key in self.all())

    def verify(self, text: str) -> Key | None:
        """The text that a request carries -> its key, unless it is unknown or revoked; in constant time."""
        match = _KEY.fullmatch(text)
        with self._connection() as connection:
            query = sql.select(_TABLE).where(_TABLE.c.id == (match[1] if match else ""))
            row = connection.execute(query).one_or_none()
        key = _key(row._asdict()) if row else None
        digest = sha256(match[2].encode() if match else b"").hexdigest()
        same = compare_digest(digest, key.hash if key else _NO_KEY)
        return key if key and same and key.revoked is None else None

    @contextmanager
    def _connection(self) -> Iterator[sql.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except (DBAPIError, OSError) as error:
            reason = getattr(error, "orig", None) or error
            raise DataError(
                f"the keys in {self.path} cannot be used ({reason}): restore the file or remove it"
            ) from error

    @cached_property
    def _engine(self) -> sql.Engine:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        engine = sql.create_engine(f"sqlite:///{self.path}", connect_args={"timeout": 30})
        with engine.begin() as connection:
            connection.execute(CreateTable(_TABLE, if_not_exists=True))
            if (legacy := self.path.with_name(_LEGACY)).exists():
                for key in _read_legacy(legacy):
                    connection.execute(sql.insert(_TABLE).prefix_with("OR IGNORE").values(_row(key)))
        if legacy.exists():
            legacy.replace(legacy.with_suffix(".json.imported"))
        return engine


def _read_legacy(path: Path) -> list[Key]:
    try:
        return [_key(fields) for fields in json.loads(path.read_bytes())]
    except (ValueError, KeyError, TypeError, DataError) as error:
        # Going on without them would leave holders of keys locked out, and revoked keys forgotten.
        raise DataError(f"the keys in {path} cannot be read ({error}): restore the file or remove it") from error


def _key(fields: Mapping[str, Any]) -> Key:
    return Key(**{**fields, "scope": Scope.parse(fields["scope"])})


def _row(key: Key) -> dict[str, Any]:
    return {**asdict(key), "scope": str(key.scope)}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class RateLimiter:
    """So many requests a minute for each name."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        # The window of fixed length is the one strategy whose entries the storage drops by itself.
        self.storage = MemoryStorage()
        self._windows = FixedWindowRateLimiter(self.storage)

    def acquire(self, name: str) -> int:
        """Count a request: 0 if it is allowed, otherwise the seconds until the next one is."""
        if self._windows.hit(self._limit, name):
            return 0
        reset = self._windows.get_window_stats(self._limit, name).reset_time
        return max(1, math.ceil(reset - time.time()))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: the key's id, None where no key is needed, and the address."""

    key: str | None
    address: str
    request: str

    def as_json(self) -> dict[str, str | None]:
        return asdict(self)


class Authenticator:
    """Accepts requests with a key of the scope that a route needs; all requests where no key is needed."""

    def __init__(self, config: ServiceConfig, audit: AuditLog, metrics: Metrics) -> None:
        self.needs_keys, self.keys = config.needs_keys, KeyStore(config.database)
        self._audit, self._metrics = audit, metrics
        self._rates, self._guesses = RateLimiter(config.limits.requests), RateLimiter(GUESSES)

    def check(self, request: Request, scope: Scope) -> Caller:
        """A request -> who sent it; a `Problem` if its key is missing, wrong, revoked, too weak or used too often."""
        caller = Caller(None, request.client.host if request.client else "", request.scope.get("mien.id", ""))
        if not self.needs_keys:
            return caller
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        text = text.strip() if kind.lower() == "bearer" else request.cookies.get(COOKIE, "")
        key = self.keys.verify(text) if text else None
        if key is None:
            raise self._unauthorized(caller, guessed=bool(text))
        caller = replace(caller, key=key.id)
        if wait := self._rates.acquire(key.id):
            self._metrics.refused.labels("rate").inc()
            raise Problem(429, "too-many-requests", "Too many requests with this key", {"Retry-After": str(wait)})
        if key.scope < scope:
            self._refuse("scope", caller)
            raise Problem(403, "forbidden", f"This key has scope {key.scope}, but {scope} is needed")
        return caller

    def _unauthorized(self, caller: Caller, *, guessed: bool) -> Problem:
        wait = self._guesses.acquire(caller.address) if guessed else 0
        if wait:  # not in the audit log, or guesses would fill the disk
            self._metrics.refused.labels("guess").inc()
            return Problem(429, "too-many-requests", "Too many wrong keys", {"Retry-After": str(wait)})
        self._refuse("wrong key" if guessed else "no key", caller)
        detail = "Unknown or revoked key" if guessed else "Send a key: Authorization: Bearer KEY"
        return Problem(401, "unauthorized", detail, {"WWW-Authenticate": "Bearer"})

    def _refuse(self, why: str, caller: Caller) -> None:
        self._metrics.refused.labels(why).inc()
        self._audit.write("refused", why=why, **caller.as_json())


def require(scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    """The dependency of a route that needs a scope: who sent the request."""

    async def dependency(request: Request) -> Caller:
        authenticator: Authenticator = request.app.state.authenticator
        return authenticator.check(request, scope)

    return dependency
