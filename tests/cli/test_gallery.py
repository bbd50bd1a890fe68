"""`mien enroll`, `identify`, `people` and `forget`: somebody comes, is known, and is gone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from mien.store.cache import Cache
from tests.conftest import Mien

EILEEN, GRACE = "Eileen Collins", "Grace Hopper"


@pytest.fixture
def enrolled(mien: Mien, album: Path) -> Mien:
    """The album's two people are enrolled, with three photos each."""
    for name in (EILEEN, GRACE):
        some = sorted((album / "photos" / name).iterdir())[:3]
        assert mien("enroll", name, *some, "--consent", "for tests", "--detector", "mtcnn").code == 0
    return mien


def test_enrolling_tells_who_and_how_many(mien: Mien, album: Path) -> None:
    photos = sorted((album / "photos" / GRACE).iterdir())[:2]
    ran = mien("enroll", GRACE, *photos, "--json", "--detector", "mtcnn")
    assert ran.code == 0
    assert ran.last["person"] == GRACE
    assert (ran.last["photos"], ran.last["enrolled"], ran.last["rejected"], ran.last["close"]) == (2, 2, [], [])
    assert "there is no note on consent for Grace Hopper" in ran.err
    again = mien("enroll", "grace hopper", *photos, album / "photos" / GRACE, "--json")
    assert again.last["id"] == ran.last["id"]
    assert again.last["photos"] == 12
    assert [item["reason"] for item in again.last["rejected"]] == ["enrolled-before"] * 2
    assert again.last["rejected"][0]["detail"] == "as Grace Hopper"


def test_photos_without_a_face_or_with_several_have_a_reason(mien: Mien, album: Path, tmp_path: Path) -> None:
    two = tmp_path / "two.png"
    _beside(album / "originals" / f"{GRACE}.jpg", album / "originals" / f"{EILEEN}.jpg", two)
    empty = tmp_path / "empty.jpg"
    empty.touch()
    missing = tmp_path / "missing.jpg"
    ran = mien("enroll", GRACE, two, empty, missing, album / "inbox" / "coffee.png", "--json")
    assert ran.code == 1
    assert "Grace Hopper was not enrolled, since no photo could be used" in ran.err
    assert mien("people", "--json").out == ""
    ran = mien("enroll", GRACE, two, empty, missing, album / "originals" / f"{GRACE}.jpg", "--json")
    assert ran.code == 0
    reasons = {Path(item["image"]).name: item["reason"] for item in ran.last["rejected"]}
    assert reasons == {"two.png": "several-faces", "empty.jpg": "empty", "missing.jpg": "missing"}
    assert mien("enroll", GRACE, two, "--largest", "--json").last["enrolled"] == 1


def _beside(left: Path, right: Path, target: Path) -> None:
    import cv2
    import numpy as np

    both = [cv2.resize(np.asarray(cv2.imread(str(path))), (400, 480)) for path in (left, right)]
    cv2.imwrite(str(target), np.hstack(both))


def test_nothing_new_about_somebody_is_a_failure_and_a_note_on_consent_is_none(enrolled: Mien, album: Path) -> None:
    photo = sorted((album / "photos" / GRACE).iterdir())[0]
    assert enrolled("enroll", GRACE, photo).code == 1
    assert enrolled("enroll", GRACE, photo, "--consent", "by mail").code == 0
    people = {line["name"]: line for line in enrolled("people", "--json").lines}
    assert people[GRACE]["consent"] == "by mail"


def test_people_are_listed(enrolled: Mien) -> None:
    ran = enrolled("people", "--json")
    assert [(line["name"], line["photos"], line["consent"]) for line in ran.lines] == [
        (EILEEN, 3, "for tests"),
        (GRACE, 3, "for tests"),
    ]
    assert ran.lines[0].keys() == {"id", "name", "photos", "created", "consent", "close"}
    assert "2 enrolled; threshold 0." in enrolled("people").err


