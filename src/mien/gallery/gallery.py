"""The gallery: enrolling, listing and forgetting people, and their templates; each change is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np
from sqlalchemy import ColumnElement, Engine, delete, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from mien.errors import DataError
from mien.gallery.database import (
    WRITES,
    EmbeddingRow,
    GalleryMeta,
    PersonRow,
    PhotoRow,
    connect,
    database_errors,
    display_address,
    exists,
)
from mien.gallery.records import (
    EmbeddingSpec,
    EnrollResult,
    ErasureReceipt,
    FaceSample,
    IncompatibleVectors,
    NothingToEnroll,
    PersonRecord,
    TemplateChanges,
    fold_person,
    normalize_name,
)
from mien.gallery.search import template
from mien.types import Floats, Ints

T = TypeVar("T")

_MAX_VARIABLES = 500  # of a query; SQLite's own limit was 999 for a long time

CacheCleaner: TypeAlias = Callable[[Sequence[bytes]], int]
"""Checksums of photos -> how many entries of the cache were removed."""


class Gallery:
    """A gallery by the address of its database; safe for several threads and processes at once."""

    def __init__(self, address: str) -> None:
        self._engine = connect(address)
        self.address = display_address(self._engine)
        with self._reading() as session:
            pending = session.scalars(select(GalleryMeta.sweep)).one()
        if pending:  # a kill came between forgetting somebody and rewriting the file
            _sweep(self._engine)

    exists = staticmethod(exists)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._engine.dispose()

    def embedding_spec(self) -> EmbeddingSpec | None:
        """How its vectors are made; None as long as nobody was enrolled."""
        with self._reading() as session:
            meta = session.scalars(select(GalleryMeta)).one()
            return None if meta.spec is None or meta.digest is None else EmbeddingSpec(meta.spec, meta.digest)

    def version(self) -> int:
        """A number that every change raises."""
        with self._reading() as session:
            return session.scalars(select(GalleryMeta.version)).one()

    def people(self, ids: Sequence[int] | None = None) -> list[PersonRecord]:
        """All people sorted by name, or those with these ids."""
        with self._reading() as session:
            if ids is None:
                return _records(session)
            return [record for chunk in _chunks(ids) for record in _records(session, chunk)]

    def find(self, name: str) -> PersonRecord:
        """The person with this name, in upper or lower case; raises DataError where there is none."""
        with self._reading() as session:
            return _records(session, [_find(session, name, self.address).id])[0]

    def enroll(
        self, name: str, faces: Sequence[FaceSample], spec: EmbeddingSpec, consent: str | None = None
    ) -> EnrollResult:
        """Add faces to a person, who is created if there is none of that name: all of it or nothing.

        consent: replaces the earlier note. A photo that was enrolled before, under any name, is left as it was.

        Raises:
            InvalidName: the name cannot be used. IncompatibleVectors: the gallery's vectors are made another way.
                NothingToEnroll: there would be a person without photos. DataError: the database refused.
        """
        name, now = normalize_name(name), datetime.now(UTC)
        with self._writing() as session:
            meta = _lock_meta(session)
            if meta.digest is None:
                meta.spec, meta.digest = spec.spec, spec.digest
            elif meta.digest != spec.digest:
                raise IncompatibleVectors(
                    f"the vectors in the gallery {self.address} were made with another detector or embedder and cannot "
                    "be compared: omit --detector and --embedder, or set MIEN_GALLERY to another gallery"
                )
            before = _owners(session, [face.sha256 for face in faces])
            fresh = list({face.sha256: face for face in faces if face.sha256 not in before}.values())
            person = session.scalars(select(PersonRow).where(PersonRow.folded == fold_person(name))).one_or_none()
            if person is None:
                if not fresh:
                    raise NothingToEnroll(f"{name} was not enrolled: all of these photos were enrolled before", before)
                person = PersonRow(name=name, folded=fold_person(name), created=now)
                session.add(person)
            for face in fresh:
                embedding = EmbeddingRow(vector=face.vector, digest=spec.digest, side=face.side, score=face.score)
                person.photos.append(PhotoRow(sha256=face.sha256, added=now, embedding=embedding))
            if fresh or consent is not None:
                meta.version += 1
                person.consent = person.consent if consent is None else consent
                person.changed = meta.version
                person.template = template(np.stack([photo.embedding.vector for photo in person.photos]))
            session.flush()
            return EnrollResult(_records(session, [person.id])[0], tuple(face.sha256 for face in fresh), before)

    def changes(self, since: int, held: Ints) -> TemplateChanges:
        """The changes to templates since a version, for a caller who holds those of these people.

        Since version -1 and holding nothing: all templates.
        """
        with self._reading() as session:
            version = session.scalars(select(GalleryMeta.version)).one()
            ids, templates = _templates(session, PersonRow.changed > since)
            gone: Ints = np.empty(0, np.int64)
            if session.scalars(select(func.count()).select_from(PersonRow)).one() != len(np.union1d(held, ids)):
                gone = np.setdiff1d(held, np.array(session.scalars(select(PersonRow.id)).all(), np.int64))
            return TemplateChanges(version, ids, templates, gone)

    def templates(self, ids: Sequence[int]) -> tuple[Ints, Floats]:
        """The ids of those of these people who exist, and their templates (n, d)."""
        with self._reading() as session:
            return _templates(session, PersonRow.id.in_(ids[:_MAX_VARIABLES]))

    def vectors(self, ids: Sequence[int]) -> tuple[Ints, Floats]:
        """The owners (n,) and vectors (n, d) of these people's photos."""
        query = select(PhotoRow.person_id, EmbeddingRow.vector).join(EmbeddingRow.photo)
        rows: list[Any] = []
        with self._reading() as session:
            for chunk in _chunks(ids):
                rows += session.execute(query.where(PhotoRow.person_id.in_(chunk)))
        return _stack(rows)

    def forget(self, name: str, clean_cache: CacheCleaner) -> ErasureReceipt:
        """Remove a person: rows, vectors and the cache entries of their photos, all of it or nothing.

        clean_cache: removes the cache entries of photos by their checksums. It runs first and inside the transaction:
        after a kill between the two, photos have to be computed again, but the cache never holds a forgotten person.

        Raises:
            DataError: there is nobody of that name, or the database refused.
        """
        with self._writing() as session:
            meta = _lock_meta(session)
            person = _find(session, name, self.address)
            query = select(PhotoRow.sha256).where(PhotoRow.person_id == person.id).order_by(PhotoRow.id)
            photos = tuple(session.scalars(query))
            cached = clean_cache([bytes.fromhex(photo) for photo in photos])
            number, name = person.id, person.name
            session.execute(delete(PersonRow).where(PersonRow.id == number))  # photos and vectors go with the row
            meta.version += 1
            meta.sweep = True
        erased = _sweep(self._engine)
        return ErasureReceipt(number, name, photos, len(photos), cached, datetime.now(UTC), erased)

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with database_errors(self._engine), Session(self._engine) as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        engine = self._engine.execution_options(**{WRITES: True})
        with database_errors(self._engine), Session(engine) as session, session.begin():
            yield session


