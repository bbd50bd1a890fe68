from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.store import journal, record
from mien.store.journal import Act, Action
from tests.store.trees import contents, folders, harvest, no_links, parts, plant

ACTIONS: list[Action] = ["copy", "link", "move"]


@pytest.fixture
def photos(tmp_path: Path, astronaut: bytes, hopper: bytes) -> Path:
    tree = {
        "a.png": astronaut,
        "in/a.png": hopper,
        "in/b.jpg": os.urandom(5000),
        "민지/사진.jpg": b"x",
        "empty.jpg": b"",
    }
    return plant(tmp_path / "photos", tree)


def acts(photos: Path, root: Path, action: Action) -> list[Act]:
    """All photos into two folders, the two `a.png` into one."""
    found = sorted(path for path in photos.rglob("*") if path.is_file())
    return [Act(path, root / ("Ana" if path.name < "c" else "unknown/더") / path.name, action) for path in found]


@pytest.mark.parametrize("action", ACTIONS)
def test_files_arrive_and_undo_puts_all_back(photos: Path, tmp_path: Path, action: Action) -> None:
    before, root = harvest(photos), tmp_path / "out"
    seen: list[Act] = []
    outcome = journal.execute(acts(photos, root, action), root / ".mien/j.jsonl", root=root, on_done=seen.append)
    assert len(outcome.done) == 5
    assert outcome.done == tuple(seen)
    assert not outcome.failed
    assert sorted(harvest(root)) == [
        "Ana/a-1.png",
        "Ana/a.png",
        "Ana/b.jpg",
        "unknown/더/empty.jpg",
        "unknown/더/사진.jpg",
    ]
    assert contents(root) == contents(photos) if action != "move" else not harvest(photos)
    assert journal.is_finished(root / ".mien/j.jsonl")
    undone = journal.undo(root / ".mien/j.jsonl")
    assert len(undone.done) == 5
    assert not undone.failed
    assert harvest(photos) == before
    assert not folders(root)


@pytest.mark.parametrize("action", ACTIONS)
def test_undoing_twice_is_harmless(photos: Path, tmp_path: Path, action: Action) -> None:
    before, root = harvest(photos), tmp_path / "out"
    journal.execute(acts(photos, root, action), tmp_path / "1.jsonl", root=root)
    journal.undo(tmp_path / "1.jsonl")
    journal.execute(acts(photos, root, action), tmp_path / "2.jsonl", root=root)
    filed = harvest(root)
    assert journal.undo(tmp_path / "1.jsonl") == journal.Outcome()
    assert harvest(root) == filed
    journal.undo(tmp_path / "2.jsonl")
    assert harvest(photos) == before
    assert not root.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_time_and_mode_travel_along(photos: Path, tmp_path: Path, action: Action) -> None:
    (photos / "a.png").chmod(0o640)
    then = (photos / "a.png").stat()
    journal.execute([Act(photos / "a.png", tmp_path / "out/a.png", action)], tmp_path / "j", root=tmp_path / "out")
    now = (tmp_path / "out/a.png").stat()
    assert (now.st_mtime_ns, now.st_mode) == (then.st_mtime_ns, then.st_mode)


@pytest.mark.parametrize("action", ACTIONS)
def test_what_lies_there_is_never_written_over(photos: Path, tmp_path: Path, action: Action) -> None:
    root = plant(tmp_path / "out", {"Ana/a.png": b"mine", "Ana/a-1.png": b"mine too"})
    journal.execute([Act(photos / "a.png", root / "Ana/a.png", action)], tmp_path / "j", root=root)
    assert harvest(root)["Ana/a.png"] == b"mine"
    assert sorted(harvest(root)) == ["Ana/a-1.png", "Ana/a-2.png", "Ana/a.png"]
    journal.undo(tmp_path / "j")
    assert sorted(harvest(root)) == ["Ana/a-1.png", "Ana/a.png"]


