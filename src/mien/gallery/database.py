"""The database of a gallery: its tables, how it is opened, and how it is brought up to date.

A photo is stored as its checksum, never as pixels. A person's template is the mean of all of their vectors, stored
beside them so that a search needs to read no other vectors. SQLite is used in write-ahead mode, so that reading goes on
during a write, and zeroes what it deletes.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    URL,
    Connection,
    DateTime,
    Dialect,
    Double,
    Engine,
    ForeignKey,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeEngine

from mien.errors import DataError
from mien.types import Floats

HEAD = "0001"
"""The newest migration."""

WRITES = "mien_writes"
"""The execution option of a connection that will write: SQLite then locks at once, and not half way through."""

_TIMEOUT = 60  # seconds that one writer waits for another
_LOCK = 0x6D69656E  # any number that all processes share; this one spells "mien"
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_USE = "use a path, or postgresql://USER@HOST/DATABASE"
_BYTES = "<f4"  # numbers in 4 bytes, the least significant first


class Vector(TypeDecorator[Floats]):
    """A vector (d,) float32: pgvector's own type in PostgreSQL, plain bytes elsewhere."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind: TypeEngine[Any] = VECTOR() if dialect.name == "postgresql" else LargeBinary()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Floats | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astype(_BYTES).tobytes()

    def process_result_value(self, value: Any, dialect: Dialect) -> Floats:
        if dialect.name == "postgresql":
            return np.asarray(value, np.float32)
        return np.frombuffer(value, _BYTES).astype(np.float32)


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, also where the database stores no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """The tables of a gallery."""


class GalleryMeta(Base):
    """The one row about the gallery itself.

    spec, digest: how its vectors are made, fixed by the first person. version: raised by every change, so that holders
    of a copy see that it is outdated. sweep: somebody was forgotten, and the file has not been rewritten yet.
    """

    __tablename__ = "gallery"
    id: Mapped[int] = mapped_column(primary_key=True)
    spec: Mapped[str | None] = mapped_column("chain", Text)  # its name on disk
    digest: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[int]
    sweep: Mapped[bool]


class PersonRow(Base):
    """A person; `folded` is the name without case, which no two people share."""

    __tablename__ = "people"
    # Ids are never reused: one in an old log must not come to mean somebody else.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  (as SQLAlchemy wants it)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    folded: Mapped[str] = mapped_column(Text, unique=True)
    consent: Mapped[str | None] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    changed: Mapped[int] = mapped_column(index=True)
    template: Mapped[Floats] = mapped_column(Vector)
    photos: Mapped[list[PhotoRow]] = relationship(
        back_populates="person", cascade="all, delete-orphan", passive_deletes=True, order_by="PhotoRow.id"
    )


class PhotoRow(Base):
    """A photo that a person was enrolled with: SHA-256 of its bytes, in hexadecimal, and when."""

    __tablename__ = "photos"
    __table_args__ = (UniqueConstraint("sha256"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    added: Mapped[datetime] = mapped_column(UtcDateTime)
    person: Mapped[PersonRow] = relationship(back_populates="photos")
    embedding: Mapped[EmbeddingRow] = relationship(
        back_populates="photo", cascade="all, delete-orphan", passive_deletes=True, single_parent=True
    )


class EmbeddingRow(Base):
    """The vector of the face; `digest` says how it was made, `side` (pixels) and `score` how visible the face was."""

    __tablename__ = "embeddings"
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    vector: Mapped[Floats] = mapped_column(Vector)
    digest: Mapped[str] = mapped_column(String(64))
    side: Mapped[float] = mapped_column(Double)
    score: Mapped[float] = mapped_column(Double)
    photo: Mapped[PhotoRow] = relationship(back_populates="embedding")


def connect(address: str) -> Engine:
    """A path or a URL -> an engine on a database, whose tables are brought up to date.

    Raises:
        DataError: it cannot be opened, is no gallery, or was made by a newer mien.
    """
    engine = _engine(address)
    try:
        with database_errors(engine):
            if engine.dialect.name == "sqlite":
                _configure_sqlite(engine)
            _upgrade(engine)
    except DataError:
        engine.dispose()
        raise
    return engine


def exists(address: str) -> bool:
    """Whether there is a gallery file at an address; a server always counts as one."""
    path = _path(address)
    return path is None or path.exists()


def display_address(engine: Engine) -> str:
    """The address of a gallery without its password."""
    if engine.dialect.name == "sqlite":
        return str(engine.url.database)
    return engine.url.render_as_string(hide_password=True)


@contextmanager
def database_errors(engine: Engine) -> Iterator[None]:
    """Turn errors of the database into a DataError with a sentence for the user."""
    try:
        yield
    except DBAPIError as error:
        why = str(error.orig).strip().splitlines()[0] if error.orig else "no reason given"
        message = f"the gallery {display_address(engine)} could not be used ({why}): {_advice(error.orig)}"
        raise DataError(message) from error


def _advice(error: BaseException | None) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another program is using it, try again when that is done"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "restore it from a backup, or set MIEN_GALLERY to another one"
    if code == sqlite3.SQLITE_FULL:
        return "free some disk space and run the same command again"
    return "check MIEN_GALLERY and your permissions"


def _path(address: str) -> Path | None:
    """The file of a gallery; None where it is on a server."""
    if "://" not in address:
        return Path(address).expanduser()
    url = _url(address)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _url(address: str) -> URL:
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise DataError(f"MIEN_GALLERY is not a valid URL: {_USE}") from error
    if url.drivername not in _DRIVERS:
        raise DataError(f"a gallery cannot be stored in {url.drivername!r}: {_USE}")
    return url.set(drivername=_DRIVERS[url.drivername])


def _engine(address: str) -> Engine:
    path = _path(address)
    if path is None:
        return create_engine(_url(address), pool_pre_ping=True)
    if path.is_dir() or not path.name:
        raise DataError(f"the gallery {path} is a folder: set MIEN_GALLERY to a file in it")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):  # only its owner may read it; SQLite gives its log the same permissions
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        message = f"the gallery {path} could not be created ({error.strerror}): set MIEN_GALLERY to another path"
        raise DataError(message) from error
    return create_engine(f"sqlite:///{path}", connect_args={"timeout": _TIMEOUT})


def _configure_sqlite(engine: Engine) -> None:
    def on_connect(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions are begun below, as readers and writers need them
        _use_write_ahead(connection)
        for setting in ("synchronous = FULL", "secure_delete = ON", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}").fetchall()

    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def _use_write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead mode, trying again and again: for this alone SQLite does not wait for other writers."""
    end = time.monotonic() + _TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.01)


def _upgrade(engine: Engine) -> None:
    """Bring the tables up to date, one process at a time and all or nothing."""
    with engine.connect() as connection:
        if engine.dialect.has_table(connection, "alembic_version"):
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            if version == HEAD:
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
            raise DataError(f"the gallery {display_address(engine)} was made by a newer mien: upgrade mien") from error
