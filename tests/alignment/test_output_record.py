"""The record of an output folder: names for crops, what is remembered across kills, and what is left to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.alignment.output_record import (
    OutputPlan,
    OutputRecord,
    PlaceAllocator,
    RecordEntry,
    SourcePhoto,
    crop_name,
    existing_files,
    plan_outputs,
    possible_places,
)
from mien.errors import DataError
from mien.store.fileops import Stamp
from mien.text import fold_name

NOW, BEFORE = Stamp(2, 2), Stamp(1, 1)
DONE = RecordEntry("x.jpg", False, NOW, ("x.jpg", "x-face1.jpg"))
STAMP = Stamp(10, 20)
ODD = "/photos/\udcff\nx.png"


def test_the_first_face_has_the_place_and_the_others_a_number() -> None:
    assert [crop_name("a/x.jpg", i) for i in (0, 1, 12)] == ["a/x.jpg", "a/x-face1.jpg", "a/x-face12.jpg"]


@pytest.mark.parametrize(
    ("taken", "wanted", "given"),
    [
        ([], "a/x.jpg", "a/x.jpg"),
        (["a/x.jpg"], "a/x.jpg", "a/x-1.jpg"),
        (["a/x.jpg", "a/x-1.jpg"], "a/x.jpg", "a/x-2.jpg"),
        (["a/x.jpg"], "b/x.jpg", "b/x.jpg"),
        (["A/X.JPG"], "a/x.jpg", "a/x-1.jpg"),
        (["caf\u00e9.jpg"], "cafe\u0301.jpg", "cafe\u0301-1.jpg"),
        (["a/x.png"], "a/x.jpg", "a/x.jpg"),
        (["a/x-face2.jpg"], "a/x.jpg", "a/x-1.jpg"),
        (["a/x.jpg"], "a/x-face2.jpg", "a/x-face2-1.jpg"),
        (["a/x-face1-face2.jpg"], "a/x.jpg", "a/x.jpg"),
        (["a/x-faces.jpg"], "a/x.jpg", "a/x.jpg"),
    ],
)
def test_a_place_is_free_when_none_of_its_names_is_taken(taken: list[str], wanted: str, given: str) -> None:
    assert PlaceAllocator(taken, several=True).allocate(wanted) == given


def test_no_two_photos_share_a_name() -> None:
    wanted = ["x.jpg", "x.jpg", "x-face1.jpg", "X-1.jpg", "x-1-face1.jpg", "x-face1-face1.jpg", "x-face1.jpg"]
    for order in (wanted, wanted[::-1]):
        places = PlaceAllocator([], several=True)
        given = [crop_name(places.allocate(place), i).casefold() for place in order for i in (0,)]
        every = [crop_name(place, i).casefold() for place in given for i in range(3)]
        assert len(set(every)) == len(every)


def test_where_a_photo_has_one_crop_its_name_may_look_like_a_second_one() -> None:
    assert PlaceAllocator(["x.jpg"], several=False).allocate("x-face1.jpg") == "x-face1.jpg"


def test_a_file_may_be_a_first_crop_or_a_further_one() -> None:
    assert possible_places("A/x-face3.jpg") == ["a/x-face3.jpg", "a/x.jpg"]
    assert possible_places("a/x-face.jpg") == ["a/x-face.jpg"]


def _plan(entry: RecordEntry | None, *there: str, stamp: Stamp | None = NOW, several: bool = True) -> OutputPlan:
    entries = {"/x.png": entry} if entry else {}
    return plan_outputs(
        {"/x.png": SourcePhoto("x.jpg", stamp)}, entries, {fold_name(name): name for name in there}, several=several
    )


def test_an_unchanged_photo_is_done() -> None:
    assert _plan(DONE, "x.jpg", "x-face1.jpg", "other.jpg").places == {}


@pytest.mark.parametrize("there", [(), ("x.jpg",), ("x-face1.jpg",)])
def test_a_photo_whose_crops_are_gone_keeps_its_place(there: tuple[str, ...]) -> None:
    assert _plan(DONE, *there) == OutputPlan({"/x.png": "x.jpg"}, {"/x.png": frozenset(there)})


@pytest.mark.parametrize("stamp", [BEFORE, None])
def test_a_changed_photo_keeps_its_place(stamp: Stamp | None) -> None:
    left = _plan(DONE, "x.jpg", "x-face1.jpg", stamp=stamp)
    assert left == OutputPlan({"/x.png": "x.jpg"}, {"/x.png": frozenset({"x.jpg", "x-face1.jpg"})})


def test_files_of_a_killed_run_at_a_place_are_ours() -> None:
    left = _plan(RecordEntry("x.jpg"), "x.jpg", "x-face7.jpg", "x-1.jpg", "x-face7-face1.jpg")
    assert left == OutputPlan({"/x.png": "x.jpg"}, {"/x.png": frozenset({"x.jpg", "x-face7.jpg"})})


def test_where_photos_have_one_crop_a_killed_run_left_no_further_ones() -> None:
    assert _plan(RecordEntry("x.jpg"), "x.jpg", "x-face7.jpg", several=False).earlier == {
        "/x.png": frozenset({"x.jpg"})
    }


def test_a_foreign_file_at_a_place_moves_the_photo() -> None:
    left = _plan(DONE, "x.jpg", "x-face1.jpg", "x-face2.jpg", stamp=BEFORE)
    assert left == OutputPlan({"/x.png": "x-1.jpg"}, {"/x.png": frozenset({"x.jpg", "x-face1.jpg"})})


def test_a_new_photo_gets_a_place_that_is_free_and_not_reserved() -> None:
    assert _plan(None).places == {"/x.png": "x.jpg"}
    assert _plan(None, "X.JPG").places == {"/x.png": "x-1.jpg"}
    promised = {"/other": RecordEntry("x.jpg"), "/gone": RecordEntry("x-1.jpg", False, NOW, ("x-1.jpg",))}
    assert plan_outputs({"/x.png": SourcePhoto("x.jpg", NOW)}, promised, {}, several=False).places == {
        "/x.png": "x-2.jpg"
    }


def test_only_the_folders_of_the_places_are_read(tmp_path: Path) -> None:
    for name in ("a.jpg", "p/b.jpg", "q/c.jpg", "p/deep/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = existing_files(tmp_path, ["p/x.jpg", "none/y.jpg", "p/b.jpg/z.jpg"])
    assert found == {"p/b.jpg": "p/b.jpg", "p/deep": "p/deep"}


def _file(folder: Path) -> Path:
    return folder / ".mien" / "align.jsonl"


def _written(folder: Path) -> dict[str, RecordEntry]:
    with OutputRecord.open(folder) as record:
        record.begin({"/a.png": "a.jpg", ODD: "odd.jpg", "/c.png": "c.jpg"})
        record.finish("/a.png", STAMP, ["a.jpg", "a-face1.jpg"], None)
        record.finish(ODD, STAMP, [], ("detect", "no face"))
        return dict(record.entries)


def test_a_record_is_read_back(tmp_path: Path) -> None:
    made = _written(tmp_path)
    with OutputRecord.open(tmp_path) as record:
        assert record.entries == made
    assert made["/a.png"] == RecordEntry("a.jpg", False, STAMP, ("a.jpg", "a-face1.jpg"))
    assert made[ODD].no_face == ("detect", "no face")
    assert made["/c.png"] == RecordEntry("c.jpg", True)


def test_a_photo_begun_again_remembers_its_crops(tmp_path: Path) -> None:
    _written(tmp_path)
    with OutputRecord.open(tmp_path) as record:
        record.begin({"/a.png": "a-1.jpg"})
    with OutputRecord.open(tmp_path) as record:
        assert record.entries["/a.png"] == RecordEntry("a-1.jpg", True, STAMP, ("a.jpg", "a-face1.jpg"))


def test_a_torn_record_opens_again_wherever_it_was_torn(tmp_path: Path) -> None:
    made = _written(tmp_path)
    whole = _file(tmp_path).read_bytes()
    for length in range(len(whole)):
        _file(tmp_path).write_bytes(whole[:length])
        with OutputRecord.open(tmp_path) as record:
            assert record.entries.keys() <= made.keys()
        kept = _file(tmp_path).read_bytes()
        assert whole.startswith(kept)
        assert kept[-1:] in (b"", b"\n")


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"3", b'{"kind": "other"}', b'{"kind": "done", "source": "/n", "crops": []}']
)
def test_damage_elsewhere_is_reported_with_its_line(tmp_path: Path, line: bytes) -> None:
    _written(tmp_path)
    whole = _file(tmp_path).read_bytes()
    _file(tmp_path).write_bytes(line + b"\n" + whole)
    with pytest.raises(DataError, match="line 1 of"):
        OutputRecord.open(tmp_path)
    assert _file(tmp_path).read_bytes() == line + b"\n" + whole


def test_two_runs_do_not_cut_into_one_folder_at_once(tmp_path: Path) -> None:
    with OutputRecord.open(tmp_path), pytest.raises(DataError, match="another run"):
        OutputRecord.open(tmp_path)
    OutputRecord.open(tmp_path).close()


def test_a_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(DataError, match="could not be written"):
        OutputRecord.open(tmp_path / "x")
