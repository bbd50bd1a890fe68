from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.store import journal, recovery, transfer
from mien.store.journal import Action, Transfer
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


def acts(photos: Path, root: Path, action: Action) -> list[Transfer]:
    """All photos into two folders, the two `a.png` into one."""
    found = sorted(path for path in photos.rglob("*") if path.is_file())
    return [Transfer(path, root / ("Ana" if path.name < "c" else "unknown/더") / path.name, action) for path in found]


@pytest.mark.parametrize("action", ACTIONS)
def test_files_arrive_and_undo_puts_all_back(photos: Path, tmp_path: Path, action: Action) -> None:
    before, root = harvest(photos), tmp_path / "out"
    seen: list[Transfer] = []
    outcome = transfer.execute(acts(photos, root, action), root / ".mien/j.jsonl", root=root, on_done=seen.append)
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
    assert journal.read(root / ".mien/j.jsonl").ended
    undone = recovery.undo(root / ".mien/j.jsonl")
    assert len(undone.done) == 5
    assert not undone.failed
    assert harvest(photos) == before
    assert not folders(root)


@pytest.mark.parametrize("action", ACTIONS)
def test_undoing_twice_is_harmless(photos: Path, tmp_path: Path, action: Action) -> None:
    before, root = harvest(photos), tmp_path / "out"
    transfer.execute(acts(photos, root, action), tmp_path / "1.jsonl", root=root)
    recovery.undo(tmp_path / "1.jsonl")
    transfer.execute(acts(photos, root, action), tmp_path / "2.jsonl", root=root)
    filed = harvest(root)
    assert recovery.undo(tmp_path / "1.jsonl") == journal.Outcome()
    assert harvest(root) == filed
    recovery.undo(tmp_path / "2.jsonl")
    assert harvest(photos) == before
    assert not root.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_time_and_mode_travel_along(photos: Path, tmp_path: Path, action: Action) -> None:
    (photos / "a.png").chmod(0o640)
    then = (photos / "a.png").stat()
    transfer.execute(
        [Transfer(photos / "a.png", tmp_path / "out/a.png", action)], tmp_path / "j", root=tmp_path / "out"
    )
    now = (tmp_path / "out/a.png").stat()
    assert (now.st_mtime_ns, now.st_mode) == (then.st_mtime_ns, then.st_mode)


@pytest.mark.parametrize("action", ACTIONS)
def test_what_lies_there_is_never_written_over(photos: Path, tmp_path: Path, action: Action) -> None:
    root = plant(tmp_path / "out", {"Ana/a.png": b"mine", "Ana/a-1.png": b"mine too"})
    transfer.execute([Transfer(photos / "a.png", root / "Ana/a.png", action)], tmp_path / "j", root=root)
    assert harvest(root)["Ana/a.png"] == b"mine"
    assert sorted(harvest(root)) == ["Ana/a-1.png", "Ana/a-2.png", "Ana/a.png"]
    recovery.undo(tmp_path / "j")
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
    wanted = [Transfer(photos / name, root / "Ana" / Path(name).name, action) for name in ("a.png", "in/b.jpg")]
    outcome = transfer.execute(wanted, tmp_path / "j", root=root)
    assert [act.target.name for act in outcome.done] == ["a.png", "b-1.jpg"]
    assert harvest(root)["Ana/b.jpg"] == b"intruder"
    recovery.undo(tmp_path / "j")
    assert harvest(root) == {"Ana/b.jpg": b"intruder"}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_vanished_file_costs_only_itself(photos: Path, tmp_path: Path, action: Action) -> None:
    planned = acts(photos, tmp_path / "out", action)
    (photos / "a.png").unlink()
    outcome = transfer.execute(planned, tmp_path / "j", root=tmp_path / "out")
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
    outcome = transfer.execute(acts(photos, root, "copy"), tmp_path / "j", root=root)
    assert {why for _, why in outcome.failed} == {f"the folder {root / 'Ana'} cannot be created: Permission denied"}
    assert sorted(harvest(root)) == ["unknown/더/empty.jpg", "unknown/더/사진.jpg"]


