"""Where a gallery may be, what is said where it cannot, and that its tables are those that the program means."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from mien.errors import DataError
from mien.gallery import database as module
from mien.gallery import open_gallery
from mien.gallery.database import HEAD, Base, connect, display_address, exists
from mien.gallery.gallery import Gallery

from tests.gallery.samples import SPEC, face_samples as faces  # isort: skip


def test_the_migrations_make_the_tables_that_the_program_means(address: str) -> None:
    engine = connect(address)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == HEAD
    engine.dispose()


def test_a_gallery_is_found_again_as_it_was_left(address: str) -> None:
    with Gallery(address) as gallery:
        gallery.enroll("Ada", faces(1), SPEC)
    with Gallery(address) as gallery:
        assert gallery.find("Ada").photos == 3


def test_a_new_gallery_waits_for_whoever_is_making_it(sqlite: Path) -> None:
    sqlite.parent.mkdir()
    other = sqlite3.connect(sqlite, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    timer.start()
    connect(str(sqlite)).dispose()
    timer.join()
    other.close()


def test_a_new_gallery_does_not_wait_for_ever(sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT", 0)
    sqlite.parent.mkdir()
    other = sqlite3.connect(sqlite, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DataError, match="another program is using it, try again when that is done"):
        connect(str(sqlite))
    other.close()


def test_a_gallery_of_a_newer_mien_is_refused_and_left_alone(address: str) -> None:
    engine = connect(address)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DataError, match="was made by a newer mien: upgrade mien"):
        Gallery(address)


def test_half_a_migration_is_none(sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD", "0002")  # the first step is taken, and the second is not there
    with pytest.raises(DataError):
        connect(str(sqlite))
    tables = sqlite3.connect(sqlite)
    assert tables.execute("SELECT name FROM sqlite_master").fetchall() == []
    tables.close()


def test_none_is_made_where_it_is_only_asked_for(sqlite: Path) -> None:
    assert not exists(str(sqlite))
    assert open_gallery(str(sqlite), create=False) is None
    assert not sqlite.parent.exists()


def test_a_url_of_sqlite_is_a_path(sqlite: Path) -> None:
    with Gallery(f"sqlite:///{sqlite}") as gallery:
        assert gallery.address == str(sqlite)
    assert exists(f"sqlite:///{sqlite}")


def test_a_folder_with_odd_letters_may_hold_it(tmp_path: Path) -> None:
    odd = tmp_path / "100% of ?people & 사람#1" / "a gallery"
    with Gallery(str(odd)) as gallery:
        gallery.enroll("Ada", faces(1), SPEC)
    assert odd.exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql://localhost/people", "cannot be stored in 'mysql'"),
        ("nonsense://", "cannot be stored in|is not a valid URL"),
        ("postgresql://mien:secret@127.0.0.1:1/people", "check MIEN_GALLERY and your permissions"),
        ("/proc/nowhere/gallery.sqlite", "could not be created"),
    ],
)
def test_what_can_be_no_gallery_is_refused_in_a_sentence(address: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        Gallery(address)
    assert "secret" not in str(caught.value)


def test_a_folder_and_a_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder: set MIEN_GALLERY to a file in it"):
        Gallery(str(tmp_path))
    (tmp_path / "letter.txt").write_bytes(b"Dear Sir, " * 1000)
    with pytest.raises(DataError, match="restore it from a backup"):
        Gallery(str(tmp_path / "letter.txt"))
    assert (tmp_path / "letter.txt").read_bytes() == b"Dear Sir, " * 1000


def test_a_password_is_never_shown(sqlite: Path) -> None:
    engine = connect(str(sqlite))
    assert display_address(engine) == str(sqlite)
    engine.dispose()
    server = module._engine("postgresql://mien:secret@db.example/people")
    assert "secret" not in display_address(server)


def test_readers_go_on_while_somebody_writes(address: str) -> None:
    with Gallery(address) as gallery, Gallery(address) as other:
        gallery.enroll("Ada", faces(1), SPEC)
        with gallery._writing() as session:
            session.execute(text("UPDATE people SET consent = 'half way'"))
            assert [person.consent for person in other.people()] == [None]
        assert [person.consent for person in other.people()] == ["half way"]


FIRST_VERSION = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0001');
CREATE TABLE gallery (
    id INTEGER NOT NULL PRIMARY KEY, chain TEXT, digest VARCHAR(64), version INTEGER NOT NULL, sweep BOOLEAN NOT NULL
);
CREATE TABLE people (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, consent TEXT,
    created DATETIME NOT NULL, changed INTEGER NOT NULL, template BLOB NOT NULL
);
CREATE TABLE photos (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    person_id INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    sha256 VARCHAR(64) NOT NULL UNIQUE, added DATETIME NOT NULL
);
CREATE TABLE embeddings (
    photo_id INTEGER NOT NULL PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE,
    vector BLOB NOT NULL, digest VARCHAR(64) NOT NULL, side DOUBLE NOT NULL, score DOUBLE NOT NULL
);
"""
"""The tables as the first version wrote them."""


def test_a_gallery_of_the_first_version_is_read_and_enrolled_into(sqlite: Path) -> None:
    sqlite.parent.mkdir()
    (face,), now = faces(1, 1), "2026-01-31 12:00:00.000000"
    vector = face.vector.astype("<f4").tobytes()
    with closing(sqlite3.connect(sqlite)) as connection, connection:
        connection.executescript(FIRST_VERSION)
        connection.execute("INSERT INTO gallery VALUES (1, ?, ?, 1, 0)", (SPEC.spec, SPEC.digest))
        connection.execute("INSERT INTO people VALUES (1, 'Ada', 'ada', 'by mail', ?, 1, ?)", (now, vector))
        connection.execute("INSERT INTO photos VALUES (1, 1, ?, ?)", (face.sha256, now))
        connection.execute("INSERT INTO embeddings VALUES (1, ?, ?, 90.0, 0.99)", (vector, SPEC.digest))
    with Gallery(str(sqlite)) as gallery:
        assert gallery.embedding_spec() == SPEC
        (ada,) = gallery.people()
        assert (ada.name, ada.photos, ada.consent, ada.created.isoformat()) == (
            "Ada",
            1,
            "by mail",
            "2026-01-31T12:00:00+00:00",
        )
        np.testing.assert_array_equal(gallery.templates([1])[1], [face.vector])
        assert gallery.enroll("ada", faces(1, 3), SPEC).person.photos == 3
