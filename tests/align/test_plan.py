"""What is left to do: what is done stays, what is known keeps its place, and what is a stranger's is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.align.places import folded
from mien.align.plan import Plan, Wanted, lying, plan
from mien.align.record import Entry
from mien.store.fileops import Stamp

NOW, BEFORE = Stamp(2, 2), Stamp(1, 1)
DONE = Entry("x.jpg", False, NOW, ("x.jpg", "x-face1.jpg"))


def _plan(entry: Entry | None, *there: str, stamp: Stamp | None = NOW, several: bool = True) -> Plan:
    entries = {"/x.png": entry} if entry else {}
    return plan({"/x.png": Wanted("x.jpg", stamp)}, entries, {folded(name): name for name in there}, several=several)


def test_a_photo_that_is_as_it_was_is_done() -> None:
    assert _plan(DONE, "x.jpg", "x-face1.jpg", "other.jpg").places == {}


@pytest.mark.parametrize("there", [(), ("x.jpg",), ("x-face1.jpg",)])
def test_a_photo_whose_crops_are_gone_is_cut_into_its_place(there: tuple[str, ...]) -> None:
    assert _plan(DONE, *there) == Plan({"/x.png": "x.jpg"}, {"/x.png": frozenset(there)})


@pytest.mark.parametrize("stamp", [BEFORE, None])
def test_a_photo_that_changed_is_cut_into_its_place(stamp: Stamp | None) -> None:
    left = _plan(DONE, "x.jpg", "x-face1.jpg", stamp=stamp)
    assert left == Plan({"/x.png": "x.jpg"}, {"/x.png": frozenset({"x.jpg", "x-face1.jpg"})})


def test_what_a_killed_run_left_at_a_place_is_ours() -> None:
    left = _plan(Entry("x.jpg"), "x.jpg", "x-face7.jpg", "x-1.jpg", "x-face7-face1.jpg")
    assert left == Plan({"/x.png": "x.jpg"}, {"/x.png": frozenset({"x.jpg", "x-face7.jpg"})})


def test_where_photos_have_one_crop_a_killed_run_left_no_further_ones() -> None:
    assert _plan(Entry("x.jpg"), "x.jpg", "x-face7.jpg", several=False).before == {"/x.png": frozenset({"x.jpg"})}


def test_a_stranger_at_a_place_moves_the_photo_and_what_was_ours_is_known() -> None:
    left = _plan(DONE, "x.jpg", "x-face1.jpg", "x-face2.jpg", stamp=BEFORE)
    assert left == Plan({"/x.png": "x-1.jpg"}, {"/x.png": frozenset({"x.jpg", "x-face1.jpg"})})


def test_a_new_photo_goes_where_nothing_lies_and_nothing_is_promised() -> None:
    assert _plan(None).places == {"/x.png": "x.jpg"}
    assert _plan(None, "X.JPG").places == {"/x.png": "x-1.jpg"}
    promised = {"/other": Entry("x.jpg"), "/gone": Entry("x-1.jpg", False, NOW, ("x-1.jpg",))}
    assert plan({"/x.png": Wanted("x.jpg", NOW)}, promised, {}, several=False).places == {"/x.png": "x-2.jpg"}


def test_only_the_folders_of_the_places_are_read(tmp_path: Path) -> None:
    for name in ("a.jpg", "p/b.jpg", "q/c.jpg", "p/deep/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = lying(tmp_path, ["p/x.jpg", "none/y.jpg", "p/b.jpg/z.jpg"])
    assert found == {"p/b.jpg": "p/b.jpg", "p/deep": "p/deep"}