def test_a_file_that_vanishes_while_others_are_moved_costs_only_itself(photos: Path, tmp_path: Path) -> None:
    planned = acts(photos, tmp_path / "out", "move")
    transfer.execute(
        planned, tmp_path / "j", root=tmp_path / "out", on_done=lambda _: (photos / "in/b.jpg").unlink(missing_ok=True)
    )
    assert recovery.undo(tmp_path / "j").failed == ()
    assert "in/b.jpg" not in harvest(photos)


def test_folders_pipes_and_files_in_the_way_are_refused(photos: Path, tmp_path: Path) -> None:
    root = plant(tmp_path / "out", {"Ana": b"a file"})
    os.mkfifo(photos / "pipe.jpg")
    planned = [
        Transfer(photos / "in", root / "x" / "in", "copy"),
        Transfer(photos / "pipe.jpg", root / "x" / "pipe.jpg", "copy"),
        Transfer(photos / "a.png", root / "Ana" / "a.png", "move"),
    ]
    outcome = transfer.execute(planned, tmp_path / "j", root=root)
    whys = [why for _, why in outcome.failed]
    assert whys == ["it is not a file", "it is not a file", f"{root / 'Ana'} is a file where a folder is needed"]
    assert harvest(root) == {"Ana": b"a file"}


def test_a_symbolic_link_is_copied_and_linked_as_its_file_and_not_moved(photos: Path, tmp_path: Path) -> None:
    (photos / "to.png").symlink_to("a.png")
    root = tmp_path / "out"
    planned = [Transfer(photos / "to.png", root / action / "to.png", action) for action in ACTIONS]
    outcome = transfer.execute(planned, tmp_path / "j", root=root)
    assert [why for _, why in outcome.failed] == ["symbolic links are not moved: use --mode copy"]
    assert not (root / "copy/to.png").is_symlink()
    assert (root / "copy/to.png").read_bytes() == (photos / "a.png").read_bytes()
    assert (root / "link/to.png").samefile(photos / "a.png")
    assert (photos / "to.png").is_symlink()
    assert not recovery.undo(tmp_path / "j").failed
    assert not root.exists()


@pytest.mark.parametrize("target", ["../x.jpg", "a/../../x.jpg", "", "/etc/x.jpg", "a\0b"])
def test_a_target_outside_is_refused_before_anything_is_done(photos: Path, tmp_path: Path, target: str) -> None:
    good = Transfer(photos / "a.png", tmp_path / "out/a.png", "move")
    with pytest.raises(DataError, match="is outside"):
        transfer.execute(
            [good, Transfer(photos / "a.png", tmp_path / "out" / target, "move")], tmp_path / "j", root=tmp_path / "out"
        )
    assert (photos / "a.png").exists()
    assert not (tmp_path / "j").exists()


def test_a_folder_that_is_a_link_out_of_the_root_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/Ana").symlink_to(tmp_path / "elsewhere")
    outcome = transfer.execute(acts(photos, tmp_path / "out", "move")[:1], tmp_path / "j", root=tmp_path / "out")
    assert "is outside" in outcome.failed[0][1]
    assert not harvest(tmp_path / "elsewhere")


def test_sorting_within_one_folder_leaves_what_is_in_its_place(photos: Path) -> None:
    before = harvest(photos)
    planned = [
        Transfer(photos / "a.png", photos / "a.png", "move"),
        Transfer(photos / "in/a.png", photos / "a.png", "move"),
    ]
    outcome = transfer.execute(planned, photos / ".mien/j", root=photos)
    assert [act.source.name for act in outcome.skipped] == ["a.png"]
    assert harvest(photos)["a-1.png"] == before["in/a.png"]
    recovery.undo(photos / ".mien/j")
    assert harvest(photos) == before


@pytest.mark.parametrize("action", ["copy", "move"])
def test_undo_leaves_what_was_changed_since(photos: Path, tmp_path: Path, action: Action) -> None:
    root = tmp_path / "out"
    outcome = transfer.execute(acts(photos, root, action), tmp_path / "j", root=root)
    outcome.done[0].target.write_bytes(b"edited")
    undone = recovery.undo(tmp_path / "j")
    assert [(act.target, why) for act, why in undone.failed] == [
        (root / "Ana/a.png", "it has changed since, so it stays")
    ]
    assert harvest(root) == {"Ana/a.png": b"edited"}
    assert len(undone.done) == 4


