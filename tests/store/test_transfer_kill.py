"""Runs that are killed by SIGKILL at each and every change of the disk, and what is left of the files then."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.store import journal, recovery, transfer
from mien.store.journal import Action, Transfer
from tests.store.trees import contents, folders, harvest, in_child, no_links, parts, plant

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

TREE = {"a.jpg": b"one", "in/a.jpg": b"another", "b.jpg": b"third" * 1000, "empty.jpg": b""}
SAME, ACROSS, NO_LINKS = "one disk", "two disks", "no links"
CASES: list[tuple[Action, str]] = [
    ("copy", SAME),
    ("copy", NO_LINKS),
    ("link", SAME),
    ("move", SAME),
    ("move", ACROSS),
    ("move", NO_LINKS),
]


@pytest.fixture(scope="module")
def other_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on another disk than the temporary folder, where there is one."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path_factory.getbasetemp().stat().st_dev:
        pytest.skip("there is no second disk")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


QUICK = (("copy", SAME), ("move", SAME))


@pytest.fixture(
    params=[pytest.param(case, id=" on ".join(case), marks=() if case in QUICK else pytest.mark.slow) for case in CASES]
)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    action, disks = request.param
    out = request.getfixturevalue("other_disk") if disks == ACROSS else tmp_path
    with ExitStack() as stack:
        if disks == NO_LINKS:
            stack.enter_context(mock.patch("os.link", no_links))
        yield World(action, tmp_path, out)


class World:
    """A fresh folder of photos and a fresh target for each round."""

    def __init__(self, action: Action, here: Path, there: Path) -> None:
        self.action = action
        self._here, self._there, self._round = here, there, 0

    def fresh(self) -> None:
        self._round += 1
        self.photos = plant(self._here / f"photos-{self._round}", TREE)
        self.root = self._there / f"out-{self._round}"
        self.journal = self._here / f"journal-{self._round}"

    def sort(self) -> journal.Outcome:
        """Plan anew and carry it out; the journal's name is the next that is free."""
        filed = {entry.transfer.source for path in self.journals() for entry, _ in journal.read(path).standing()}
        acts = [
            Transfer(path, self.root / ("Ana" if path.name < "c" else "더/Bo") / path.name, self.action)
            for path in sorted(self.photos.rglob("*.jpg"))
            if path not in filed
        ]
        return transfer.execute(acts, self.journal.with_suffix(f".{len(self.journals())}"), root=self.root)

    def journals(self) -> list[Path]:
        return sorted(self.journal.parent.glob(f"{self.journal.name}.*"))

    def resume(self) -> None:
        for path in self.journals():
            recovery.resume(path)

    def undo(self) -> None:
        for path in reversed(self.journals()):
            assert recovery.undo(path).failed == ()

    def assert_nothing_lost(self) -> None:
        assert set(contents(self.photos, self.root)) >= set(TREE.values())

    def assert_settled(self) -> None:
        """Nothing half done: a moved file has one name, and nothing is half written."""
        assert not parts(self.photos, self.root)
        assert all(journal.read(path).ended for path in self.journals())
        if self.action == "move":
            assert contents(self.photos, self.root).total() == len(TREE)

    def assert_sorted(self) -> None:
        self.assert_settled()
        assert sorted(harvest(self.root)) == ["Ana/a-1.jpg", "Ana/a.jpg", "Ana/b.jpg", "더/Bo/empty.jpg"]
        assert set(contents(self.root)) == set(TREE.values())
        assert harvest(self.photos) == ({} if self.action == "move" else TREE)

    def assert_as_before(self) -> None:
        assert harvest(self.photos) == TREE
        assert all((self.photos / name).stat().st_mtime_ns == 10**18 + len(data) for name, data in TREE.items())
        assert not harvest(self.root) if self.root.exists() else True
        assert not parts(self.photos, self.root)
        assert not folders(self.root)


def test_killed_anywhere_undo_puts_all_back(world: World) -> None:
    for step in count():
        world.fresh()
        killed = in_child(world.sort, kill_at=step)
        world.assert_nothing_lost()
        world.undo()
        world.assert_as_before()
        if not killed:
            break
    assert step > 20


def test_killed_anywhere_the_next_run_finishes(world: World) -> None:
    for step in count():
        world.fresh()
        killed = in_child(world.sort, kill_at=step)
        world.resume()
        world.assert_settled()
        assert world.sort().failed == ()
        world.assert_sorted()
        world.undo()
        world.assert_as_before()
        if not killed:
            break


