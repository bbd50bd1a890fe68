"""Where a gallery may be, what is said where it cannot, and that its tables are those that the program means."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from mien.errors import DataError
from mien.gallery import connect as module
from mien.gallery import open_gallery
from mien.gallery.book import Gallery
from mien.gallery.connect import HEAD, connect, exists, shown
from mien.gallery.tables import Base

from tests.gallery.made import PIN, shown as faces  # isort: skip


def test_the_migrations_make_the_tables_that_the_program_means(address: str) -> None:
    engine = connect(address)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == HEAD
    engine.dispose()


def test_a_gallery_is_found_again_as_it_was_left(address: str) -> None:
    with Gallery(address) as gallery:
        gallery.add("Ada", faces(1), PIN)
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
    monkeypatch.setattr(module, "_PATIENCE", 0)
    sqlite.parent.mkdir()
    other = sqlite3.connect(sqlite, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DataError, match="another program is at it, try again when it has ended"):
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
    assert open_gallery(str(sqlite), make=False) is None
    assert not sqlite.parent.exists()


def test_a_url_of_sqlite_is_a_path(sqlite: Path) -> None:
    with Gallery(f"sqlite:///{sqlite}") as gallery:
        assert gallery.address == str(sqlite)
    assert exists(f"sqlite:///{sqlite}")


def test_a_folder_with_odd_letters_may_hold_it(tmp_path: Path) -> None:
    odd = tmp_path / "100% of ?people & 사람#1" / "a gallery"
    with Gallery(str(odd)) as gallery:
        gallery.add("Ada", faces(1), PIN)
    assert odd.exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql://localhost/people", "cannot be kept in 'mysql'"),
        ("nonsense://", "cannot be kept in|is no URL"),
        ("postgresql://mien:secret@127.0.0.1:1/people", "check that it is the one you mean"),
        ("/proc/nowhere/gallery.sqlite", "could not be made"),
    ],
)
def test_what_can_be_no_gallery_is_refused_in_a_sentence(address: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        Gallery(address)
    assert "secret" not in str(caught.value)


def test_a_folder_and_a_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder: name a file in it with MIEN_GALLERY"):
        Gallery(str(tmp_path))
    (tmp_path / "letter.txt").write_bytes(b"Dear Sir, " * 1000)
    with pytest.raises(DataError, match="restore it from a backup"):
        Gallery(str(tmp_path / "letter.txt"))
    assert (tmp_path / "letter.txt").read_bytes() == b"Dear Sir, " * 1000


def test_a_password_is_never_shown(sqlite: Path) -> None:
    engine = connect(str(sqlite))
    assert shown(engine) == str(sqlite)
    engine.dispose()
    server = module._engine("postgresql://mien:secret@db.example/people")
    assert "secret" not in shown(server)


def test_readers_go_on_while_somebody_writes(address: str) -> None:
    with Gallery(address) as gallery, Gallery(address) as other:
        gallery.add("Ada", faces(1), PIN)
        with gallery._writing() as session:
            session.execute(text("UPDATE people SET consent = 'half way'"))
            assert [person.consent for person in other.people()] == [None]
        assert [person.consent for person in other.people()] == ["half way"]
