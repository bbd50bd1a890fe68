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
from mien.gallery.book import Gallery
from mien.gallery.template import template
from mien.gallery.values import EmbeddingSpec
from tests.gallery.made import PIN, none, photo, shown, vectors

NOBODY = np.empty(0, np.int64)

ENROLLING = """
import sys
from mien.gallery.book import Gallery
from tests.gallery.made import PIN, shown
with Gallery(sys.argv[1]) as gallery:
    for i in range(int(sys.argv[2]), int(sys.argv[3])):
        added = gallery.add(f"person {i}", shown(i), PIN)
        print(added.person.id, flush=True)
"""


def enrolling(address: str, first: int, last: int) -> subprocess.Popen[str]:
    """Another process that enrols people, and says so after each."""
    command = [sys.executable, "-c", ENROLLING, address, str(first), str(last)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def test_whoever_is_enrolled_is_listed_with_photos_and_consent(gallery: Gallery) -> None:
    added = gallery.add("Ada  Lovelace", shown(1), PIN, "by letter")
    assert added.added == tuple(photo(1, i) for i in range(3))
    (ada,) = gallery.people()
    assert (ada.name, ada.photos, ada.consent) == ("Ada Lovelace", 3, "by letter")
    assert ada == added.person == gallery.find("ada lovelace")
    assert ada.created.utcoffset() is not None


def test_a_name_is_the_same_in_upper_and_lower_case_and_in_other_forms(gallery: Gallery) -> None:
    first = gallery.add("Groß", shown(1, 1), PIN).person
    assert gallery.add("GROSS", shown(1, 1, first=1), PIN).person.id == first.id
    assert gallery.add("Ｇｒｏｓｓ", shown(1, 1, first=2), PIN).person.photos == 3
    assert [person.name for person in gallery.people()] == ["Groß"]


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "a\x1b[31m", "a\u202eb"])
def test_a_name_that_cannot_be_is_refused(gallery: Gallery, name: str) -> None:
    with pytest.raises(DataError, match="is no name"):
        gallery.add(name, shown(1), PIN)
    assert gallery.people() == []


def test_a_name_may_be_in_any_script_and_hold_quotes(gallery: Gallery) -> None:
    for i, name in enumerate(("홍길동", "O'Brien; DROP TABLE people", "Ünal 100%")):
        assert gallery.add(name, shown(i, 1), PIN).person.name == name
        assert gallery.find(name).name == name


def test_the_template_is_made_of_every_photo(gallery: Gallery) -> None:
    one = gallery.add("Ada", shown(1, 2), PIN).person
    gallery.add("Ada", shown(1, 3, first=2), PIN)
    ids, templates = gallery.templates([one.id])
    assert ids.tolist() == [one.id]
    np.testing.assert_allclose(templates[0], template(vectors(1, 5)), atol=1e-6)
    owners, kept = gallery.vectors([one.id])
    assert owners.tolist() == [one.id] * 5
    assert sorted(kept.tolist()) == sorted(vectors(1, 5).tolist())


def test_a_photo_is_enrolled_once_whoever_it_is_said_to_show(gallery: Gallery) -> None:
    gallery.add("Ada", shown(1, 2), PIN)
    added = gallery.add("Bob", [*shown(1, 1), *shown(2, 1), *shown(2, 1)], PIN)
    assert added.before == {photo(1, 0): "Ada"}
    assert added.added == (photo(2, 0),)
    assert added.person.photos == 1


def test_somebody_of_whom_nothing_is_new_is_not_made(gallery: Gallery) -> None:
    gallery.add("Ada", shown(1, 1), PIN)
    before = gallery.version()
    with pytest.raises(DataError, match="Bob was not enrolled"):
        gallery.add("Bob", shown(1, 1), PIN)
    assert [person.name for person in gallery.people()] == ["Ada"]
    assert gallery.version() == before


def test_consent_can_be_noted_later_and_without_photos(gallery: Gallery) -> None:
    gallery.add("Ada", shown(1, 1), PIN)
    assert gallery.add("Ada", [], PIN, "by mail").person.consent == "by mail"
    assert gallery.add("Ada", shown(1, 1, first=1), PIN).person.consent == "by mail"


def test_vectors_of_another_chain_are_refused_with_what_to_do(gallery: Gallery) -> None:
    assert gallery.pin() is None
    gallery.add("Ada", shown(1, 1), PIN)
    assert gallery.pin() == PIN
    with pytest.raises(DataError, match=r"leave away --detector and --embedder, or begin another with MIEN_GALLERY"):
        gallery.add("Bob", shown(2, 1), EmbeddingSpec("{}", "b" * 64))
    assert len(gallery.people()) == 1


def test_changes_tell_what_is_new_other_and_gone(gallery: Gallery) -> None:
    ada = gallery.add("Ada", shown(1), PIN).person.id
    bob = gallery.add("Bob", shown(2), PIN).person.id
    start = gallery.changes(-1, NOBODY)
    assert (start.ids.tolist(), start.gone.tolist()) == ([ada, bob], [])
    assert gallery.changes(start.version, start.ids).ids.tolist() == []
    gallery.add("Ada", shown(1, 1, first=3), PIN)
    carol = gallery.add("Carol", shown(3), PIN).person.id
    gallery.forget("Bob", none)
    later = gallery.changes(start.version, start.ids)
    assert (later.ids.tolist(), later.gone.tolist()) == ([ada, carol], [bob])
    assert later.version == gallery.version() > start.version
    np.testing.assert_allclose(later.templates[0], template(vectors(1, 4)), atol=1e-6)


def test_an_id_never_comes_to_mean_somebody_else(gallery: Gallery) -> None:
    first = gallery.add("Ada", shown(1), PIN).person.id
    gallery.forget("Ada", none)
    assert gallery.add("Ada", shown(1), PIN).person.id > first


def test_two_processes_may_enrol_at_once(address: str) -> None:
    processes = [enrolling(address, 0, 20), enrolling(address, 20, 40)]
    ids = [int(line) for process in processes for line in process.communicate(timeout=60)[0].split()]
    assert [process.returncode for process in processes] == [0, 0]
    with Gallery(address) as gallery:
        assert sorted(person.id for person in gallery.people()) == sorted(ids)
        assert {person.photos for person in gallery.people()} == {3}
        assert gallery.version() == 40


def test_two_processes_may_add_photos_to_one_person_at_once(address: str) -> None:
    script = ENROLLING.replace('f"person {i}", shown(i)', '"Ada", shown(1, 1, first=i)')
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
        gallery.add("Ada", shown(1), PIN)
        files = sorted(path.name for path in sqlite.parent.iterdir())
        assert files == ["gallery.sqlite", "gallery.sqlite-shm", "gallery.sqlite-wal"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in sqlite.parent.iterdir()} == {0o600}
        assert stat.S_IMODE(sqlite.parent.stat().st_mode) == 0o700