@pytest.mark.slow
def test_an_undoing_killed_anywhere_is_continued_by_another_or_by_the_next_run(world: World) -> None:
    for step in count():
        world.fresh()
        world.sort()
        killed = in_child(world.undo, kill_at=step)
        world.assert_nothing_lost()
        (world.undo, world.resume)[step % 2]()
        if step % 2 and any(journal.read(path).standing() for path in world.journals()):
            world.undo()  # killed before it had begun
        world.assert_as_before()
        if not killed:
            break
    assert step > 15


@pytest.mark.slow
def test_killed_while_settling_after_a_kill_loses_nothing(world: World) -> None:
    for step in range(0, 60, 5):
        for second in (0, 1, 4):
            world.fresh()
            in_child(world.sort, kill_at=step)
            in_child(world.resume, kill_at=second)
            world.assert_nothing_lost()
            in_child(world.undo, kill_at=second)
            world.assert_nothing_lost()
            world.undo()
            world.assert_as_before()


def test_what_others_put_there_after_a_kill_is_not_taken_for_ours(tmp_path: Path) -> None:
    photos, root, path = plant(tmp_path / "photos", {"a.jpg": b"a"}), tmp_path / "out", tmp_path / "j"

    def killed_before_the_act() -> None:
        os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        transfer.execute([Transfer(photos / "a.jpg", root / "Ana/a.jpg", "move")], path, root=root)

    for theirs in (b"", b"b", b"theirs"):
        assert in_child(killed_before_the_act)
        (root / "Ana/a.jpg").write_bytes(theirs)
        assert [act.source.name for act in recovery.resume(path).skipped] == ["a.jpg"]
        assert recovery.undo(path) == journal.Outcome()
        assert harvest(root) == {"Ana/a.jpg": theirs}
        assert harvest(photos) == {"a.jpg": b"a"}
        (root / "Ana/a.jpg").unlink()
        path.unlink()


STEPS = st.lists(st.tuples(st.sampled_from(["sort", "resume", "undo"]), st.integers(0, 60)), min_size=1, max_size=6)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(action=st.sampled_from(["copy", "link", "move"]), steps=STEPS)
def test_whatever_is_run_and_killed_nothing_is_lost_and_all_comes_back(
    tmp_path_factory: pytest.TempPathFactory, action: Action, steps: list[tuple[str, int]]
) -> None:
    here = tmp_path_factory.mktemp("world")
    world = World(action, here, here)
    world.fresh()
    for name, kill_at in steps:
        in_child(lambda name=name: _settled(world, name), kill_at=kill_at)  # type: ignore[misc]
        world.assert_nothing_lost()
    world.resume()
    world.assert_settled()
    world.undo()
    world.assert_as_before()


def _settled(world: World, name: str) -> None:
    """A run settles what lies there first, as every caller of the journal does."""
    if name == "sort":
        world.resume()
    getattr(world, name)()


RUN = """
import sys
import filelock  # loaded late otherwise, after the first kill
from pathlib import Path
from mien.store import journal, recovery, transfer
photos, root, action = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
acts = [journal.Transfer(path, root / path.parent.name / path.name, action) for path in sorted(photos.rglob("*.jpg"))]
print("begun", flush=True)
transfer.execute(acts, root / ".mien" / "j.jsonl", root=root)
"""


@pytest.mark.parametrize("action", ["copy", "link", "move"])
def test_killed_from_outside_at_any_time_undo_puts_all_back(tmp_path: Path, action: Action) -> None:
    dice = random.Random(action)
    tree = {f"{n % 7}/{n}.jpg": dice.randbytes(3000) for n in range(1500)}
    photos, interrupted = plant(tmp_path / "photos", tree), 0
    for turn in range(6):
        root = tmp_path / f"out-{turn}"
        child = subprocess.Popen([sys.executable, "-c", RUN, photos, root, action], stdout=subprocess.PIPE)
        assert child.stdout
        child.stdout.readline()
        path = root / ".mien" / "j.jsonl"
        while turn and not path.exists() and child.poll() is None:  # once it may be before, on a slow machine
            time.sleep(0.001)
        time.sleep(dice.random() * 0.15)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        everywhere = contents(photos, root)
        assert all(everywhere[data] for data in tree.values())
        if path.exists():
            interrupted += not journal.read(path).ended
            assert recovery.undo(path).failed == ()
        assert harvest(photos) == tree
        assert not harvest(root)
        assert not folders(root)
    assert interrupted