def test_faces_are_named_and_strangers_unknown(enrolled: Mien, album: Path, tmp_path: Path) -> None:
    ran = enrolled("identify", album / "inbox", "--json")
    assert ran.code == 0
    by_photo = {Path(line["image"]).name: line for line in ran.lines}
    assert {line["label"] for line in by_photo.values() if "label" in line} == {EILEEN, GRACE}
    line = next(line for line in ran.lines if line.get("label") == GRACE)
    assert line.keys() == {"image", "face", "label", "person", "rival", "threshold"}
    assert line["person"].keys() == {"id", "name", "distance"}
    assert line["person"]["distance"] < line["threshold"]
    assert by_photo["coffee.png"]["rejected"]["reason"] == "no-face"
    assert enrolled("forget", GRACE).code == 0
    later = enrolled("identify", album / "inbox", "--json")
    assert {line["label"] for line in later.lines if "label" in line} == {EILEEN, "unknown"}
    assert "unknown" in enrolled("identify", album / "inbox").out


def test_one_person_under_two_names_is_told(enrolled: Mien, album: Path) -> None:
    some = sorted((album / "photos" / GRACE).iterdir())[3:6]
    ran = enrolled("enroll", "Admiral", *some, "--json", "--quiet")
    assert ran.code == 0
    assert [other["name"] for other in ran.last["close"]] == [GRACE]
    assert "Admiral and Grace Hopper are too close to tell apart" in ran.err
    listed = {line["name"]: [other["name"] for other in line["close"]] for line in enrolled("people", "--json").lines}
    assert listed == {"Admiral": [GRACE], EILEEN: [], GRACE: ["Admiral"]}


def test_forgetting_takes_the_cache_entries_too_and_prints_a_receipt(
    enrolled: Mien, album: Path, models_home: Path
) -> None:
    photos = sorted((album / "photos" / GRACE).iterdir())[:3]
    sums = [sha256(path.read_bytes()).digest() for path in photos]
    cache = Cache(models_home / "cache.sqlite")
    ran = enrolled("forget", GRACE.upper(), "--json")
    assert ran.code == 0
    assert ran.last["person"] == GRACE
    assert (ran.last["photos"], ran.last["vectors"], ran.last["erased"]) == (3, 3, True)
    assert ran.last["cache_entries"] >= 3
    assert ran.last["sha256"] == [photo.hex() for photo in sums]
    assert cache.forget(sums) == 0
    assert [line["name"] for line in enrolled("people", "--json").lines] == [EILEEN]
    again = enrolled("forget", GRACE)
    assert again.code == 1
    assert "there is nobody called 'Grace Hopper'" in again.err


def test_a_receipt_can_be_read_by_a_person(enrolled: Mien) -> None:
    ran = enrolled("forget", EILEEN)
    assert "Eileen Collins (number 1) is forgotten: 3 photos, 3 vectors" in ran.out
    assert ran.out.count("\n  sha256 ") == 3


def test_without_a_gallery_one_sentence_says_so_and_none_is_made(mien: Mien, album: Path, own_gallery: Path) -> None:
    for arguments in (("identify", album / "inbox"), ("forget", GRACE)):
        ran = mien(*arguments)
        assert ran.code == 1
        assert "'mien enroll NAME PHOTO' makes it" in ran.err
    assert mien("people").code == 0
    assert not own_gallery.exists()


def test_an_empty_gallery_knows_nobody(enrolled: Mien, album: Path) -> None:
    enrolled("forget", EILEEN)
    enrolled("forget", GRACE)
    ran = enrolled("identify", album / "inbox")
    assert ran.code == 1
    assert "nobody is enrolled in" in ran.err


def test_a_rate_that_means_nothing_is_refused(enrolled: Mien, album: Path) -> None:
    ran = enrolled("identify", album / "inbox", "--false-accepts", "0.7")
    assert ran.code == 1
    assert "use one between 0 and 0.5" in ran.err


def test_without_the_packages_it_says_what_to_install(tmp_path: Path, album: Path) -> None:
    code = """
import sys
sys.modules["sqlalchemy"] = None
from mien.cli import main
sys.argv = ["mien", "people"]
main()
"""
    (tmp_path / "gallery.sqlite").touch()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"MIEN_GALLERY": str(tmp_path / "gallery.sqlite"), "MIEN_HOME": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "pip install 'mien[serve]'" in done.stderr


def test_the_same_photo_twice_under_two_file_names_counts_once(mien: Mien, album: Path, tmp_path: Path) -> None:
    original = album / "originals" / f"{GRACE}.jpg"
    copy = Path(shutil.copy(original, tmp_path / "copy.jpg"))
    ran = mien("enroll", GRACE, original, copy, "--json")
    assert (ran.last["enrolled"], ran.last["photos"]) == (1, 1)
    assert ran.last["rejected"][0]["reason"] == "enrolled-before"