def test_undo_keeps_the_last_copy_and_the_last_link(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    planned = [*acts(photos, root / "c", "copy"), *acts(photos, root / "l", "link")]
    transfer.execute(planned, tmp_path / "j", root=root)
    filed, b = harvest(root), (photos / "in/b.jpg").read_bytes()
    for name in ("a.png", "in/a.png"):
        (photos / name).unlink()
    (photos / "in/b.jpg").write_bytes(b"edited in place, and so is its link")
    undone = recovery.undo(tmp_path / "j")
    assert {act.target.relative_to(root).as_posix() for act, _ in undone.failed} == {
        f"{kind}/Ana/{name}" for kind in "cl" for name in ("a.png", "a-1.png")
    } | {"c/Ana/b.jpg"}
    assert b in harvest(root).values()
    assert {name: filed[name] for name in harvest(root)} == harvest(root)


@pytest.mark.parametrize("action", ACTIONS)
def test_undo_sees_through_a_symbolic_link_to_the_filed_file(photos: Path, tmp_path: Path, action: Action) -> None:
    data, target = (photos / "a.png").read_bytes(), tmp_path / "out/a.png"
    transfer.execute([Transfer(photos / "a.png", target, action)], tmp_path / "j", root=tmp_path / "out")
    (photos / "a.png").unlink(missing_ok=True)
    (photos / "a.png").symlink_to(target)
    assert len(recovery.undo(tmp_path / "j").failed) == 1
    assert target.read_bytes() == data


def test_undo_of_a_move_does_not_write_over_what_came_since(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    transfer.execute(acts(photos, root, "move"), tmp_path / "j", root=root)
    (photos / "a.png").write_bytes(b"new")
    undone = recovery.undo(tmp_path / "j")
    assert [why for _, why in undone.failed] == ["another file is in its old place, so it stays"]
    assert (photos / "a.png").read_bytes() == b"new"
    (photos / "a.png").unlink()
    assert len(recovery.undo(tmp_path / "j").done) == 1
    assert not root.exists()


def test_undo_makes_the_old_folder_again_and_keeps_folders_with_other_files(photos: Path, tmp_path: Path) -> None:
    before, root = harvest(photos), tmp_path / "out"
    transfer.execute(acts(photos, root, "move"), tmp_path / "j", root=root)
    (photos / "in").rmdir()
    (root / "Ana/notes.txt").write_text("mine")
    assert not recovery.undo(tmp_path / "j").failed
    assert harvest(photos) == before
    assert harvest(root) == {"Ana/notes.txt": b"mine"}
    assert folders(root) == {"Ana"}


def test_undo_says_which_file_is_gone(photos: Path, tmp_path: Path) -> None:
    outcome = transfer.execute(acts(photos, tmp_path / "out", "move"), tmp_path / "j", root=tmp_path / "out")
    outcome.done[0].target.unlink()
    assert recovery.undo(tmp_path / "j").failed == ((outcome.done[0], "it is no longer there"),)


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b'caf\xe9 \n"quoted".jpg')
    photos = plant(tmp_path / "photos", {name: b"data"})
    transfer.execute([Transfer(photos / name, tmp_path / "out" / name, "move")], tmp_path / "j", root=tmp_path / "out")
    assert harvest(tmp_path / "out") == {name: b"data"}
    recovery.undo(tmp_path / "j")
    assert harvest(photos) == {name: b"data"}


def test_relative_paths_are_those_of_the_moment(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = harvest(photos)
    monkeypatch.chdir(photos)
    transfer.execute([Transfer(Path("a.png"), Path("out/a.png"), "move")], Path("j"), root=Path("out"))
    monkeypatch.chdir(tmp_path)
    recovery.undo(photos / "j")
    (photos / "j").unlink()
    assert harvest(photos) == before


def test_an_exception_on_the_way_leaves_no_half_done_act(photos: Path, tmp_path: Path) -> None:
    def interrupt(act: Transfer) -> None:
        raise KeyboardInterrupt

    before, root = harvest(photos), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        transfer.execute(acts(photos, root, "move"), tmp_path / "j", root=root, on_done=interrupt)
    assert journal.read(tmp_path / "j").ended
    assert len(harvest(root)) == 1
    recovery.undo(tmp_path / "j")
    assert harvest(photos) == before


def test_two_runs_do_not_share_a_journal(photos: Path, tmp_path: Path) -> None:
    transfer.execute([], tmp_path / "j", root=tmp_path / "out")
    with pytest.raises(DataError, match="is there already"):
        transfer.execute([], tmp_path / "j", root=tmp_path / "out")
    with journal.reopen(tmp_path / "j"):
        for call in (recovery.undo, recovery.resume):
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
        recovery.undo(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == data


def test_a_journal_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        recovery.undo(tmp_path / "nowhere")
    with pytest.raises(DataError, match="nowhere"):
        journal.read(tmp_path / "nowhere")


def test_a_journal_is_json_lines_with_a_head(photos: Path, tmp_path: Path) -> None:
    transfer.execute(acts(photos, tmp_path / "out", "copy"), tmp_path / "j", root=tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
    assert {"kind", "schema", "mien", "created", "root", "token"} == set(lines[0])
    assert [line["kind"] for line in lines[1:]] == ["folder"] * 4 + ["intent"] * 5 + ["done"] * 5 + ["end"]
    assert all(len(line["sha256"]) == 64 for line in lines if line["kind"] == "done")


def test_filed_tells_what_stands(photos: Path, tmp_path: Path) -> None:
    outcome = transfer.execute(acts(photos, tmp_path / "out", "copy"), tmp_path / "j", root=tmp_path / "out")
    entries = [entry for entry, _ in journal.read(tmp_path / "j").standing()]
    assert [entry.transfer for entry in entries] == list(outcome.done)
    assert [entry.before.size for entry in entries] == [act.source.stat().st_size for act in outcome.done]
    recovery.undo(tmp_path / "j")
    assert not journal.read(tmp_path / "j").standing()


def test_a_thousand_files_of_one_name_arrive(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", {f"{n}/IMG.jpg": str(n).encode() for n in range(1000)})
    before, root = harvest(photos), tmp_path / "out"
    planned = [Transfer(photos / name, root / "Ana/IMG.jpg", "move") for name in before]
    assert len(transfer.execute(planned, tmp_path / "j", root=root).done) == 1000
    assert contents(root).total() == 1000
    recovery.undo(tmp_path / "j")
    assert harvest(photos) == before
    assert not parts(photos)


def test_the_journal_needs_no_picture_library() -> None:
    code = "import sys, mien.store.transfer; assert not {'numpy', 'cv2', 'PIL', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_act_that_comes_after_another_is_not_done_without_it(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", {"a.jpg": b"a", "b.jpg": b"b", "c.jpg": b"c"})
    root = plant(tmp_path / "out", {"taken": b"a file where a folder is needed"})
    pairs = [("gone.jpg", "Ana", "a.jpg"), ("b.jpg", "taken", "a.jpg"), ("c.jpg", "Ana", "b.jpg")]
    first, second, third = (
        [
            Transfer(photos / name, root / folder / name, "move"),
            Transfer(photos / follower, root / "aside" / follower, "move", after=photos / name),
        ]
        for name, folder, follower in pairs
    )
    for n, acts in enumerate((first, second)):
        outcome = transfer.execute(acts, tmp_path / f"j{n}", root=root)
        assert [why for _, why in outcome.failed][1] == "the step before it was not done"
        assert harvest(photos) == {"a.jpg": b"a", "b.jpg": b"b", "c.jpg": b"c"}
    assert len(transfer.execute(third, tmp_path / "j", root=root).done) == 2
    assert not recovery.undo(tmp_path / "j").failed
    assert harvest(photos) == {"a.jpg": b"a", "b.jpg": b"b", "c.jpg": b"c"}


def test_files_may_go_into_a_folder_beside_and_come_back(photos: Path, tmp_path: Path) -> None:
    before, root, aside = harvest(photos), tmp_path / "out", tmp_path / "aside"
    moves = [
        Transfer(photos / "a.png", root / "a.png", "move"),
        Transfer(photos / "empty.jpg", aside / "Ana" / "e.jpg", "move"),
    ]
    with pytest.raises(DataError, match=r"is outside .*out: nothing was done"):
        transfer.execute(moves, tmp_path / "j", root=root)
    assert len(transfer.execute(moves, tmp_path / "j", root=root, beside=[aside]).done) == 2
    assert set(harvest(aside)) == {"Ana/e.jpg"}
    assert not recovery.undo(tmp_path / "j").failed
    assert harvest(photos) == before
    assert not aside.exists()
