"""Disks that are full, read-only, or not the same one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.store import fileops, journal, recovery, transfer
from mien.store.journal import Action, Transfer
from tests.store.trees import contents, harvest, in_child, no_links, parts, plant

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file systems")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        made = False
    if not made:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def fill_up(disk: Path) -> None:
    with (disk / "fill").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))


def acts(photos: Path, root: Path, action: Action) -> list[Transfer]:
    return [Transfer(path, root / "Ana" / path.name, action) for path in sorted(photos.iterdir())]


@pytest.mark.parametrize("action", ["copy", "move"])
def test_a_full_disk_stops_the_run_and_keeps_what_is_done(tmp_path: Path, tiny_disk: Path, action: Action) -> None:
    tree = {f"{n:02}.jpg": os.urandom(100_000) for n in range(20)}
    photos = plant(tmp_path / "photos", tree)
    path = tiny_disk / ".mien/j.jsonl"
    with pytest.raises(DataError, match=r"is full, after \d+ of 20 files were filed: .* mien undo .*j\.jsonl"):
        transfer.execute(acts(photos, tiny_disk, action), path, root=tiny_disk)
    assert 5 < len(harvest(tiny_disk)) < 11
    assert not parts(tiny_disk)
    assert set(contents(photos, tiny_disk)) == set(tree.values())
    assert recovery.undo(path).failed == ()
    assert harvest(photos) == tree
    assert not harvest(tiny_disk)


def test_a_disk_too_full_for_the_journal_is_left_as_it_is(tmp_path: Path, tiny_disk: Path) -> None:
    photos = plant(tmp_path / "photos", {"a.jpg": b"a"})
    fill_up(tiny_disk)
    with pytest.raises(DataError, match="No space left on device; nothing was done"):
        transfer.execute(acts(photos, tiny_disk, "move"), tiny_disk / "j.jsonl", root=tiny_disk)
    assert [path.name for path in tiny_disk.iterdir()] == ["fill"]
    assert harvest(photos) == {"a.jpg": b"a"}


def test_a_disk_that_fills_up_does_not_keep_anything_from_being_undone(tmp_path: Path, tiny_disk: Path) -> None:
    tree = {f"{n:03}.jpg": bytes([n]) for n in range(200)}
    photos = plant(tiny_disk / "photos", tree)
    transfer.execute(acts(photos, tiny_disk, "move"), tiny_disk / "j.jsonl", root=tiny_disk)
    fill_up(tiny_disk)
    assert recovery.undo(tiny_disk / "j.jsonl").failed == ()
    assert harvest(photos) == tree


def _limited(photos: Path, root: Path, path: Path) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    outcome = transfer.execute(acts(photos, root, "copy"), path, root=root)
    assert [(act.source.name, why.startswith("File too large")) for act, why in outcome.failed] == [("big.jpg", True)]


def test_a_file_that_is_too_large_for_the_disk_costs_only_itself(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", {"a.jpg": b"a", "big.jpg": bytes(60_000), "c.jpg": b"c"})
    in_child(lambda: _limited(photos, tmp_path / "out", tmp_path / "j"))
    assert harvest(tmp_path / "out") == {"Ana/a.jpg": b"a", "Ana/c.jpg": b"c"}


@pytest.mark.parametrize("back", [True, False])
def test_a_move_to_another_disk_keeps_bytes_and_times(tmp_path: Path, other_disk: Path, back: bool) -> None:
    tree = {"a.jpg": os.urandom(3_000_000), "b.jpg": b""}
    photos = plant(tmp_path / "photos", tree)
    outcome = transfer.execute(acts(photos, other_disk, "move"), tmp_path / "j", root=other_disk)
    assert len(outcome.done) == 2
    assert not harvest(photos)
    assert (other_disk / "Ana/a.jpg").stat().st_mtime_ns == 10**18 + 3_000_000
    if back:
        assert not recovery.undo(tmp_path / "j").failed
        assert harvest(photos) == tree
        assert (photos / "a.jpg").stat().st_mtime_ns == 10**18 + 3_000_000
    else:  # changed, but with its size and time as before
        (other_disk / "Ana/a.jpg").write_bytes(bytes(3_000_000))
        os.utime(other_disk / "Ana/a.jpg", ns=(10**18, 10**18 + 3_000_000))
        assert [why for _, why in recovery.undo(tmp_path / "j").failed] == ["it has changed since, so it stays"]


def test_a_copy_that_does_not_equal_its_original_is_not_trusted(
    tmp_path: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = plant(tmp_path / "photos", {"a.jpg": b"good"})
    monkeypatch.setattr(fileops, "hash_file", lambda _: "0" * 64)
    outcome = transfer.execute(acts(photos, other_disk, "move"), tmp_path / "j", root=other_disk)
    assert "differs from the original" in outcome.failed[0][1]
    assert harvest(photos) == {"a.jpg": b"good"}
    assert not harvest(other_disk)


@pytest.mark.parametrize("across", [True, False])
def test_a_photo_that_is_written_to_meanwhile_is_left(
    tmp_path: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch, across: bool
) -> None:
    photos, real = plant(tmp_path / "photos", {"a.jpg": b"old", "b.jpg": b"b"}), os.fsync

    def meddle(descriptor: int) -> None:
        with (photos / "a.jpg").open("ab") as file:
            file.write(b"+")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", meddle)
    root = other_disk if across else tmp_path / "out"
    outcome = transfer.execute(acts(photos, root, "move" if across else "copy")[:1], tmp_path / "j", root=root)
    assert outcome.failed[0][1] == "it changed while it was being copied"
    assert not harvest(root)
    assert not parts(root)
    assert (photos / "a.jpg").read_bytes().startswith(b"old+")


def test_hard_links_across_disks_are_refused_in_one_sentence(tmp_path: Path, other_disk: Path) -> None:
    photos = plant(tmp_path / "photos", {"a.jpg": b"a", "b.jpg": b"b"})
    with pytest.raises(DataError, match=r"hard links cannot span two disks, .* use --mode copy"):
        transfer.execute(acts(photos, other_disk, "link"), tmp_path / "j", root=other_disk)
    assert not harvest(other_disk)
    assert recovery.undo(tmp_path / "j") == journal.Outcome()
    assert not (other_disk / "Ana").exists()


@pytest.mark.parametrize("action", ["copy", "move"])
def test_without_links_nothing_is_written_over_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    monkeypatch.setattr(os, "link", no_links)
    photos = plant(tmp_path / "photos", {"a.jpg": b"a", "in.jpg": b"b"})
    root = plant(tmp_path / "out", {"Ana/a.jpg": b"mine"})
    assert len(transfer.execute(acts(photos, root, action), tmp_path / "j", root=root).done) == 2
    assert harvest(root) == {"Ana/a.jpg": b"mine", "Ana/a-1.jpg": b"a", "Ana/in.jpg": b"b"}
    assert not recovery.undo(tmp_path / "j").failed
    assert harvest(photos) == {"a.jpg": b"a", "in.jpg": b"b"}
    assert harvest(root) == {"Ana/a.jpg": b"mine"}


def test_links_where_there_are_none_fail_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    photos = plant(tmp_path / "photos", {"a.jpg": b"a"})
    outcome = transfer.execute(acts(photos, tmp_path / "out", "link"), tmp_path / "j", root=tmp_path / "out")
    assert "Operation not permitted" in outcome.failed[0][1]


def as_nobody(work: Callable[[], object]) -> None:
    """Do it in a child without a superuser's rights, to whom a read-only folder is one."""

    def lowered() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        work()

    in_child(lowered)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that a user without rights may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.parametrize("locked", ["photos", "out/Ana"])
