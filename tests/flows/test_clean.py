"""Photos are filed as was decided: nothing is lost, everything comes back, and done twice is done once."""

from __future__ import annotations

import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mien.data import open_data
from mien.errors import DataError
from mien.flows.clean import CleanResult, clean
from mien.images import decode, encode
from mien.store import journal, recovery
from mien.store.journal import newest_first
from mien.types import Pixels
from tests.store.test_transfer_disk import as_nobody, fill_up, tiny_disk
from tests.store.trees import Tree, harvest, in_child, parts, plant

__all__ = ["tiny_disk"]

HEAD = "path,label,verdict,to,box,kind\n"
BOX = "10 8 30 28"


def picture(seed: int, side: int = 48) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    return encode(pixels, "jpeg")


TREE = {f"{name}/{n}.jpg": picture(10 * i + n) for i, name in enumerate(("Ana", "Bo")) for n in range(3)}
VERDICTS = (
    "Ana/0.jpg,Ana,drop,,,copy\n"
    "Ana/1.jpg,Ana,move,Bo,,wrong-person\n"
    f"Ana/2.jpg,Ana,face,,{BOX},many-faces\n"
    "Bo/0.jpg,Bo,move,Cy,,wrong-person\n"
    f"Bo/1.jpg,Bo,face,,{BOX},many-faces\n"
    "Bo/1.jpg,Bo,move,Ana,,wrong-person\n"
    "Bo/2.jpg,Bo,keep,,,blurred\n"
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return plant(tmp_path / "photos", TREE)


def cleaned(root: Path, lines: str = VERDICTS, **options: object) -> CleanResult:
    table = root.parent / f"{root.name}.csv"
    table.write_text(HEAD + lines, "utf-8")
    return clean(root, verdicts=table, **options)  # type: ignore[arg-type]


def dropped(root: Path) -> dict[str, bytes]:
    folder = root / ".mien" / "dropped"
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def undo_all(root: Path) -> None:
    for path in newest_first((root / ".mien").glob("*.jsonl")):
        assert not recovery.undo(path).failed


def numbers(done: CleanResult) -> tuple[int, int, int]:
    return len(done.plan.steps), done.plan.before, len(done.plan.gone)


def test_what_was_decided_is_done_and_taken_back(photos: Path) -> None:
    done = cleaned(photos)
    assert dict(done.counts) == {"drop": 1, "move": 2, "face": 2}
    assert (done.plan.kept, numbers(done), done.failed) == (1, (5, 0, 0), [])
    after = harvest(photos)
    assert sorted(after) == ["Ana/1-face0.jpg", "Ana/2-face0.jpg", "Bo/1-1.jpg", "Bo/2.jpg", "Cy/0.jpg"]
    assert (after["Bo/1-1.jpg"], after["Cy/0.jpg"]) == (TREE["Ana/1.jpg"], TREE["Bo/0.jpg"])
    assert decode(after["Ana/2-face0.jpg"], max_megapixels=1).pixels.shape == (30, 30, 3)
    assert dropped(photos) == {name: TREE[name] for name in ("Ana/0.jpg", "Ana/2.jpg", "Bo/1.jpg")}
    undo_all(photos)
    assert harvest(photos) == TREE
    assert not dropped(photos)
    assert not (photos / "Cy").exists()
    assert dict(cleaned(photos).counts) == {"drop": 1, "move": 2, "face": 2}
    assert harvest(photos) == after


def test_what_is_read_afterwards_is_what_was_decided(photos: Path) -> None:
    cleaned(photos)
    data = open_data(photos)
    assert {origin.uri: origin.label for origin in data.origins} == {
        "Ana/1-face0.jpg": "Ana",
        "Ana/2-face0.jpg": "Ana",
        "Bo/1-1.jpg": "Bo",
        "Bo/2.jpg": "Bo",
        "Cy/0.jpg": "Cy",
    }


def test_the_same_verdicts_once_more_find_nothing_to_do(photos: Path) -> None:
    cleaned(photos)
    after = harvest(photos)
    again = cleaned(photos)
    assert (numbers(again), again.journal) == ((0, 5, 0), None)
    assert harvest(photos) == after


def test_no_photo_gets_a_name_that_a_verdict_is_about(photos: Path) -> None:
    lines = "Bo/1.jpg,Bo,drop,,,x\nAna/1.jpg,Ana,move,Bo,,x\nBo/7.jpg,Bo,drop,,,x\n"
    for _ in range(2):
        cleaned(photos, lines)
        assert harvest(photos)["Bo/1-1.jpg"] == TREE["Ana/1.jpg"]
    shutil.copy(photos / "Ana/2.jpg", photos / "Ana/7.jpg")
    cleaned(photos, f"{lines}Ana/7.jpg,Ana,move,Bo,,x\n")
    assert "Bo/7-1.jpg" in harvest(photos)
    cleaned(photos, "Bo/1-1.jpg,Bo,move,Ana,,x\n")  # which lay at Ana/1.jpg once
    assert numbers(cleaned(photos, lines))[0] == 0


def test_two_photos_can_change_places(photos: Path) -> None:
    lines = "Ana/1.jpg,Ana,move,Bo,,x\nBo/1.jpg,Bo,move,Ana,,x\n"
    for _ in range(2):
        cleaned(photos, lines)
        after = harvest(photos)
        assert (after["Bo/1-1.jpg"], after["Ana/1-1.jpg"]) == (TREE["Ana/1.jpg"], TREE["Bo/1.jpg"])
        assert len(after) == 6
    undo_all(photos)
    assert harvest(photos) == TREE


def test_a_dry_run_touches_nothing(photos: Path) -> None:
    done = cleaned(photos, dry_run=True)
    assert (len(done.plan.steps), done.journal, dict(done.counts)) == (5, None, {})
    assert len(list(done.plan.as_json())) == 5
    assert harvest(photos) == TREE
    assert not (photos / ".mien").exists()


def test_verdicts_on_photos_that_have_gone_are_counted(photos: Path) -> None:
    (photos / "Ana/0.jpg").unlink()
    done = cleaned(photos, VERDICTS + "Ana/9.jpg,Ana,drop,,,x\nAna/8.jpg,Ana,keep,,,x\n")
    assert [verdict.path for verdict in done.plan.gone] == ["Ana/0.jpg", "Ana/9.jpg"]
    assert sum(done.counts.values()) == 4


def test_a_photo_that_changed_so_that_the_face_is_not_in_it_is_left(photos: Path) -> None:
    (photos / "Ana/2.jpg").write_bytes(picture(1, side=8))
    (photos / "Bo/1.jpg").write_bytes(b"no picture")
    done = cleaned(photos)
    assert [key for key, _ in done.failed] == ["Ana/2.jpg", "Bo/1.jpg"]
    assert "is outside this photo of 8 x 8 pixels" in done.failed[0][1]
    assert (photos / "Ana/2.jpg").exists()
    assert (photos / "Bo/1.jpg").exists()


def test_photos_stay_on_their_side_of_a_split_and_folders_inside_of_a_label_count_for_it(tmp_path: Path) -> None:
    tree = {"train/Ana/day/1.jpg": picture(1), "train/Bo/1.jpg": picture(2), "Test/Ana/2.jpg": picture(3)}
    root = plant(tmp_path / "photos", tree | {"Test/Bo/2.jpg": picture(4), "Test/Bo/3.jpg": picture(5)})
    lines = f"train/Ana/day/1.jpg,,face,,{BOX},x\nTest/Ana/2.jpg,,move,Bo,,x\nTest/Bo/3.jpg,,drop,,,x\n"
    cleaned(root, lines + "train/Bo/1.jpg,,move,Cy,,x\n")
    expected = ["Test/Bo/2-1.jpg", "Test/Bo/2.jpg", "train/Ana/day/1-face0.jpg", "train/Cy/1.jpg"]
    assert sorted(harvest(root)) == expected
    assert sorted(dropped(root)) == ["Test/Bo/3.jpg", "train/Ana/day/1.jpg"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_label_goes_into_the_folder_that_is_spelt_alike(tmp_path: Path, form: str) -> None:
    folder = unicodedata.normalize(form, "Zoë Ünal")  # type: ignore[arg-type]
    root = plant(tmp_path / "photos", {f"{folder}/1.jpg": picture(1), "Ana/2.jpg": picture(2), "Ana/3.jpg": picture(3)})
    cleaned(root, "Ana/2.jpg,,move,ZOË ÜNAL,,x\nAna/3.jpg,,move,김민지,,x\n")
    assert sorted(harvest(root)) == sorted([f"{folder}/1.jpg", f"{folder}/2.jpg", "김민지/3.jpg"])


@pytest.mark.parametrize("label", ["a/b", "..", ".hidden", "CON", "old.mien", "__MACOSX", "a:b"])
def test_a_label_that_cannot_be_a_folder_is_refused(photos: Path, label: str) -> None:
    done = cleaned(photos, f"Ana/0.jpg,,move,{label},,x\nAna/1.jpg,,drop,,,x\n")
    assert done.failed == [("Ana/0.jpg", f"{label!r} cannot be the name of a label folder: choose another label")]
    assert (photos / "Ana/0.jpg").exists()
    assert not (photos / "Ana/1.jpg").exists()


@pytest.mark.parametrize("path", ["../elsewhere/1.jpg", "/etc/passwd", "Ana/../../elsewhere/1.jpg"])
def test_a_path_that_leads_out_of_the_data_stops_before_anything_is_done(photos: Path, path: str) -> None:
    plant(photos.parent / "elsewhere", {"1.jpg": b"mine"})
    with pytest.raises(DataError, match=r"line 3 of .*is outside .*photos; nothing was done"):
        cleaned(photos, f"Ana/0.jpg,,drop,,,x\n{path},,drop,,,x\n")
    assert harvest(photos) == TREE
    assert harvest(photos.parent / "elsewhere") == {"1.jpg": b"mine"}


def test_what_lies_behind_links_is_left_alone(photos: Path) -> None:
    elsewhere = plant(photos.parent / "elsewhere", {"1.jpg": b"mine", "2.jpg": b"too"})
    (photos / "Cy").symlink_to(elsewhere, target_is_directory=True)
    (photos / "Ana/linked.jpg").symlink_to(elsewhere / "2.jpg")
    done = cleaned(photos, "Cy/1.jpg,,drop,,,x\nAna/linked.jpg,,drop,,,x\nAna/0.jpg,,move,Cy,,x\nAna/1.jpg,,drop,,,x\n")
    reasons = dict(done.failed)
    assert "leads out of" in reasons["Cy/1.jpg"]
    assert "symbolic link" in reasons["Ana/linked.jpg"]
    assert "is outside" in reasons["Ana/0.jpg"]
    assert dict(done.counts) == {"drop": 1}
    assert harvest(elsewhere) == {"1.jpg": b"mine", "2.jpg": b"too"}
    assert (photos / "Ana/0.jpg").exists()


def test_a_folder_is_known_by_whatever_way_it_is_reached(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned(photos)
    (photos.parent / "alias").symlink_to(photos, target_is_directory=True)
    monkeypatch.chdir(photos / "Bo")
    for way in (Path(".."), photos.parent / "alias", Path(f"{photos}/")):
        done = clean(way, verdicts=photos.parent / "photos.csv")
        assert numbers(done) == (0, 5, 0)


@pytest.mark.parametrize("named", ["photos.parquet", "fer2013.csv", "photos.csv", "folder"])
def test_data_in_any_other_form_is_referred_to_train(tmp_path: Path, named: str) -> None:
    path = tmp_path / named
    if named == "folder":
        plant(path, {"metadata.csv": b"file_name,label\n1.jpg,a\n", "1.jpg": b"x"})
    else:
        path.write_bytes(b"emotion,pixels\n" if named == "fer2013.csv" else b"file,label\n")
    table = tmp_path / "verdicts.csv"
    table.write_text(HEAD)
    with pytest.raises(DataError, match="whose files cannot be moved: pass the verdicts to 'mien train --verdicts'"):
        clean(path, verdicts=table)


def test_dropped_photos_may_go_elsewhere(photos: Path, tmp_path: Path) -> None:
    cleaned(photos, dropped=tmp_path / "aside" / "1")
    names = ("Ana/0.jpg", "Ana/2.jpg", "Bo/1.jpg")
    assert harvest(tmp_path / "aside" / "1") == {name: TREE[name] for name in names}
    assert numbers(cleaned(photos, dropped=tmp_path / "aside" / "2")) == (0, 5, 0)
    undo_all(photos)
    assert harvest(photos) == TREE
    assert not (tmp_path / "aside").exists()


@pytest.mark.parametrize("inside", ["dropped", ".", "Ana"])
def test_dropped_photos_may_not_go_where_they_would_be_a_label(photos: Path, inside: str) -> None:
    with pytest.raises(DataError, match="is inside the data, where it would be a label"):
        cleaned(photos, dropped=photos / inside)
    assert harvest(photos) == TREE


def test_dropped_photos_cannot_go_into_a_file(photos: Path) -> None:
    with pytest.raises(DataError, match=r"--dropped .* is a file: choose a folder"):
        cleaned(photos, dropped=photos / "Ana/0.jpg")


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_dropped_photos_may_go_to_another_disk_and_come_back(photos: Path, other_disk: Path) -> None:
    cleaned(photos, dropped=other_disk / "aside")
    assert len(harvest(other_disk / "aside")) == 3
    undo_all(photos)
    assert harvest(photos) == TREE


def test_a_full_disk_loses_nothing(tiny_disk: Path) -> None:
    photos = plant(tiny_disk / "photos", TREE)
    table = tiny_disk.parent / "verdicts.csv"
    table.write_text(HEAD + VERDICTS)
    fill_up(tiny_disk)
    with pytest.raises(DataError, match=r"is full|No space left on device; nothing was done"):
        clean(photos, verdicts=table)
    assert harvest(photos) == TREE
    (tiny_disk / "fill").unlink()
    assert sum(clean(photos, verdicts=table).counts.values()) == 5


@pytest.mark.parametrize(("locked", "left"), [("Ana", ["Bo/0.jpg"]), ("Bo", ["Ana/0.jpg", "Ana/2.jpg"]), (".", [])])
def test_a_read_only_folder_loses_nothing(tmp_path: Path, locked: str, left: list[str]) -> None:
    cleaned(plant(tmp_path / "photos", TREE))  # nobody may not be allowed to load what this loads
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        photos = plant(Path(name) / "photos", TREE)
        for path in photos.rglob("*"):
            path.chmod(0o777)
        photos.chmod(0o777)
        (photos / locked).chmod(0o555)

        def work() -> None:
            if locked == ".":
                with pytest.raises(DataError, match=r"could not be written|cannot be written"):
                    cleaned(photos)
            else:
                done = cleaned(photos)
                assert all("ermission denied" in reason for _, reason in done.failed)
                assert {each.key for each in done.plan.steps} - {key for key, _ in done.failed} == set(left)

        as_nobody(work)
        (photos / locked).chmod(0o777)
        gone = set(TREE) - set(harvest(photos))
        assert set(TREE.values()) <= set(harvest(photos).values()) | set(dropped(photos).values())
        assert gone == set(left)


def whole(photos: Path, tree: Tree) -> None:
    """Each photo lies somewhere, and where one was cut, it is in the data, whole or cut, at any time."""
    files, aside = harvest(photos), dropped(photos)
    assert set(tree.values()) <= set(files.values()) | set(aside.values())
    for name, folder in (("Ana/2.jpg", "Ana/2"), ("Bo/1.jpg", "Ana/1")):
        assert name in files or f"{folder}-face0.jpg" in files
    assert {name for name, data in aside.items() if tree[name] != data} == set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("then", ["again", "undo"])
def test_a_run_that_is_killed_at_any_point_loses_nothing(tmp_path: Path, then: str) -> None:
    expected = plant(tmp_path / "expected", TREE)
    cleaned(expected)
    for kill_at in range(1000):
        photos = plant(tmp_path / f"photos-{kill_at}", TREE)
        killed = in_child(lambda photos=photos: cleaned(photos), kill_at=kill_at)  # type: ignore[misc]
        whole(photos, TREE)
        if then == "again":
            cleaned(photos)
            assert harvest(photos) == harvest(expected)
            assert dropped(photos) == dropped(expected)
            assert numbers(cleaned(photos)) == (0, 5, 0)
            assert not parts(photos)
        undo_all(photos)
        assert harvest(photos) == TREE
        assert not dropped(photos)
        assert {path.parent for path in parts(photos)} <= {photos / ".mien" / "cut"}
        shutil.rmtree(photos)
        if not killed:
            break
    assert kill_at > 30


# Turning.

LEVEL = {f"Ana/{n}.jpg": picture(30 + n) for n in range(3)} | {"Bo/1.jpg": picture(40)}
TURNS = "Ana/0.jpg,,turn,90,,x\nAna/1.jpg,,turn,180,,x\nAna/1.jpg,,move,Bo,,x\nAna/2.jpg,,turn,270,,x\n"
TURNED = {"Ana/0.jpg": ("Ana/0.jpg", 90), "Bo/1-1.jpg": ("Ana/1.jpg", 180), "Ana/2.jpg": ("Ana/2.jpg", 270)}


def pixels(data: bytes) -> Pixels:
    return decode(data, max_megapixels=1).pixels


def assert_turned(photos: Path) -> None:
    after = harvest(photos)
    assert set(after) == {*TURNED, "Bo/1.jpg"}
    for name, (before, degrees) in TURNED.items():
        assert np.array_equal(pixels(after[name]), np.rot90(pixels(LEVEL[before]), -degrees // 90))
    assert dropped(photos) == {before: LEVEL[before] for before, _ in TURNED.values()}


def test_photos_are_turned_in_their_place_and_turned_back_to_the_very_bytes(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", LEVEL)
    planned = cleaned(photos, TURNS, dry_run=True)
    assert [step.verdict for step in planned.plan.steps] == ["turn"] * 3
    assert harvest(photos) == LEVEL
    done = cleaned(photos, TURNS)
    assert dict(done.counts) == {"turn": 3}
    assert_turned(photos)
    assert (photos / "Ana/0.jpg").stat().st_mtime_ns == 10**18 + len(LEVEL["Ana/0.jpg"])
    again = cleaned(photos, TURNS)
    assert (numbers(again), again.journal) == ((0, 3, 0), None)
    assert_turned(photos)
    undo_all(photos)
    assert harvest(photos) == LEVEL
    assert not dropped(photos)


def test_a_photo_that_was_turned_can_be_turned_again_by_another_verdict(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", LEVEL)
    for lines in ("Ana/0.jpg,,turn,90,,x\n", "Ana/0.jpg,,turn,180,,x\n"):
        for _ in range(2):
            cleaned(photos, lines)
    turned = np.rot90(pixels(LEVEL["Ana/0.jpg"]), 1)
    assert np.array_equal(pixels(harvest(photos)["Ana/0.jpg"]), turned)
    undo_all(photos)
    assert harvest(photos) == LEVEL


def test_a_photo_that_was_turned_can_be_moved_and_its_face_is_looked_for_again(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", LEVEL)
    cleaned(photos, TURNS)
    refused = cleaned(photos, f"Ana/0.jpg,,turn,90,,x\nAna/0.jpg,,face,,{BOX},x\n")
    why = "it was turned before, so its faces are elsewhere now: check the data again"
    assert refused.failed == [("Ana/0.jpg", why)]
    before = harvest(photos)["Ana/0.jpg"]
    cleaned(photos, "Ana/0.jpg,,turn,90,,x\nAna/0.jpg,,move,Bo,,x\n")
    assert harvest(photos)["Bo/0.jpg"] == before


def test_a_face_is_cut_out_of_the_photo_as_it_is_and_then_turned(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", LEVEL)
    cleaned(photos, f"Ana/0.jpg,,face,,{BOX},x\n")
    level = pixels(harvest(photos)["Ana/0-face0.jpg"])
    undo_all(photos)
    done = cleaned(photos, f"Ana/0.jpg,,face,,{BOX},x\nAna/0.jpg,,turn,90,,x\n")
    assert dict(done.counts) == {"face": 1}
    assert np.array_equal(pixels(harvest(photos)["Ana/0-face0.jpg"]), np.rot90(level, -1))


def test_what_cannot_be_turned_is_left_alone(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos", LEVEL | {"Ana/0.jpg": b"no picture"})
    done = cleaned(photos, TURNS)
    assert [key for key, _ in done.failed] == ["Ana/0.jpg"]
    assert dict(done.counts) == {"turn": 2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("then", ["again", "undo"])
def test_turning_that_is_killed_at_any_point_loses_nothing(tmp_path: Path, then: str) -> None:
    for kill_at in range(1000):
        photos = plant(tmp_path / f"photos-{kill_at}", LEVEL)
        killed = in_child(lambda photos=photos: cleaned(photos, TURNS), kill_at=kill_at)  # type: ignore[misc]
        assert set(LEVEL.values()) <= set(harvest(photos).values()) | set(dropped(photos).values())
        if then == "again":
            cleaned(photos, TURNS)
            assert_turned(photos)
            assert numbers(cleaned(photos, TURNS)) == (0, 3, 0)
        undo_all(photos)
        assert harvest(photos) == LEVEL
        shutil.rmtree(photos)
        if not killed:
            break
    assert kill_at > 30


def test_photos_without_a_label_can_be_dropped_cut_and_given_one(tmp_path: Path) -> None:
    root = plant(tmp_path / "photos", {f"{n}.jpg": picture(n) for n in range(3)} | {"Ana/1.jpg": picture(9)})
    cleaned(root, f"0.jpg,,move,Ana,,x\n1.jpg,,drop,,,x\n2.jpg,,face,,{BOX},x\n")
    assert sorted(harvest(root)) == ["2-face0.jpg", "Ana/0.jpg", "Ana/1.jpg"]
    assert sorted(dropped(root)) == ["1.jpg", "2.jpg"]
    undo_all(root)
    assert len(harvest(root)) == 4


def test_a_photo_beside_the_splits_gets_no_label_by_a_guess(tmp_path: Path) -> None:
    tree = {"train/Ana/1.jpg": picture(1), "test/Ana/1.jpg": picture(2), "test/2.jpg": picture(3), "3.jpg": picture(4)}
    root = plant(tmp_path / "photos", tree)
    done = cleaned(root, "test/2.jpg,,move,Ana,,x\n3.jpg,,move,Ana,,x\n")
    assert done.failed == [("3.jpg", "it is next to the split folders, not inside one: move it into one")]
    assert sorted(harvest(root)) == ["3.jpg", "test/Ana/1.jpg", "test/Ana/2.jpg", "train/Ana/1.jpg"]


def test_a_damaged_journal_or_another_run_stops_before_anything_is_done(photos: Path) -> None:
    path = photos / ".mien/clean-20300101T000000Z-1.jsonl"
    path.parent.mkdir()
    path.write_text("no journal\n")
    with pytest.raises(DataError, match=r"line 1 of the journal .* is damaged|is not a journal of mien"):
        cleaned(photos)
    path.unlink()
    with journal.create(path, photos), pytest.raises(DataError, match="in use by another run"):
        cleaned(photos)
    assert harvest(photos) == TREE
