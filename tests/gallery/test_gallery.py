"""The gallery: whoever is enrolled is there, whole, in SQLite and in PostgreSQL, whoever else is at it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.errors import DataError
from mien.gallery.gallery import Gallery
from mien.gallery.records import EmbeddingSpec
from mien.gallery.search import template
from tests.gallery.samples import SPEC, face_samples, nothing_cached, photo, vectors

NOBODY = np.empty(0, np.int64)

ENROLLING = """
import sys
from mien.gallery.gallery import Gallery
from tests.gallery.samples import SPEC, face_samples
with Gallery(sys.argv[1]) as gallery:
    for i in range(int(sys.argv[2]), int(sys.argv[3])):
        added = gallery.enroll(f"person {i}", face_samples(i), SPEC)
        print(added.person.id, flush=True)
"""


def enrolling(address: str, first: int, last: int) -> subprocess.Popen[str]:
    """Another process that enrols people, and says so after each."""
    command = [sys.executable, "-c", ENROLLING, address, str(first), str(last)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def test_whoever_is_enrolled_is_listed_with_photos_and_consent(gallery: Gallery) -> None:
    added = gallery.enroll("Ada  Lovelace", face_samples(1), SPEC, "by letter")
    assert added.added == tuple(photo(1, i) for i in range(3))
    (ada,) = gallery.people()
    assert (ada.name, ada.photos, ada.consent) == ("Ada Lovelace", 3, "by letter")
    assert ada == added.person == gallery.find("ada lovelace")
    assert ada.created.utcoffset() is not None


def test_a_name_is_the_same_in_upper_and_lower_case_and_in_other_forms(gallery: Gallery) -> None:
    first = gallery.enroll("Groß", face_samples(1, 1), SPEC).person
    assert gallery.enroll("GROSS", face_samples(1, 1, first=1), SPEC).person.id == first.id
    assert gallery.enroll("Ｇｒｏｓｓ", face_samples(1, 1, first=2), SPEC).person.photos == 3
    assert [person.name for person in gallery.people()] == ["Groß"]


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "a\x1b[31m", "a\u202eb"])
def test_a_name_that_cannot_be_is_refused(gallery: Gallery, name: str) -> None:
    with pytest.raises(DataError, match="is not a name"):
        gallery.enroll(name, face_samples(1), SPEC)
    assert gallery.people() == []


def test_a_name_may_be_in_any_script_and_hold_quotes(gallery: Gallery) -> None:
    for i, name in enumerate(("홍길동", "O'Brien; DROP TABLE people", "Ünal 100%")):
        assert gallery.enroll(name, face_samples(i, 1), SPEC).person.name == name
        assert gallery.find(name).name == name


def test_the_template_is_made_of_every_photo(gallery: Gallery) -> None:
    one = gallery.enroll("Ada", face_samples(1, 2), SPEC).person
    gallery.enroll("Ada", face_samples(1, 3, first=2), SPEC)
    ids, templates = gallery.templates([one.id])
    assert ids.tolist() == [one.id]
    np.testing.assert_allclose(templates[0], template(vectors(1, 5)), atol=1e-6)
    owners, kept = gallery.vectors([one.id])
    assert owners.tolist() == [one.id] * 5
    assert sorted(kept.tolist()) == sorted(vectors(1, 5).tolist())


def test_a_photo_is_enrolled_once_whoever_it_is_said_to_show(gallery: Gallery) -> None:
    gallery.enroll("Ada", face_samples(1, 2), SPEC)
    added = gallery.enroll("Bob", [*face_samples(1, 1), *face_samples(2, 1), *face_samples(2, 1)], SPEC)
    assert added.before == {photo(1, 0): "Ada"}
    assert added.added == (photo(2, 0),)
    assert added.person.photos == 1


def test_somebody_of_whom_nothing_is_new_is_not_made(gallery: Gallery) -> None:
    gallery.enroll("Ada", face_samples(1, 1), SPEC)
    before = gallery.version()
    with pytest.raises(DataError, match="Bob was not enrolled"):
        gallery.enroll("Bob", face_samples(1, 1), SPEC)
    assert [person.name for person in gallery.people()] == ["Ada"]
    assert gallery.version() == before


def test_consent_can_be_noted_later_and_without_photos(gallery: Gallery) -> None:
    gallery.enroll("Ada", face_samples(1, 1), SPEC)
    assert gallery.enroll("Ada", [], SPEC, "by mail").person.consent == "by mail"
    assert gallery.enroll("Ada", face_samples(1, 1, first=1), SPEC).person.consent == "by mail"


def test_vectors_of_another_chain_are_refused_with_what_to_do(gallery: Gallery) -> None:
    assert gallery.embedding_spec() is None
    gallery.enroll("Ada", face_samples(1, 1), SPEC)
    assert gallery.embedding_spec() == SPEC
    with pytest.raises(DataError, match=r"omit --detector and --embedder, or set MIEN_GALLERY"):
        gallery.enroll("Bob", face_samples(2, 1), EmbeddingSpec("{}", "b" * 64))
    assert len(gallery.people()) == 1


def test_changes_tell_what_is_new_other_and_gone(gallery: Gallery) -> None:
    ada = gallery.enroll("Ada", face_samples(1), SPEC).person.id
    bob = gallery.enroll("Bob", face_samples(2), SPEC).person.id
    start = gallery.changes(-1, NOBODY)
    assert (start.ids.tolist(), start.gone.tolist()) == ([ada, bob], [])
    assert gallery.changes(start.version, start.ids).ids.tolist() == []
    gallery.enroll("Ada", face_samples(1, 1, first=3), SPEC)
    carol = gallery.enroll("Carol", face_samples(3), SPEC).person.id
    gallery.forget("Bob", nothing_cached)
    later = gallery.changes(start.version, start.ids)
    assert (later.ids.tolist(), later.gone.tolist()) == ([ada, carol], [bob])
    assert later.version == gallery.version() > start.version
    np.testing.assert_allclose(later.templates[0], template(vectors(1, 4)), atol=1e-6)


def test_an_id_never_comes_to_mean_somebody_else(gallery: Gallery) -> None:
    first = gallery.enroll("Ada", face_samples(1), SPEC).person.id
    gallery.forget("Ada", nothing_cached)
    assert gallery.enroll("Ada", face_samples(1), SPEC).person.id > first


def test_two_processes_may_enrol_at_once(address: str) -> None:
    processes = [enrolling(address, 0, 20), enrolling(address, 20, 40)]
    ids = [int(line) for process in processes for line in process.communicate(timeout=60)[0].split()]
    assert [process.returncode for process in processes] == [0, 0]
    with Gallery(address) as gallery:
        assert sorted(person.id for person in gallery.people()) == sorted(ids)
        assert {person.photos for person in gallery.people()} == {3}
        assert gallery.version() == 40


def test_two_processes_may_add_photos_to_one_person_at_once(address: str) -> None:
    script = ENROLLING.replace('f"person {i}", face_samples(i)', '"Ada", face_samples(1, 1, first=i)')
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", script, address, first, last], stdout=subprocess.PIPE, cwd=root)
        for first, last in (("0", "15"), ("15", "30"))
    ]
    for process in processes:
        process.communicate(timeout=60)
    with Gallery(address) as gallery:
        (ada,) = gallery.people()
        assert ada.photos == 30
        np.testing.assert_allclose(gallery.templates([ada.id])[1][0], template(vectors(1, 30)), atol=1e-6)


def test_what_was_acknowledged_before_a_kill_is_there_and_nothing_is_half_there(address: str) -> None:
    process = enrolling(address, 0, 10_000)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(25)]
    os.kill(process.pid, signal.SIGKILL)
    told += [int(line) for line in process.communicate()[0].split()]
    with Gallery(address) as gallery:
        people = gallery.people()
        assert set(told) <= {person.id for person in people}
        assert len(people) - len(told) in (0, 1)  # one may have been kept and not yet been told
        assert {person.photos for person in people} == {3}
        assert len(gallery.vectors([person.id for person in people])[1]) == 3 * len(people)


def test_only_the_owner_may_read_the_files(sqlite: Path) -> None:
    with Gallery(str(sqlite)) as gallery:
        gallery.enroll("Ada", face_samples(1), SPEC)
        files = sorted(path.name for path in sqlite.parent.iterdir())
        assert files == ["gallery.sqlite", "gallery.sqlite-shm", "gallery.sqlite-wal"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in sqlite.parent.iterdir()} == {0o600}
        assert stat.S_IMODE(sqlite.parent.stat().st_mode) == 0o700