@pytest.mark.parametrize(
    ("action", "links"), [("copy", True), ("link", True), ("move", True), ("copy", False), ("move", False)]
)
def test_a_name_taken_between_plan_and_act_is_not_written_over(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Action, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    root, mkdir = tmp_path / "out", os.mkdir

    def intrude(path: Path, mode: int = 0o777) -> None:
        mkdir(path, mode)
        if path == root / "Ana":
            (path / "b.jpg").write_bytes(b"intruder")

    monkeypatch.setattr(os, "mkdir", intrude)
    wanted = [Act(photos / name, root / "Ana" / Path(name).name, action) for name in ("a.png", "in/b.jpg")]
    outcome = journal.execute(wanted, tmp_path / "j", root=root)
    assert [act.target.name for act in outcome.done] == ["a.png", "b-1.jpg"]
    assert harvest(root)["Ana/b.jpg"] == b"intruder"
    journal.undo(tmp_path / "j")
    assert harvest(root) == {"Ana/b.jpg": b"intruder"}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_vanished_file_costs_only_itself(photos: Path, tmp_path: Path, action: Action) -> None:
    planned = acts(photos, tmp_path / "out", action)
    (photos / "a.png").unlink()
    outcome = journal.execute(planned, tmp_path / "j", root=tmp_path / "out")
    assert [(act.source.name, why) for act, why in outcome.failed] == [("a.png", "it is no longer there")]
    assert len(outcome.done) == 4


def test_a_folder_that_cannot_be_made_costs_only_its_files(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, mkdir = tmp_path / "out", os.mkdir

    def refuse(path: Path, mode: int = 0o777) -> None:
        if path == root / "Ana":
            raise PermissionError(errno.EACCES, "Permission denied")
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", refuse)
    outcome = journal.execute(acts(photos, root, "copy"), tmp_path / "j", root=root)
    assert {why for _, why in outcome.failed} == {f"the folder {root / 'Ana'} cannot be made: Permission denied"}
    assert sorted(harvest(root)) == ["unknown/더/empty.jpg", "unknown/더/사진.jpg"]


def test_a_file_that_vanishes_while_others_are_moved_costs_only_itself(photos: Path, tmp_path: Path) -> None:
    planned = acts(photos, tmp_path / "out", "move")
    journal.execute(
        planned, tmp_path / "j", root=tmp_path / "out", on_done=lambda _: (photos / "in/b.jpg").unlink(missing_ok=True)
    )
    assert journal.undo(tmp_path / "j").failed == ()
    assert "in/b.jpg" not in harvest(photos)


def test_folders_pipes_and_files_in_the_way_are_refused(photos: Path, tmp_path: Path) -> None:
    root = plant(tmp_path / "out", {"Ana": b"a file"})
    os.mkfifo(photos / "pipe.jpg")
    planned = [
        Act(photos / "in", root / "x" / "in", "copy"),
        Act(photos / "pipe.jpg", root / "x" / "pipe.jpg", "copy"),
        Act(photos / "a.png", root / "Ana" / "a.png", "move"),
    ]
    outcome = journal.execute(planned, tmp_path / "j", root=root)
    whys = [why for _, why in outcome.failed]
    assert whys == ["it is not a file", "it is not a file", f"{root / 'Ana'} is a file where a folder is needed"]
    assert harvest(root) == {"Ana": b"a file"}


def test_a_symbolic_link_is_copied_and_linked_as_its_file_and_not_moved(photos: Path, tmp_path: Path) -> None:
    (photos / "to.png").symlink_to("a.png")
    root = tmp_path / "out"
    planned = [Act(photos / "to.png", root / action / "to.png", action) for action in ACTIONS]
    outcome = journal.execute(planned, tmp_path / "j", root=root)
    assert [why for _, why in outcome.failed] == ["it is a symbolic link, which is not moved: use --mode copy"]
    assert not (root / "copy/to.png").is_symlink()
    assert (root / "copy/to.png").read_bytes() == (photos / "a.png").read_bytes()
    assert (root / "link/to.png").samefile(photos / "a.png")
    assert (photos / "to.png").is_symlink()
    assert not journal.undo(tmp_path / "j").failed
    assert not root.exists()


@pytest.mark.parametrize("target", ["../x.jpg", "a/../../x.jpg", "", "/etc/x.jpg", "a\0b"])
def test_a_target_outside_is_refused_before_anything_is_done(photos: Path, tmp_path: Path, target: str) -> None:
    good = Act(photos / "a.png", tmp_path / "out/a.png", "move")
    with pytest.raises(DataError, match="lies outside"):
        journal.execute(
            [good, Act(photos / "a.png", tmp_path / "out" / target, "move")], tmp_path / "j", root=tmp_path / "out"
        )
    assert (photos / "a.png").exists()
    assert not (tmp_path / "j").exists()


def test_a_folder_that_is_a_link_out_of_the_root_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/Ana").symlink_to(tmp_path / "elsewhere")
    outcome = journal.execute(acts(photos, tmp_path / "out", "move")[:1], tmp_path / "j", root=tmp_path / "out")
    assert "leads out of" in outcome.failed[0][1]
    assert not harvest(tmp_path / "elsewhere")


def test_sorting_within_one_folder_leaves_what_is_in_its_place(photos: Path) -> None:
    before = harvest(photos)
    planned = [Act(photos / "a.png", photos / "a.png", "move"), Act(photos / "in/a.png", photos / "a.png", "move")]
    outcome = journal.execute(planned, photos / ".mien/j", root=photos)
    assert [act.source.name for act in outcome.skipped] == ["a.png"]
    assert harvest(photos)["a-1.png"] == before["in/a.png"]
    journal.undo(photos / ".mien/j")
    assert harvest(photos) == before


@pytest.mark.parametrize("action", ["copy", "move"])
def test_undo_leaves_what_was_changed_since(photos: Path, tmp_path: Path, action: Action) -> None:
    root = tmp_path / "out"
    outcome = journal.execute(acts(photos, root, action), tmp_path / "j", root=root)
    outcome.done[0].target.write_bytes(b"edited")
    undone = journal.undo(tmp_path / "j")
    assert [(act.target, why) for act, why in undone.failed] == [
        (root / "Ana/a.png", "it was changed since, and stays")
    ]
    assert harvest(root) == {"Ana/a.png": b"edited"}
    assert len(undone.done) == 4


def test_undo_keeps_the_last_copy_and_the_last_link(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    planned = [*acts(photos, root / "c", "copy"), *acts(photos, root / "l", "link")]
    journal.execute(planned, tmp_path / "j", root=root)
    filed, b = harvest(root), (photos / "in/b.jpg").read_bytes()
    for name in ("a.png", "in/a.png"):
        (photos / name).unlink()
    (photos / "in/b.jpg").write_bytes(b"edited in place, and so is its link")
    undone = journal.undo(tmp_path / "j")
    assert {act.target.relative_to(root).as_posix() for act, _ in undone.failed} == {
        f"{kind}/Ana/{name}" for kind in "cl" for name in ("a.png", "a-1.png")
    } | {"c/Ana/b.jpg"}
    assert b in harvest(root).values()
    assert {name: filed[name] for name in harvest(root)} == harvest(root)


@pytest.mark.parametrize("action", ACTIONS)
def test_undo_sees_through_a_symbolic_link_to_the_filed_file(photos: Path, tmp_path: Path, action: Action) -> None:
    data, target = (photos / "a.png").read_bytes(), tmp_path / "out/a.png"
    journal.execute([Act(photos / "a.png", target, action)], tmp_path / "j", root=tmp_path / "out")
    (photos / "a.png").unlink(missing_ok=True)
    (photos / "a.png").symlink_to(target)
    assert len(journal.undo(tmp_path / "j").failed) == 1
    assert target.read_bytes() == data


def test_undo_of_a_move_does_not_write_over_what_came_since(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    journal.execute(acts(photos, root, "move"), tmp_path / "j", root=root)
    (photos / "a.png").write_bytes(b"new")
    undone = journal.undo(tmp_path / "j")
    assert [why for _, why in undone.failed] == ["something else lies in its old place, so that it stays"]
    assert (photos / "a.png").read_bytes() == b"new"
    (photos / "a.png").unlink()
    assert len(journal.undo(tmp_path / "j").done) == 1
    assert not root.exists()


def test_undo_makes_the_old_folder_again_and_keeps_folders_with_other_files(photos: Path, tmp_path: Path) -> None:
    before, root = harvest(photos), tmp_path / "out"
    journal.execute(acts(photos, root, "move"), tmp_path / "j", root=root)
    (photos / "in").rmdir()
    (root / "Ana/notes.txt").write_text("mine")
    assert not journal.undo(tmp_path / "j").failed
    assert harvest(photos) == before
    assert harvest(root) == {"Ana/notes.txt": b"mine"}
    assert folders(root) == {"Ana"}


def test_undo_says_which_file_is_gone(photos: Path, tmp_path: Path) -> None:
    outcome = journal.execute(acts(photos, tmp_path / "out", "move"), tmp_path / "j", root=tmp_path / "out")
    outcome.done[0].target.unlink()
    assert journal.undo(tmp_path / "j").failed == ((outcome.done[0], "it is no longer there"),)


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b'caf\xe9 \n"quoted".jpg')
    photos = plant(tmp_path / "photos", {name: b"data"})
    journal.execute([Act(photos / name, tmp_path / "out" / name, "move")], tmp_path / "j", root=tmp_path / "out")
    assert harvest(tmp_path / "out") == {name: b"data"}
    journal.undo(tmp_path / "j")
    assert harvest(photos) == {name: b"data"}


def test_relative_paths_are_those_of_the_moment(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = harvest(photos)
    monkeypatch.chdir(photos)
    journal.execute([Act(Path("a.png"), Path("out/a.png"), "move")], Path("j"), root=Path("out"))
    monkeypatch.chdir(tmp_path)
    journal.undo(photos / "j")
    (photos / "j").unlink()
    assert harvest(photos) == before


def test_an_exception_on_the_way_leaves_no_half_done_act(photos: Path, tmp_path: Path) -> None:
    def interrupt(act: Act) -> None:
        raise KeyboardInterrupt

    before, root = harvest(photos), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        journal.execute(acts(photos, root, "move"), tmp_path / "j", root=root, on_done=interrupt)
    assert journal.is_finished(tmp_path / "j")
    assert len(harvest(root)) == 1
    journal.undo(tmp_path / "j")
    assert harvest(photos) == before


def test_two_runs_do_not_share_a_journal(photos: Path, tmp_path: Path) -> None:
    journal.execute([], tmp_path / "j", root=tmp_path / "out")
    with pytest.raises(DataError, match="is there already"):
        journal.execute([], tmp_path / "j", root=tmp_path / "out")
    with record.reopen(tmp_path / "j"):
        for call in (journal.undo, journal.resume):
            with pytest.raises(DataError, match="in use by another run"):
                call(tmp_path / "j")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}\n", "is not a journal"),
        (b"Holiday notes\n", "is not a journal"),
        (b"Holiday notes\nand an unfinished line", "is not a journal"),
        (b"Holiday notes", "is not a journal"),
        (b'{"kind": "journal", "schema": 9, "mien": "7.0"}\n', "written by mien 7.0"),
        (b'{"kind": "journal", "schema": 1, "mien": "1", "root": "/x", "token": "t"}\nnonsense\n', "line 2 of"),
        (
            b'{"kind": "journal", "schema": 1, "mien": "1", "root": "/x", "token": "t"}\n{"kind": "done", "n": 4}\n',
            "line 2 of",
        ),
        (b'{"kind": "journal", "schema": 1, "mien": "1", "root": "/x", "token": "t"}\n{"kind": "new"}\n', "line 2 of"),
        (b'{"kind": "journal", "schema": 1}\n', "line 1 of"),
    ],
)
def test_what_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "j").write_bytes(data)
    with pytest.raises(DataError, match=message):
        journal.undo(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == data


def test_a_journal_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        journal.undo(tmp_path / "nowhere")
    with pytest.raises(DataError, match="nowhere"):
        journal.is_finished(tmp_path / "nowhere")


def test_a_journal_is_json_lines_with_a_head(photos: Path, tmp_path: Path) -> None:
    journal.execute(acts(photos, tmp_path / "out", "copy"), tmp_path / "j", root=tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
    assert {"kind", "schema", "mien", "created", "root", "token"} == set(lines[0])
    assert [line["kind"] for line in lines[1:]] == ["folder"] * 4 + ["intent"] * 5 + ["done"] * 5 + ["end"]
    assert all(len(line["sha256"]) == 64 for line in lines if line["kind"] == "done")


def test_filed_tells_what_stands(photos: Path, tmp_path: Path) -> None:
    outcome = journal.execute(acts(photos, tmp_path / "out", "copy"), tmp_path / "j", root=tmp_path / "out")
    assert [act for act, _, _ in journal.filed(tmp_path / "j")] == list(outcome.done)
    assert [before.size for _, before, _ in journal.filed(tmp_path / "j")] == [
        a.source.stat().st_size for a in outcome.done
    ]
    journal.undo(tmp_path / "j")
    assert not list(journal.filed(tmp_path / "j"))


def test_a_thousand_files_of_one_name_arrive(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", {f"{n}/IMG.jpg": str(n).encode() for n in range(1000)})
    before, root = harvest(photos), tmp_path / "out"
    planned = [Act(photos / name, root / "Ana/IMG.jpg", "move") for name in before]
    assert len(journal.execute(planned, tmp_path / "j", root=root).done) == 1000
    assert contents(root).total() == 1000
    journal.undo(tmp_path / "j")
    assert harvest(photos) == before
    assert not parts(photos)


def test_the_journal_needs_no_picture_library() -> None:
    code = "import sys, mien.store.journal; assert not {'numpy', 'cv2', 'PIL', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_act_that_comes_after_another_is_not_done_without_it(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", {"a.jpg": b"a", "b.jpg": b"b", "c.jpg": b"c"})
    root = plant(tmp_path / "out", {"taken": b"a file where a folder is needed"})
    pairs = [("gone.jpg", "Ana", "a.jpg"), ("b.jpg", "taken", "a.jpg"), ("c.jpg", "Ana", "b.jpg")]
    first, second, third = (
        [
            Act(photos / name, root / folder / name, "move"),
            Act(photos / follower, root / "aside" / follower, "move", after=photos / name),
        ]
        for name, folder, follower in pairs
    )
    for n, acts in enumerate((first, second)):
        outcome = journal.execute(acts, tmp_path / f"j{n}", root=root)
        assert [why for _, why in outcome.failed][1] == "what has to be done before it was not done"
        assert harvest(photos) == {"a.jpg": b"a", "b.jpg": b"b", "c.jpg": b"c"}
    assert len(journal.execute(third, tmp_path / "j", root=root).done) == 2
    assert not journal.undo(tmp_path / "j").failed
    assert harvest(photos) == {"a.jpg": b"a", "b.jpg": b"b", "c.jpg": b"c"}


def test_files_may_go_into_a_folder_beside_and_come_back(photos: Path, tmp_path: Path) -> None:
    before, root, aside = harvest(photos), tmp_path / "out", tmp_path / "aside"
    moves = [Act(photos / "a.png", root / "a.png", "move"), Act(photos / "empty.jpg", aside / "Ana" / "e.jpg", "move")]
    with pytest.raises(DataError, match=r"lies outside of .*out: nothing was done"):
        journal.execute(moves, tmp_path / "j", root=root)
    assert len(journal.execute(moves, tmp_path / "j", root=root, beside=[aside]).done) == 2
    assert set(harvest(aside)) == {"Ana/e.jpg"}
    assert not journal.undo(tmp_path / "j").failed
    assert harvest(photos) == before
    assert not aside.exists()