@pytest.mark.parametrize("own", [True, False])
def test_a_read_only_folder_costs_only_its_files_and_leaves_them_whole(
    shared_folder: Path, locked: str, own: bool
) -> None:
    photos = plant(shared_folder / "photos", {"a.jpg": b"a", "b.jpg": b"b"})
    for path in photos.iterdir():
        path.chmod(0o666 if own else 0o644)  # Linux makes no links to other people's files
    (shared_folder / "out/Ana").mkdir(parents=True)
    for folder in (photos, shared_folder / "out", shared_folder / "out/Ana"):
        folder.chmod(0o777)
    (shared_folder / locked).chmod(0o555)

    def move() -> None:
        outcome = transfer.execute(acts(photos, shared_folder / "out", "move"), shared_folder / "j", root=shared_folder)
        assert [why.startswith("Permission denied") for _, why in outcome.failed] == [True, True]

    as_nobody(move)
    assert harvest(photos) == {"a.jpg": b"a", "b.jpg": b"b"}
    assert not harvest(shared_folder / "out")


def test_a_journal_that_cannot_be_written_stops_before_anything_is_done(shared_folder: Path) -> None:
    photos = plant(shared_folder / "photos", {"a.jpg": b"a"})
    (shared_folder / "out").mkdir(mode=0o555)
    path = shared_folder / "out/.mien/j"

    def move() -> None:
        with pytest.raises(DataError, match="cannot be written: Permission denied; nothing was done"):
            transfer.execute(acts(photos, shared_folder / "out", "move"), path, root=shared_folder / "out")

    as_nobody(move)
    assert harvest(photos) == {"a.jpg": b"a"}


def test_a_failing_disk_is_named_and_stops_at_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, real = plant(tmp_path / "photos", {"a.jpg": b"a", "b.jpg": b"b"}), os.write

    def failing(descriptor: int, data: bytes) -> int:
        if b'"done"' in bytes(data):
            raise OSError(errno.EIO, "Input/output error")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", failing)
    with pytest.raises(DataError, match="cannot be written \\(Input/output error\\)"):
        transfer.execute(acts(photos, tmp_path / "out", "move"), tmp_path / "j", root=tmp_path / "out")
    monkeypatch.undo()
    assert not recovery.undo(tmp_path / "j").failed
    assert harvest(photos) == {"a.jpg": b"a", "b.jpg": b"b"}
