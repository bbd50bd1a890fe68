"""What a check finds in a data set, and in which order it asks."""

from __future__ import annotations

import html
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mien.curation.findings import Finding, Kind
from mien.curation.verdicts import read_verdicts
from mien.data import DataOptions, DataSet, open_data
from mien.errors import DataError, MienWarning, MissingExtra
from mien.flows import check as module
from mien.flows import check_result
from mien.flows.check import check
from mien.flows.check_result import CheckResult
from mien.flows.clean import clean
from mien.images import decode, encode
from mien.store.recovery import undo
from mien.types import Origin, PhotoRef


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIEN_LICENCE", "MIEN_TRAITS"):
        monkeypatch.delenv(name, raising=False)


def checked(folder: Path | DataSet, **options: Any) -> CheckResult:
    return check(folder, detector="mtcnn", workers=2, **options)


def of(found: CheckResult, kind: Kind) -> list[Finding]:
    return [finding for finding in found.findings if finding.kind is kind]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The steps say nothing, and write down what they were asked."""
    asked: dict[str, list[Any]] = {}

    def put(name: str, answer: Any) -> None:
        def step(*arguments: Any, **named: Any) -> Any:
            asked.setdefault(name, []).append((arguments, named))
            return answer

        monkeypatch.setattr(module, name, step)

    for name in (
        "duplicate_findings",
        "class_findings",
        "identity_findings",
        "label_error_findings",
        "photo_findings",
        "mask_findings",
    ):
        put(name, [])
    put("labels_are_people", True)
    return asked


def test_what_was_planted_is_found(models_home: Path, dirty: Path) -> None:
    found = checked(dirty)
    assert len(found.photos) + len(found.rejected) == 27
    assert found.faceless == 2
    assert found.counts == {"Eileen Collins": 12, "Grace Hopper": 15}
    (copy,) = of(found, Kind.COPY)
    assert {copy.path, copy.other} == {"Grace Hopper/03.jpg", "Grace Hopper/twice.jpg"}
    assert [each.path for each in of(found, Kind.NO_FACE)] == ["Grace Hopper/coffee.png"]
    assert [each.path for each in of(found, Kind.UNREADABLE)] == ["Grace Hopper/broken.jpg"]
    assert {each.label for each in of(found, Kind.FEW)} == {"Eileen Collins", "Grace Hopper"}


def test_nothing_is_changed(models_home: Path, dirty: Path) -> None:
    before = {path: path.read_bytes() for path in sorted(dirty.rglob("*")) if path.is_file()}
    checked(dirty)
    assert {path: path.read_bytes() for path in sorted(dirty.rglob("*")) if path.is_file()} == before


def test_one_finding_of_a_kind_stands_for_a_photo(models_home: Path, dirty: Path) -> None:
    found = checked(dirty).findings
    photos = [(finding.kind, finding.path) for finding in found if finding.path is not None]
    assert len(photos) == len(set(photos))


def test_findings_come_by_kind_and_the_surest_first(models_home: Path, dirty: Path) -> None:
    found = checked(dirty).findings
    order = list(Kind)
    keys = [(order.index(finding.kind), -finding.confidence) for finding in found]
    assert keys == sorted(keys)


def test_the_last_line_adds_up(models_home: Path, dirty: Path) -> None:
    found = checked(dirty)
    fields = found.as_json()
    assert fields["photos"] == 27
    assert fields["faces"] >= 25
    assert fields["rejected"] == 2
    assert sum(fields["findings"].values()) == len(found.findings)
    assert sum(fields["counts"].values()) == 27


def test_the_number_of_workers_changes_nothing(models_home: Path, dirty: Path) -> None:
    one, three = (check(dirty, detector="mtcnn", workers=workers, cache=False) for workers in (1, 3))
    assert [finding.as_json() for finding in one] == [finding.as_json() for finding in three]


def test_a_copy_that_is_to_go_says_nothing_about_labels(
    models_home: Path, dirty: Path, silent: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    twins = [
        Finding(Kind.COPY, "a/1.jpg", "a", "drop", 1.0, ""),
        Finding(Kind.NEAR_COPY, "a/2.jpg", "a", "drop", 1.0, ""),
        Finding(Kind.COPY, "a/3.jpg", "a", "keep", 1.0, ""),
        Finding(Kind.LEAK, "a/4.jpg", "a", "drop", 1.0, ""),
    ]
    monkeypatch.setattr(module, "duplicate_findings", lambda _: twins)
    checked(dirty)
    ((arguments, _),) = silent["identity_findings"]
    assert arguments[1] == {"a/1.jpg", "a/2.jpg"}
    assert "label_error_findings" not in silent


def test_a_label_called_drop_is_never_taken_for_the_advice_to_drop(
    models_home: Path, album: Path, tmp_path: Path, silent: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("drop", "grace"):
        shutil.copytree(album / "photos" / "Grace Hopper", tmp_path / "photos" / name)
    told = [
        Finding(Kind.WRONG_PERSON, "grace/01.jpg", "grace", "drop", 1.0, "fits drop", "drop/02.jpg"),
        Finding(Kind.WRONG_PERSON, "grace/02.jpg", "grace", "drop", 1.0, "fits nobody", "grace/03.jpg"),
        Finding(Kind.WRONG_PERSON, "drop/01.jpg", "drop", "drop", 1.0, "fits nobody", "drop/03.jpg"),
    ]
    monkeypatch.setattr(module, "identity_findings", lambda *_: told)
    found = {finding.path: finding.proposed for finding in checked(tmp_path / "photos").findings}
    assert found == {"grace/01.jpg": "keep", "grace/02.jpg": "drop", "drop/01.jpg": "drop"}


def test_of_one_label_it_is_said_that_nobody_can_be_told_from_others(models_home: Path, album: Path) -> None:
    refs = open_data(album / "photos").refs
    one = DataSet.of([ref for ref in refs if ref.origin.label == "Grace Hopper"], [])
    with pytest.warns(MienWarning) as said:
        checked(one)
    assert [str(warning.message) for warning in said] == ["there is only one label, so labels could not be checked"]


def test_labels_that_are_no_people_are_asked_about_looks(
    models_home: Path, dirty: Path, silent: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "labels_are_people", lambda _: False)
    found = checked(dirty)
    assert "identity_findings" not in silent
    assert len(silent["label_error_findings"]) == 1
    assert found.as_json()["labels_are"] == "looks"


def test_labels_of_photos_without_a_face_are_asked_about_by_the_whole_picture(
    models_home: Path, dirty: Path, silent: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "labels_are_people", lambda _: False)
    found = checked(dirty)
    ((asked,), _), *_ = silent["label_error_findings"]
    whole = {each.key: each for each in asked}["Grace Hopper/coffee.png"]
    assert len(whole) == 1
    assert [len(each) for each in found.photos if each.key == whole.key] == [0]
    assert found.faceless == 2


def test_of_findings_of_one_kind_about_a_photo_the_surest_stays(
    models_home: Path, dirty: Path, silent: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = (1.0, 2.0, 3.0, 4.0)
    some = [
        Finding(Kind.LABEL_SUSPECT, "a/1.jpg", "a", "b", 0.4, ""),
        Finding(Kind.LABEL_SUSPECT, "a/1.jpg", "a", "c", 0.6, ""),
        Finding(Kind.MANY_FACES, "a/1.jpg", "a", "face 1", 0.5, "", None, box),
        Finding(Kind.MANY_FACES, "a/1.jpg", "a", "keep", 0.9, ""),
        Finding(Kind.SAME_PERSON, None, "a", "keep", 0.7, "", "b"),
        Finding(Kind.SAME_PERSON, None, "a", "keep", 0.8, "", "c"),
    ]
    monkeypatch.setattr(module, "duplicate_findings", lambda _: some)
    stay = [finding for finding in checked(dirty).findings if finding.path in ("a/1.jpg", None)]
    assert [finding.proposed for finding in stay] == ["c", "keep", "keep", "face 1"]


def test_photos_without_labels_are_looked_at_and_what_is_left_out_is_said(
    models_home: Path, album: Path, silent: dict[str, list[Any]]
) -> None:
    with pytest.warns(MienWarning, match="no photo has a label"):
        found = checked(album / "inbox")
    assert len(found.photos) + len(found.rejected) == 15
    assert found.as_json()["labels_are"] is None
    assert set(silent) == {"duplicate_findings", "photo_findings"}


def test_pictures_that_are_faces_already_are_noticed(models_home: Path, album: Path, tmp_path: Path) -> None:
    for i in range(3):
        shutil.copytree(album / "photos", tmp_path / "data" / "x", dirs_exist_ok=True)
        shutil.copy(album / "inbox" / "coffee.png", tmp_path / "data" / "x" / f"{i}.png")
    data = open_data(tmp_path / "data", DataOptions(loose=True))
    few = [ref for ref in data.refs if ref.key.endswith(".png")]
    with pytest.warns(MienWarning) as told:
        checked(DataSet.of(few, []))
    assert any("--faces cut" in str(warning.message) for warning in told)


def test_a_mask_is_asked_about_where_one_is_expected(
    models_home: Path, dirty: Path, silent: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked(dirty)
    assert "mask_findings" not in silent
    bare = [Finding(Kind.LABEL_SUSPECT, "a/1.jpg", "a", "without_mask", 0.9, "")]
    monkeypatch.setattr(module, "mask_findings", lambda _: bare)
    found = checked(dirty, expect="mask")
    assert found.mask_findings == bare
    assert bare[0] in found.findings


def test_only_a_mask_can_be_expected(dirty: Path) -> None:
    with pytest.raises(DataError, match="--expect hat: use mask"):
        checked(dirty, expect="hat")


# The page.


def pictured(text: str) -> list[bool]:
    found = re.search(r'id="data">(.*?)</script>', text)
    assert found
    return ["jpeg" in photo for photo in json.loads(found[1])["photos"]]


def page_of(found: CheckResult, folder: Path) -> str:
    return found.to_html(folder / "check.html").read_text("utf-8")


def test_the_page_shows_every_photo_that_it_is_about(models_home: Path, dirty: Path, tmp_path: Path) -> None:
    found = checked(dirty)
    text = page_of(found, tmp_path)
    shown = pictured(text)
    assert shown.count(False) == 1  # the broken one
    assert "shown without a picture" not in text
    assert f"<code>{html.escape(found.next_command())}</code>" in text


def test_the_page_stays_small_and_says_what_it_left_out(
    models_home: Path, dirty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checked(dirty)
    monkeypatch.setattr(check_result, "MAX_PICTURE_BYTES", 9000)
    text = page_of(found, tmp_path)
    assert 1 <= pictured(text).count(True) <= 4
    assert "shown without a picture" in text


def test_photos_of_a_table_are_pictured_too(models_home: Path, astronaut: bytes, tmp_path: Path) -> None:
    jpeg = encode(decode(astronaut, max_megapixels=9).pixels[::2, ::2].copy(), "jpeg")
    images = [{"bytes": jpeg, "path": f"{i}.jpg"} for i in range(3)]
    pq.write_table(pa.table({"image": images, "label": ["a", "b", "a"]}), tmp_path / "data.parquet")
    found = checked(tmp_path / "data.parquet")
    assert {Kind.LABEL_SUSPECT, Kind.COPY} & {finding.kind for finding in found.findings}
    assert all(pictured(page_of(found, tmp_path)))


def test_nothing_to_look_at_makes_a_page_too(models_home: Path, tmp_path: Path, hopper: bytes) -> None:
    (tmp_path / "broken.jpg").write_bytes(hopper[:1000])
    ref = PhotoRef(Origin("broken.jpg"), tmp_path / "broken.jpg")
    with pytest.warns(MienWarning, match="no photo has a label"):
        found = checked(DataSet.of([ref], []))
    assert list(found.photos) == []
    assert "broken.jpg" in page_of(found, tmp_path)


# What Python code makes of a result.


def test_a_result_is_gone_over_counted_and_written(models_home: Path, dirty: Path, tmp_path: Path) -> None:
    found = checked(dirty)
    assert list(found) == list(found.findings)
    assert len(found) == len(found.findings)
    table = found.write_verdicts(tmp_path / "verdicts.csv")
    assert len(read_verdicts(table)) == sum(finding.path is not None for finding in found)
    cleaned = clean(dirty, verdicts=table)
    assert cleaned.as_json()["dropped"] >= 3


def test_a_result_is_a_table_in_pandas(models_home: Path, dirty: Path) -> None:
    pytest.importorskip("pandas")
    found = checked(dirty)
    frame = found.to_pandas()
    assert list(frame["kind"]) == [str(finding.kind) for finding in found]
    assert {"path", "label", "proposed", "confidence", "detail"} <= set(frame.columns)


def test_without_pandas_it_is_said_what_to_install(
    models_home: Path, dirty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checked(dirty)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match="pip install pandas"):
        found.to_pandas()


def test_a_notebook_shows_counts_and_the_first_findings(models_home: Path, dirty: Path) -> None:
    found = checked(dirty)
    text = found._repr_html_()
    assert "<td>No face</td><td>1</td>" in text
    assert "Grace Hopper/coffee.png" in text
    hostile = replace(found, findings=[Finding(Kind.FEW, None, "<b>", "keep", 1.0, "<script>")])
    assert "<script>" not in hostile._repr_html_()


def test_photos_are_moved_by_their_mask_only_where_they_are_files(models_home: Path, dirty: Path) -> None:
    data = open_data(dirty, DataOptions(loose=True))
    with pytest.raises(DataError, match="the data is a DataSet, whose files cannot be moved"):
        checked(data).move_by_mask()


# Photos that lie on their side.


def lie_down(photos: dict[str, bytes], root: Path) -> dict[str, int]:
    """Photos are written turned by 0, 90, 180 and 270 degrees clockwise in turn, without EXIF -> by how many."""
    turned = {}
    for i, (name, data) in enumerate(photos.items()):
        pixels = decode(data, max_megapixels=9).pixels
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode(np.ascontiguousarray(np.rot90(pixels, -(i % 4))), "jpeg"))
        turned[name] = 90 * (i % 4)
    return turned


def assert_found_turned_and_turned_back(root: Path, turned: dict[str, int], verdicts: Path) -> None:
    before = {name: (root / name).read_bytes() for name in turned}
    found = check(root, workers=1)
    assert {photo.key: photo.turned for photo in found.photos} == turned
    assert {finding.path for finding in of(found, Kind.TURNED_PHOTO)} == {name for name, by in turned.items() if by}
    assert not {Kind.TURNED, Kind.NO_FACE, Kind.CUT_OFF} & found.kinds.keys()
    wanted = [finding for finding in found if finding.kind is Kind.TURNED_PHOTO]
    replace(found, findings=wanted).write_verdicts(verdicts)
    cleaned = clean(root, verdicts=verdicts)
    assert dict(cleaned.counts) == {"turn": len(wanted)}
    again = check(root, workers=1)
    assert {photo.turned for photo in again.photos} == {0}
    for name, by in turned.items():
        pixels = decode((root / name).read_bytes(), max_megapixels=9).pixels
        assert np.array_equal(pixels, np.rot90(decode(before[name], max_megapixels=9).pixels, by // 90))
    assert cleaned.journal is not None
    assert not undo(cleaned.journal).failed
    assert {name: (root / name).read_bytes() for name in turned} == before


def test_photos_on_their_side_are_found_turned_and_turned_back(
    models_home: Path, tmp_path: Path, astronaut: bytes, hopper: bytes
) -> None:
    photos = {f"{label}/{i}.jpg": data for i in range(4) for label, data in (("a", astronaut), ("b", hopper))}
    root = tmp_path / "photos"
    assert_found_turned_and_turned_back(root, lie_down(photos, root), tmp_path / "verdicts.csv")


def test_photos_of_lfw_on_their_side_are_found_turned_and_turned_back(
    models_home: Path, tmp_path: Path, data: Path
) -> None:
    people = [data / "identity" / "lfw" / name for name in ("Tony_Blair", "Vicente_Fox", "Andre_Agassi")]
    paths = [path for folder in people for path in sorted(folder.iterdir())[:12]]
    root = tmp_path / "photos"
    turned = lie_down({f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}, root)
    assert_found_turned_and_turned_back(root, turned, tmp_path / "verdicts.csv")