def _lock_meta(session: Session) -> GalleryMeta:
    """The gallery's row, locked until the transaction ends, so that changes are made one after the other."""
    return session.scalars(select(GalleryMeta).with_for_update()).one()


def _find(session: Session, name: str, address: str) -> PersonRow:
    query = select(PersonRow).where(PersonRow.folded == fold_person(normalize_name(name)))
    person = session.scalars(query).one_or_none()
    if person is None:
        raise DataError(f"there is nobody called {name!r} in {address}: 'mien people' lists everybody")
    return person


def _owners(session: Session, sums: Sequence[str]) -> dict[str, str]:
    """The photos among these that are enrolled -> the person's name."""
    query = select(PhotoRow.sha256, PersonRow.name).join(PhotoRow.person)
    chunks = (session.execute(query.where(PhotoRow.sha256.in_(chunk))) for chunk in _chunks(sums))
    return {sha256: name for rows in chunks for sha256, name in rows}


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[i : i + _MAX_VARIABLES] for i in range(0, len(values), _MAX_VARIABLES))


def _templates(session: Session, where: ColumnElement[bool]) -> tuple[Ints, Floats]:
    return _stack(session.execute(select(PersonRow.id, PersonRow.template).where(where).order_by(PersonRow.id)).all())


def _stack(rows: Sequence[Any]) -> tuple[Ints, Floats]:
    ids: Ints = np.array([row[0] for row in rows], np.int64)
    return ids, np.stack([row[1] for row in rows]) if rows else np.empty((0, 0), np.float32)


def _records(session: Session, ids: Sequence[int] | None = None) -> list[PersonRecord]:
    query = (
        select(PersonRow.id, PersonRow.name, func.count(PhotoRow.id), PersonRow.created, PersonRow.consent)
        .outerjoin(PersonRow.photos)
        .group_by(PersonRow.id, PersonRow.name, PersonRow.created, PersonRow.consent, PersonRow.folded)
        .order_by(PersonRow.folded)
    )
    if ids is not None:
        query = query.where(PersonRow.id.in_(ids))
    return [PersonRecord(*row) for row in session.execute(query)]


def _sweep(engine: Engine) -> bool:
    """Rewrite the files, so that nothing deleted is left in free space or in the log -> whether that worked.

    It does not while another process reads; the next one that opens the gallery then does it.
    """
    try:
        done = _sweep_sqlite(engine) if engine.dialect.name == "sqlite" else _sweep_server(engine)
        if done:
            with engine.execution_options(**{WRITES: True}).begin() as connection:
                connection.execute(update(GalleryMeta).values(sweep=False))
    except DBAPIError:
        return False
    return done


def _sweep_sqlite(engine: Engine) -> bool:
    # Deleted rows are zeroed, but SQLite leaves copies where it moved rows between pages.
    with closing(engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        row = cursor.fetchone()
    return row is not None and row[0] == 0


def _sweep_server(engine: Engine) -> bool:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("embeddings", "photos", "people"):
            connection.execute(text(f"VACUUM (FULL) {table}"))
    return True
