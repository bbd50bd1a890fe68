"""Forgetting: afterwards nothing is left, in the tables, in the files and in the cache, or nothing has happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from mien.errors import DataError
from mien.gallery.database import connect
from mien.gallery.gallery import Gallery
from tests.gallery.postgres import Server
from tests.gallery.samples import SPEC, face_samples, nothing_cached, photo, vectors

FORGETTING = """
import sys, time
from mien.gallery.gallery import Gallery
def clean_cache(photos):
    print("in the middle", flush=True)
    time.sleep(float(sys.argv[2]))
    return 0
with Gallery(sys.argv[1]) as gallery:
    gallery.forget("person 3", clean_cache)
"""


def left(files: Sequence[Path], secrets: Sequence[bytes]) -> list[str]:
    """The files in which one of these can still be read."""
    contents = {path: path.read_bytes() for path in files if path.exists()}
    return [path.name for path, content in contents.items() if any(secret in content for secret in secrets)]


def secrets(person: int, count: int) -> list[bytes]:
    """What must not be left of somebody: vectors as bytes, checksums, and the name."""
    kept = [vector.astype("<f4").tobytes()[:64] for vector in vectors(person, count)]
    return [*kept, *(photo(person, i).encode() for i in range(count)), f"person {person:04}".encode()]


def fill(gallery: Gallery, count: int, photos: int = 3) -> None:
    for i in np.random.default_rng(0).permutation(count):
        gallery.enroll(f"person {i:04}", face_samples(int(i), photos), SPEC)


def test_the_receipt_says_what_went(gallery: Gallery) -> None:
    ada = gallery.enroll("Ada", face_samples(1), SPEC).person
    asked: list[bytes] = []

    def clean_cache(photos: Sequence[bytes]) -> int:
        asked.extend(photos)
        return 5

    receipt = gallery.forget("ADA", clean_cache)
    assert receipt.as_json() == {
        "person": "Ada",
        "id": ada.id,
        "photos": 3,
        "vectors": 3,
        "cache_entries": 5,
        "sha256": [photo(1, i) for i in range(3)],
        "forgotten": receipt.forgotten.isoformat(timespec="seconds"),
        "erased": True,
    }
    assert [found.hex() for found in asked] == [photo(1, i) for i in range(3)]
    assert gallery.people() == []


def test_nobody_else_is_touched(gallery: Gallery) -> None:
    fill(gallery, 5)
    gallery.forget("person 0002", nothing_cached)
    assert [person.name for person in gallery.people()] == [f"person {i:04}" for i in (0, 1, 3, 4)]
    assert len(gallery.vectors([person.id for person in gallery.people()])[1]) == 12


def test_somebody_who_is_not_there_cannot_be_forgotten(gallery: Gallery) -> None:
    with pytest.raises(DataError, match=r"there is nobody called 'Ada' .* 'mien people' lists everybody"):
        gallery.forget("Ada", nothing_cached)


def test_where_the_cache_cannot_forget_nobody_is_forgotten(gallery: Gallery) -> None:
    gallery.enroll("Ada", face_samples(1), SPEC)

    def broken(photos: Sequence[bytes]) -> int:
        raise DataError("the cache could not be written")

    with pytest.raises(DataError, match="the cache"):
        gallery.forget("Ada", broken)
    assert gallery.find("Ada").photos == 3


def test_no_byte_is_left_in_the_files_of_sqlite(sqlite: Path) -> None:
    with Gallery(str(sqlite)) as gallery:
        fill(gallery, 60)
        files = [sqlite, sqlite.with_name("gallery.sqlite-wal")]
        for i in (7, 8, 30):
            assert left(files, secrets(i, 3)) != []
            assert gallery.forget(f"person {i:04}", nothing_cached).erased
            assert left(files, secrets(i, 3)) == []
        assert left(files, secrets(9, 3)) != []


def test_no_byte_is_left_in_the_tables_of_postgresql(postgres: Server) -> None:
    nobody_elses = 9007  # other tests fill other databases of the same server
    with Gallery(postgres.database()) as gallery:
        fill(gallery, 20)
        gallery.enroll(f"person {nobody_elses}", face_samples(nobody_elses), SPEC)
        assert left(postgres.files(), secrets(nobody_elses, 3)) != []
        assert gallery.forget(f"person {nobody_elses}", nothing_cached).erased
        assert left(postgres.files(), secrets(nobody_elses, 3)) == []


def test_while_somebody_reads_the_rows_go_and_the_bytes_go_when_they_can(sqlite: Path) -> None:
    with Gallery(str(sqlite)) as gallery:
        gallery.enroll("Ada", face_samples(1), SPEC)
        engine = connect(str(sqlite))
        with engine.connect() as reader:
            reader.execute(text("SELECT count(*) FROM people")).one()
            reader.exec_driver_sql("PRAGMA busy_timeout = 10")
            _hasty(gallery)
            receipt = gallery.forget("Ada", nothing_cached)
            assert not receipt.erased
            assert gallery.people() == []
        engine.dispose()
    with Gallery(str(sqlite)):
        files = list(sqlite.parent.iterdir())
        assert left(files, secrets(1, 3)) == []


def _hasty(gallery: Gallery) -> None:
    """Let it wait for nobody."""
    with gallery._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 10")


@pytest.mark.parametrize("wait", [0.0, 0.002, 0.01, 0.03])
def test_a_kill_while_forgetting_leaves_all_or_nothing(address: str, wait: float) -> None:
    with Gallery(address) as gallery:
        for i in range(6):
            gallery.enroll(f"person {i}", face_samples(i, 20), SPEC)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", FORGETTING, address, "0" if wait else "30"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(wait)  # into the transaction, the commit, or the rewriting of the file
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with Gallery(address) as gallery:
        found = {person.name: person.photos for person in gallery.people()}
        others = {f"person {i}": 20 for i in range(6) if i != 3}
        assert found in ({**others, "person 3": 20}, others)
        assert len(gallery.vectors([person.id for person in gallery.people()])[1]) == 20 * len(found)
        if "://" not in address and found == others:
            kept = [vector.astype("<f4").tobytes()[:64] for vector in vectors(3, 20)]
            assert left(list(Path(address).parent.iterdir()), kept) == []
        if not wait:
            assert "person 3" in found
        gallery.forget("person 0", nothing_cached)
        assert len(gallery.people()) == len(found) - 1
