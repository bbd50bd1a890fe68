"""A gallery in use: who is in it, enrolling, and reading templates; each change is one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Self

import numpy as np
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from mien.errors import DataError
from mien.gallery import forgetting
from mien.gallery.connect import WRITES, connect, exists, shown, spoken
from mien.gallery.tables import Book, Person, Photo, Vectored
from mien.gallery.template import template
from mien.gallery.values import (
    Added,
    Changes,
    EmbeddingSpec,
    NothingNew,
    OtherVectors,
    PersonRecord,
    Receipt,
    Shown,
    folded,
    tidy,
)
from mien.types import Floats, Ints

_AT_ONCE = 500  # variables of a query; SQLite's own limit was 999 for long


class Gallery:
    """People, by the address of their database; safe for several threads and processes at once."""

    def __init__(self, address: str) -> None:
        self._engine = connect(address)
        self.address = shown(self._engine)
        with self._reading() as session:
            left = session.scalars(select(Book.sweep)).one()
        if left:  # a kill came between forgetting somebody and rewriting the file
            forgetting.sweep(self._engine)

    @staticmethod
    def exists(address: str) -> bool:
        """Whether there is something at an address; a server is taken to be there."""
        return exists(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def pin(self) -> EmbeddingSpec | None:
        """How its vectors are made; None as long as nobody was enrolled."""
        with self._reading() as session:
            book = session.scalars(select(Book)).one()
            return None if book.spec is None or book.digest is None else EmbeddingSpec(book.spec, book.digest)

    def version(self) -> int:
        """Raised by every change."""
        with self._reading() as session:
            return session.scalars(select(Book.version)).one()

    def people(self, ids: Sequence[int] | None = None) -> list[PersonRecord]:
        """Everybody by name, or those of these ids."""
        with self._reading() as session:
            if ids is None:
                return _known(session)
            return [one for i in range(0, len(ids), _AT_ONCE) for one in _known(session, ids[i : i + _AT_ONCE])]

    def find(self, name: str) -> PersonRecord:
        """The person of a name, upper or lower case.

        Raises:
            DataError: there is none.
        """
        with self._reading() as session:
            return _known(session, [_find(session, name, self.address).id])[0]

    def add(self, name: str, faces: Sequence[Shown], pin: EmbeddingSpec, consent: str | None = None) -> Added:
        """Enrol faces of somebody, who is made if there is none of that name: all of it or nothing.

        consent: replaces the note that there was. A photo that was enrolled before, by whomever, is left as it was.

        Raises:
            NoName: the name cannot be. OtherVectors: the gallery's vectors are made otherwise. NothingNew: nothing is
                new about a person who is not there. DataError: the database refused.
        """
        plain, now = tidy(name), datetime.now(UTC)
        with self._writing() as session:
            book = _locked(session)
            self._agree(book, pin)
            before = _owners(session, [face.sha256 for face in faces])
            fresh = list({face.sha256: face for face in faces if face.sha256 not in before}.values())
            person = session.scalars(select(Person).where(Person.folded == folded(plain))).one_or_none()
            if person is None:
                if not fresh:
                    why = f"{plain} was not enrolled: no photo is left that nobody was enrolled with"
                    raise NothingNew(why, before)
                person = Person(name=plain, folded=folded(plain), created=now)
                session.add(person)
            for face in fresh:
                vector = Vectored(vector=face.vector, digest=pin.digest, side=face.side, score=face.score)
                person.photos.append(Photo(sha256=face.sha256, added=now, embedding=vector))
            if fresh or consent is not None:
                book.version += 1
                person.consent = person.consent if consent is None else consent
                person.changed = book.version
                person.template = template(np.stack([photo.embedding.vector for photo in person.photos]))
            session.flush()
            return Added(_known(session, [person.id])[0], tuple(face.sha256 for face in fresh), before)

    def changes(self, since: int, held: Ints) -> Changes:
        """What happened to templates since a version, of which the caller holds those of these people.

        Everything there is, since version -1 and for a caller who holds nothing.
        """
        with self._reading() as session:
            version = session.scalars(select(Book.version)).one()
            ids, templates = _templates(session, Person.changed > since)
            gone: Ints = np.empty(0, np.int64)
            if session.scalars(select(func.count()).select_from(Person)).one() != len(np.union1d(held, ids)):
                gone = np.setdiff1d(held, np.array(session.scalars(select(Person.id)).all(), np.int64))
            return Changes(version, ids, templates, gone)

    def templates(self, ids: Sequence[int]) -> tuple[Ints, Floats]:
        """The ids of those of these people who are there, and their templates (n, d)."""
        with self._reading() as session:
            return _templates(session, Person.id.in_(ids[:_AT_ONCE]))

    def vectors(self, ids: Sequence[int]) -> tuple[Ints, Floats]:
        """The photos of these people -> whose each is (n,), and their vectors (n, d)."""
        owners: list[int] = []
        found: list[Floats] = []
        with self._reading() as session:
            for i in range(0, len(ids), _AT_ONCE):
                query = select(Photo.person_id, Vectored.vector).join(Vectored.photo)
                for owner, vector in session.execute(query.where(Photo.person_id.in_(ids[i : i + _AT_ONCE]))):
                    owners.append(owner)
                    found.append(vector)
        return np.array(owners, np.int64), np.stack(found) if found else np.empty((0, 0), np.float32)

    def forget(self, name: str, uncache: forgetting.Uncache) -> Receipt:
        """Remove somebody: the rows, the vectors and what the cache holds of the photos, all of it or nothing.

        uncache: takes checksums and removes what was computed of such photos; it runs inside of the transaction, so
        that nobody is gone whose cache entries could not be removed.

        Raises:
            DataError: there is nobody of that name, or the database refused.
        """
        with self._writing() as session:
            book = _locked(session)
            removed = forgetting.remove(session, _find(session, name, self.address), uncache)
            book.version += 1
            book.sweep = True
        return forgetting.receipt(removed, erased=forgetting.sweep(self._engine))

    def _agree(self, book: Book, pin: EmbeddingSpec) -> None:
        if book.digest is None:
            book.spec, book.digest = pin.spec, pin.digest
        elif book.digest != pin.digest:
            raise OtherVectors(
                f"the gallery {self.address} holds vectors that were made otherwise than these, and the two cannot be "
                "compared: leave away --detector and --embedder, or begin another with MIEN_GALLERY"
            )

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with spoken(self._engine), Session(self._engine) as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        engine = self._engine.execution_options(**{WRITES: True})
        with spoken(self._engine), Session(engine) as session, session.begin():
            yield session


def _locked(session: Session) -> Book:
    """The gallery's row, held until the transaction ends, so that changes come one after the other."""
    return session.scalars(select(Book).with_for_update()).one()


