from __future__ import annotations

import os
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.store import journal, recovery, transfer
from mien.store.journal import FilingHistory, Transfer, Verb, filing_history, new_journal, newest_first
from mien.store.recovery import resume_all
from tests.store.trees import harvest, in_child, plant


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return plant(tmp_path / "photos", {"a.jpg": b"a", "b.jpg": b"b"})


def acts(photos: Path, root: Path) -> list[Transfer]:
    return [Transfer(path, root / "Ana" / path.name, "move") for path in sorted(photos.iterdir())]


def test_a_folder_that_nothing_was_sorted_into_has_no_past(tmp_path: Path) -> None:
    assert filing_history(tmp_path / "nowhere", "sort") == FilingHistory()
    assert resume_all(tmp_path / "nowhere") == []
    assert not (tmp_path / "nowhere").exists()


def test_every_run_gets_a_journal_of_its_own(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    paths = []
    for _ in range(3):
        paths.append(new_journal(root, "sort"))
        transfer.execute([], paths[-1], root=root)
    assert len(set(paths)) == 3
    assert all(path.parent == root / ".mien" and path.name.startswith("sort-") for path in paths)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_run_is_settled_once_and_what_it_did_stands(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    path = new_journal(root, "sort")

    def killed_between_link_and_unlink() -> None:
        unlink = os.unlink
        os.unlink = lambda *_: os.kill(os.getpid(), 9)
        transfer.execute(acts(photos, root), path, root=root)
        os.unlink = unlink

    assert in_child(killed_between_link_and_unlink)
    assert harvest(photos) == {"a.jpg": b"a", "b.jpg": b"b"}
    assert harvest(root) == {"Ana/a.jpg": b"a"}
    ((settled, outcome),) = resume_all(root)
    assert settled == path
    assert ([a.source.name for a in outcome.done], [a.source.name for a in outcome.skipped]) == (["a.jpg"], ["b.jpg"])
    assert harvest(photos) == {"b.jpg": b"b"}
    assert resume_all(root) == []
    assert set(filing_history(root, "sort").sources) == {photos / "a.jpg"}
    assert filing_history(root, "sort").targets == {root / "Ana/a.jpg"}


def test_what_was_undone_or_taken_away_does_not_count(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    path = new_journal(root, "sort")
    transfer.execute(acts(photos, root), path, root=root)
    (root / "Ana/a.jpg").unlink()
    assert filing_history(root, "sort").targets == {root / "Ana/b.jpg"}
    recovery.undo(path)
    assert filing_history(root, "sort") == FilingHistory()


def test_a_run_that_is_still_going_on_is_not_disturbed(photos: Path, tmp_path: Path) -> None:
    path = new_journal(tmp_path / "out", "sort")
    with journal.create(path, tmp_path / "out"), pytest.raises(DataError, match="in use by another run"):
        resume_all(tmp_path / "out")


def test_a_journal_torn_in_its_first_line_is_passed_over(tmp_path: Path) -> None:
    path = new_journal(tmp_path, "sort")
    path.parent.mkdir()
    for torn in (b"", b'{"kind"', b'{"kind": "journal", "schema": 1, "mi'):
        path.write_bytes(torn)
        assert resume_all(tmp_path) == []
        assert filing_history(tmp_path, "sort") == FilingHistory()
        assert recovery.undo(path) == journal.Outcome()


def test_the_journals_of_two_verbs_are_told_apart_and_settled_together(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    transfer.execute(acts(photos, root)[:1], new_journal(root, "sort"), root=root)
    transfer.execute(acts(photos, root), new_journal(root, "clean"), root=root)
    assert set(filing_history(root, "sort").sources) == {photos / "a.jpg"}
    assert set(filing_history(root, "clean").sources) == {photos / "b.jpg"}
    (root / ".mien/clean-notes.jsonl").write_text("not ours")
    with journal.create(new_journal(root, "clean"), root):
        pass  # a run that was killed before it did anything
    assert [path.name.partition("-")[0] for path, _ in resume_all(root)] == ["clean"]


def test_what_was_done_last_is_taken_back_first_whatever_it_is_called(tmp_path: Path) -> None:
    kinds: list[Verb] = ["sort", "clean", "sort"]
    paths = []
    for kind in kinds:
        paths.append(new_journal(tmp_path, kind))
        transfer.execute([], paths[-1], root=tmp_path)
    later = [paths[0].with_name(f"clean-29991231T000000Z-{n}.jsonl") for n in (2, 10)]
    assert newest_first({*later, *paths}) == [*reversed([*paths, *later])]
    assert newest_first([tmp_path / "a", tmp_path / "b"]) == [tmp_path / "b", tmp_path / "a"]
