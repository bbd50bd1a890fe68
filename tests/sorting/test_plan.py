from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from mien.sorting import Plan, plan
from mien.store import recovery, transfer
from mien.store.journal import Action, FilingHistory, filing_history, new_journal
from mien.types import Detection, Origin, Prediction, Reason, Rejected
from tests.store.trees import harvest, plant

LABELS = ("Ana", "김민지", "A/B", "rejected", "unknown")


def seen(uri: str, label: str, index: int = 0) -> Prediction:
    face = Detection(index, (0.0, 0.0, 10.0, 10.0), 0.9)
    return Prediction(Origin(uri), face, label, tuple((name, 0.2) for name in LABELS), 1.0)


def missed(uri: str, reason: Reason = Reason.NO_FACE) -> Rejected:
    return Rejected(Origin(uri), "detect", reason)


@pytest.fixture
def photos(tmp_path: Path, astronaut: bytes, hopper: bytes) -> Path:
    names = {"a.jpg": hopper, "in/a.jpg": astronaut, "b.jpg": b"b", "c.jpg": b"c", "d.jpg": b"d"}
    return plant(tmp_path / "photos", names)


def planned(
    results: Sequence[Prediction | Rejected],
    photos: Path,
    root: Path,
    mode: Action = "copy",
    known: FilingHistory | None = None,
) -> Plan:
    return plan(results, lambda uri: photos / uri, root, mode, known)


RESULTS: list[Prediction | Rejected] = [
    seen("a.jpg", "Ana"),
    seen("in/a.jpg", "Ana"),
    seen("b.jpg", "김민지"),
    seen("c.jpg", "unknown"),
    missed("d.jpg"),
]


def targets(made: Plan, root: Path) -> list[str]:
    return [item.target.relative_to(root).as_posix() for item in made.transfers]


def test_each_photo_goes_into_its_folder(photos: Path, tmp_path: Path) -> None:
    made = planned(RESULTS, photos, tmp_path / "out")
    assert targets(made, tmp_path / "out") == [
        "Ana/a.jpg",
        "김민지/b.jpg",
        "unknown/c.jpg",
        "rejected/d.jpg",
        "Ana/a-1.jpg",
    ]
    assert (made.counts, made.unknown, made.rejected, made.kept) == ({"Ana": 2, "김민지": 1}, 1, 1, 0)
    assert {item.action for item in made.transfers} == {"copy"}
    assert not (tmp_path / "out").exists()


def test_the_order_of_the_results_changes_nothing(photos: Path, tmp_path: Path) -> None:
    assert planned(RESULTS, photos, tmp_path / "out") == planned(RESULTS[::-1], photos, tmp_path / "out")


def test_a_photo_with_several_faces_counts_once_as_its_main_face(photos: Path, tmp_path: Path) -> None:
    faces: list[Prediction | Rejected] = [
        seen("a.jpg", "김민지", 2),
        seen("a.jpg", "Ana", 0),
        seen("a.jpg", "unknown", 1),
        missed("a.jpg"),
    ]
    made = planned(faces, photos, tmp_path / "out")
    assert targets(made, tmp_path / "out") == ["Ana/a.jpg"]
    assert (made.counts, made.unknown, made.rejected) == ({"Ana": 1}, 0, 0)


def test_labels_that_are_no_folder_names_stay_inside_and_apart(photos: Path, tmp_path: Path) -> None:
    labels = {"a.jpg": "../../etc", "in/a.jpg": "A/B", "b.jpg": "A:B", "c.jpg": "CON", "d.jpg": ""}
    made = planned([seen(uri, label) for uri, label in labels.items()], photos, tmp_path / "out")
    assert targets(made, tmp_path / "out") == ["__.._etc/a.jpg", "A_B-1/b.jpg", "_CON/c.jpg", "_/d.jpg", "A_B/a.jpg"]


def test_a_class_called_rejected_does_not_mix_with_the_rejected(photos: Path, tmp_path: Path) -> None:
    made = planned([seen("a.jpg", "rejected"), missed("b.jpg"), seen("c.jpg", "Unknown")], photos, tmp_path / "out")
    assert targets(made, tmp_path / "out") == ["rejected-1/a.jpg", "rejected/b.jpg", "Unknown-1/c.jpg"]
    assert (made.counts, made.rejected, made.unknown) == ({"Unknown": 1, "rejected": 1}, 1, 0)