def _find(session: Session, name: str, where: str) -> Person:
    person = session.scalars(select(Person).where(Person.folded == folded(tidy(name)))).one_or_none()
    if person is None:
        raise DataError(f"there is nobody called {name!r} in {where}: 'mien people' lists who there is")
    return person


def _owners(session: Session, sums: Sequence[str]) -> dict[str, str]:
    """Of these photos those that somebody was enrolled with -> who."""
    found: dict[str, str] = {}
    for i in range(0, len(sums), _AT_ONCE):
        query = select(Photo.sha256, Person.name).join(Photo.person).where(Photo.sha256.in_(sums[i : i + _AT_ONCE]))
        found.update((sha256, name) for sha256, name in session.execute(query))
    return found


def _templates(session: Session, where: ColumnElement[bool]) -> tuple[Ints, Floats]:
    rows = session.execute(select(Person.id, Person.template).where(where).order_by(Person.id)).all()
    ids: Ints = np.array([row[0] for row in rows], np.int64)
    return ids, np.stack([row[1] for row in rows]) if rows else np.empty((0, 0), np.float32)


def _known(session: Session, ids: Sequence[int] | None = None) -> list[PersonRecord]:
    query = (
        select(Person.id, Person.name, func.count(Photo.id), Person.created, Person.consent)
        .outerjoin(Person.photos)
        .group_by(Person.id, Person.name, Person.created, Person.consent, Person.folded)
        .order_by(Person.folded)
    )
    if ids is not None:
        query = query.where(Person.id.in_(ids))
    return [PersonRecord(*row) for row in session.execute(query)]
