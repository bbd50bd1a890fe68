"""What the database holds, as tables; knows no query.

A photo is its checksum and never its pixels; a person's template is made of all of their vectors, and kept beside
them so that nobody else's vectors need to be read for it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import DateTime, Dialect, Double, ForeignKey, LargeBinary, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeEngine

from mien.types import Floats

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


class Moment(TypeDecorator[datetime]):
    """A point in time, in UTC also where the database keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """The tables of a gallery."""


class Book(Base):
    """The one row about the gallery itself.

    chain, digest: how its vectors were made, pinned by the first person. version: raised by every change, so that
    whoever holds a copy sees that it is old. sweep: someone was forgotten, and the file not yet been rewritten.
    """

    __tablename__ = "gallery"
    id: Mapped[int] = mapped_column(primary_key=True)
    spec: Mapped[str | None] = mapped_column("chain", Text)  # as galleries on disk call it
    digest: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[int]
    sweep: Mapped[bool]


class Person(Base):
    """Somebody with a name; `folded` is the name without case, which no two people share."""

    __tablename__ = "people"
    # Never given out twice: an id in an old log must not come to mean somebody else.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  (SQLAlchemy's own form)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    folded: Mapped[str] = mapped_column(Text, unique=True)
    consent: Mapped[str | None] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(Moment)
    changed: Mapped[int] = mapped_column(index=True)
    template: Mapped[Floats] = mapped_column(Vector)
    photos: Mapped[list[Photo]] = relationship(
        back_populates="person", cascade="all, delete-orphan", passive_deletes=True, order_by="Photo.id"
    )


class Photo(Base):
    """A photo that someone was enrolled with: SHA-256 of its bytes, in hexadecimal, and when."""

    __tablename__ = "photos"
    __table_args__ = (UniqueConstraint("sha256"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    added: Mapped[datetime] = mapped_column(Moment)
    person: Mapped[Person] = relationship(back_populates="photos")
    embedding: Mapped[Vectored] = relationship(
        back_populates="photo", cascade="all, delete-orphan", passive_deletes=True, single_parent=True
    )


class Vectored(Base):
    """The face of a photo as a vector; `digest` says by which chain, `side` and `score` how well it could be seen."""

    __tablename__ = "embeddings"
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    vector: Mapped[Floats] = mapped_column(Vector)
    digest: Mapped[str] = mapped_column(String(64))
    side: Mapped[float] = mapped_column(Double)
    score: Mapped[float] = mapped_column(Double)
    photo: Mapped[Photo] = relationship(back_populates="embedding")