def test_folders_do_not_depend_on_which_labels_came_up(photos: Path, tmp_path: Path) -> None:
    """`top` holds all labels of the classifier, so that another day's photos fall into the same folders."""
    top = (("A/B", 0.5), ("A:B", 0.5))
    one = Prediction(Origin("a.jpg"), Detection(0, (0, 0, 1, 1), 1.0), "A:B", top, 1.0)
    assert targets(planned([one], photos, tmp_path / "out"), tmp_path / "out") == ["A_B-1/a.jpg"]


def test_what_lies_in_the_target_already_is_stepped_around(photos: Path, tmp_path: Path) -> None:
    root = plant(tmp_path / "out", {"Ana/a.jpg": b"mine"})
    assert targets(planned(RESULTS[:2], photos, root), root) == ["Ana/a-1.jpg", "Ana/a-2.jpg"]


def test_a_dry_run_prints_a_line_a_photo(photos: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in planned(RESULTS, photos, tmp_path / "out", "move").as_json_lines()]
    assert lines[1] == {
        "source": str(photos / "b.jpg"),
        "target": str(tmp_path / "out/김민지/b.jpg"),
        "action": "move",
        "label": "김민지",
        "reason": None,
    }
    assert (lines[3]["label"], lines[3]["reason"]) == (None, "no-face")


def test_a_photo_that_is_not_there_is_counted_and_not_planned(photos: Path, tmp_path: Path) -> None:
    made = planned([missed("gone.jpg", Reason.MISSING)], photos, tmp_path / "out")
    assert (made.transfers, made.rejected, made.kept) == ((), 1, 1)


def test_no_photos_make_an_empty_plan(tmp_path: Path) -> None:
    assert planned([], tmp_path, tmp_path / "out") == Plan((), {}, 0, 0, 0, 0)


@pytest.mark.parametrize("mode", ["copy", "link", "move"])
def test_sorting_a_folder_into_itself_twice_changes_nothing_the_second_time(photos: Path, mode: Action) -> None:
    before = harvest(photos)
    path = new_journal(photos, "sort")
    transfer.execute(planned(RESULTS, photos, photos, mode).transfers, path, root=photos)
    sorted_once = harvest(photos)
    again = [seen(uri, "Ana") for uri in sorted_once if uri.startswith("Ana/") or uri in before]
    assert planned(again, photos, photos, mode, filing_history(photos, "sort")).transfers == ()
    recovery.undo(path)
    assert harvest(photos) == before


@pytest.mark.parametrize("mode", ["copy", "link"])
def test_what_was_filed_is_not_filed_again_unless_it_changed(photos: Path, tmp_path: Path, mode: Action) -> None:
    root = tmp_path / "out"
    transfer.execute(planned(RESULTS, photos, root, mode).transfers, new_journal(root, "sort"), root=root)
    second = planned(RESULTS, photos, root, mode, filing_history(root, "sort"))
    assert (second.transfers, second.kept, second.counts) == ((), 5, {"Ana": 2, "김민지": 1})
    (photos / "b.jpg").unlink()
    (photos / "b.jpg").write_bytes(b"another photo of that name")
    (root / "unknown/c.jpg").unlink()
    third = planned(RESULTS, photos, root, mode, filing_history(root, "sort"))
    assert targets(third, root) == ["김민지/b-1.jpg", "unknown/c.jpg"]


def test_a_better_classifier_moves_on_what_was_moved(photos: Path, tmp_path: Path) -> None:
    root = photos
    transfer.execute(planned(RESULTS, photos, root, "move").transfers, new_journal(root, "sort"), root=root)
    made = planned([seen("unknown/c.jpg", "Ana")], photos, root, "move", filing_history(root, "sort"))
    assert targets(made, root) == ["Ana/c.jpg"]


def test_relative_folders_become_absolute(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    (act,) = plan([seen("b.jpg", "Ana")], Path, Path("out"), "copy").transfers
    assert (act.source, act.target) == (photos / "b.jpg", photos / "out/Ana/b.jpg")
    assert os.fspath(act.target) == str(act.target)


def test_a_folder_is_named_with_regard_to_people_who_are_not_seen(photos: Path, tmp_path: Path) -> None:
    face = Detection(0, (0.0, 0.0, 9.0, 9.0), 0.9)
    only = Prediction(Origin("a.jpg"), face, "Ana?", (("Ana?", 0.9),), 1.0)
    alone = plan([only], lambda uri: photos / uri, tmp_path, "copy")
    beside = plan([only], lambda uri: photos / uri, tmp_path, "copy", known=["Ana*", "Ana?"])
    assert alone.transfers[0].target.parent.name != beside.transfers[0].target.parent.name
