"""The database of a gallery: where it lies, how it is spoken to, and how its tables are brought up to date.

SQLite is kept in write-ahead mode, so that reading goes on while somebody writes, and zeroes what it deletes.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from mien.errors import DataError

HEAD = "0001"
"""The newest of the migrations."""

WRITES = "mien_writes"
"""The option of a connection that will write: SQLite locks at once, and not half way through."""

_PATIENCE = 60
_LOCK = 0x6D69656E  # any number, the same for all; this one spells "mien"
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def connect(address: str) -> Engine:
    """A path or a URL -> an engine on a database whose tables are those of this version.

    Raises:
        DataError: it cannot be opened, is no gallery, or belongs to a newer mien.
    """
    engine = _engine(address)
    try:
        with spoken(engine):
            if engine.dialect.name == "sqlite":
                _listen(engine)
            _upgrade(engine)
    except DataError:
        engine.dispose()
        raise
    return engine


def exists(address: str) -> bool:
    """Whether there is something at an address; a server is taken to be there."""
    path = _path(address)
    return path is None or path.exists()


def shown(engine: Engine) -> str:
    """Where a gallery is, without a password."""
    if engine.dialect.name == "sqlite":
        return str(engine.url.database)
    return engine.url.render_as_string(hide_password=True)


@contextmanager
def spoken(engine: Engine) -> Iterator[None]:
    """What the database refuses, in a sentence.

    Raises:
        DataError: the database refused.
    """
    try:
        yield
    except DBAPIError as error:
        why = str(error.orig).strip().splitlines()[0] if error.orig else "no reason given"
        raise DataError(f"the gallery {shown(engine)} could not be used ({why}): {_remedy(error.orig)}") from error


def _remedy(error: BaseException | None) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another program is at it, try again when it has ended"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "restore it from a backup, or name another with MIEN_GALLERY"
    if code == sqlite3.SQLITE_FULL:
        return "make room on the disk and run the same command again"
    return "check that it is the one you mean and that you may use it"


def _path(address: str) -> Path | None:
    """The file that an address names; None where it is a server."""
    if "://" not in address:
        return Path(address).expanduser()
    url = _url(address)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _url(address: str) -> Any:
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise DataError("MIEN_GALLERY is no URL: use a path, or postgresql://USER@HOST/DATABASE") from error
    if url.drivername not in _DRIVERS:
        raise DataError(f"a gallery cannot be kept in {url.drivername!r}: use a path, or a URL postgresql://...")
    return url.set(drivername=_DRIVERS[url.drivername])


def _engine(address: str) -> Engine:
    path = _path(address)
    if path is None:
        return create_engine(_url(address), pool_pre_ping=True)
    if path.is_dir() or not path.name:
        raise DataError(f"the gallery {path} is a folder: name a file in it with MIEN_GALLERY")
    _make(path)
    return create_engine(f"sqlite:///{path}", connect_args={"timeout": _PATIENCE})


def _make(path: Path) -> None:
    """An empty file that only its owner may read; SQLite gives the files beside it the same rights."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise DataError(
            f"the gallery {path} could not be made ({error.strerror}): name another with MIEN_GALLERY"
        ) from error


def _listen(engine: Engine) -> None:
    def opened(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions are begun below, as readers and writers need them
        _write_ahead(connection)
        for setting in ("synchronous = FULL", "secure_delete = ON", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}").fetchall()

    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", opened)
    event.listen(engine, "begin", begun)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Change to write-ahead mode, as often as it takes: for this alone SQLite waits for nobody who writes.

    Raises:
        sqlite3.OperationalError: somebody wrote for longer than anybody should, or the file cannot be used.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.01)


def _upgrade(engine: Engine) -> None:
    """Bring the tables up to date, one process at a time and all or nothing.

    Raises:
        DataError: they belong to a newer mien.
    """
    if _revision(engine) == HEAD:
        return
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, HEAD)
        except CommandError as error:
            raise DataError(f"the gallery {shown(engine)} was made by a newer mien: upgrade mien") from error


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
