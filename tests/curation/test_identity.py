"""Folders of people: wrong photos, double folders, and the face that is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.curation.features import ImageFeatures
from mien.curation.findings import DROP, KEEP, Finding, Kind
from mien.curation.identity import identity_findings, labels_are_people
from mien.data import DataOptions, open_data
from mien.pipeline.execute import RunOptions
from mien.pipeline.extract_features import check_spec, extract_features
from tests.curation.samples import album, faces, persons, vector_photo


def _labelled(photo: ImageFeatures, label: str | None) -> ImageFeatures:
    return replace(photo, origin=replace(photo.origin, label=label))


def _only(found: Sequence[Finding], kind: Kind) -> dict[str, Finding]:
    return {one.path or f"{one.label} = {one.other}": one for one in found if one.kind is kind}


def test_nothing_is_said_of_folders_that_are_right() -> None:
    assert identity_findings(album(12, 8)) == []
    assert identity_findings([]) == []
    assert identity_findings(album(1, 5)) == []


def test_a_photo_in_a_wrong_folder_is_proposed_for_the_right_one() -> None:
    photos = album(12, 8)
    wrong = {5: "P3", 40: "P0", 41: "P11", 77: "P2"}
    planted = [_labelled(photo, wrong.get(i, photo.origin.label)) for i, photo in enumerate(photos)]
    found = _only(identity_findings(planted), Kind.WRONG_PERSON)
    assert {key: one.proposed for key, one in found.items()} == {photos[i].key: photos[i].origin.label for i in wrong}
    one = found["P0/5.jpg"]
    assert (one.label, one.confidence > 0.95) == ("P3", True)
    assert one.other is not None
    assert one.other.startswith("P0/")
    assert one.detail.startswith("labelled P3 (distance 0.")


def test_a_face_that_fits_no_folder_is_to_be_dropped() -> None:
    stranger = vector_photo("P2/x.jpg", "P2", faces(persons(20)[19], 1))
    found = identity_findings([*album(12, 8), stranger])
    assert [(one.path, one.proposed) for one in found] == [("P2/x.jpg", DROP)]
    assert 0.5 < found[0].confidence < 1
    assert found[0].other is not None
    assert found[0].other.startswith("P2/")


def test_a_face_in_profile_is_like_nobody_and_no_stranger_for_that() -> None:
    turned = vector_photo("P2/x.jpg", "P2", faces(persons(20)[19], 1), quality={"yaw": np.array([-60], np.float32)})
    assert identity_findings([*album(12, 8), turned]) == []


@pytest.mark.parametrize("n", [2, 3, 4])
def test_small_folders_are_judged_by_what_they_have(n: int) -> None:
    photos = album(30, n)
    assert identity_findings(photos) == []
    planted = [_labelled(photo, "P9") if photo.key == "P4/0.jpg" else photo for photo in photos]
    found = identity_findings(planted)
    assert [(one.path, one.label, one.proposed) for one in found] == [("P4/0.jpg", "P9", "P4")]


def test_a_folder_of_two_people_does_not_tell_whose_it_is() -> None:
    centres = persons(20)
    two = [vector_photo(f"X/{i}.jpg", "X", faces(centres[18 + i], 1)) for i in range(2)]
    found = identity_findings([*album(12, 8), *two])
    assert {one.path for one in found} <= {"X/0.jpg", "X/1.jpg"}
    assert all(one.proposed == KEEP and one.confidence <= 0.5 for one in found)


def test_a_folder_with_one_photo_has_nothing_to_be_judged_by() -> None:
    alone = vector_photo("X/0.jpg", "X", faces(persons(20)[18], 1))
    assert identity_findings([*album(12, 8), alone]) == []


def test_the_threshold_comes_from_the_data() -> None:
    """Photos of one studio lie closer together: what would pass for one person elsewhere is a stranger there."""
    near = persons(12) * np.float32(1)
    near[:, 1:] *= 0.6
    rows = [faces(centre, 10, i, spread=0.25) for i, centre in enumerate(near)]
    photos = [vector_photo(f"{i}/{j}", str(i), row[j]) for i, row in enumerate(rows) for j in range(10)]
    assert identity_findings(photos) == []
    planted = [_labelled(photo, "7") if photo.key == "3/0" else photo for photo in photos]
    assert [(one.path, one.proposed) for one in identity_findings(planted)] == [("3/0", "3")]


def test_one_person_under_two_names_is_said_once_and_blames_no_photo() -> None:
    photos = album(12, 8)
    planted = [_labelled(photo, "Q") if photo.key in {f"P5/{i}.jpg" for i in range(3)} else photo for photo in photos]
    found = identity_findings(planted)
    assert [(one.kind, one.path, one.label, one.proposed, one.other) for one in found] == [
        (Kind.SAME_PERSON, None, "Q", "P5", "P5")
    ]
    assert "Q (3 photos) and P5 (5)" in found[0].detail


def test_a_wrong_photo_is_not_vouched_for_by_its_copy() -> None:
    photos = album(12, 8)
    twin = replace(photos[5], origin=replace(photos[5].origin, uri="P3/copy.jpg", label="P3"))
    planted = [_labelled(photo, "P3") if i == 5 else photo for i, photo in enumerate(photos)]
    found = _only(identity_findings([*planted, twin], frozenset({"P3/copy.jpg"})), Kind.WRONG_PERSON)
    assert list(found) == ["P0/5.jpg"]


def test_of_several_faces_the_one_like_the_other_photos_is_meant() -> None:
    photos, centres = album(12, 8), persons(30)
    other, own = faces(centres[25], 1), faces(centres[4], 1, 999)
    group = vector_photo("P4/group.jpg", "P4", np.concatenate([other, own]))
    found = identity_findings([*photos, group])
    assert [(one.kind, one.path, one.proposed, one.box) for one in found] == [
        (Kind.MANY_FACES, "P4/group.jpg", "face 1", (70.0, 10.0, 120.0, 60.0))
    ]
    assert found[0].confidence > 0.9


def test_a_bystander_is_not_worth_a_word_and_somebody_beside_is() -> None:
    photos, centres = album(12, 8), persons(30)
    rows = np.concatenate([faces(centres[4], 1, 999), faces(centres[25], 1)])
    small = vector_photo("P4/a.jpg", "P4", rows, boxes=[(10, 10, 60, 60), (80, 10, 90, 20)])
    beside = vector_photo("P4/b.jpg", "P4", rows)
    found = identity_findings([*photos, small, beside])
    assert [(one.path, one.proposed) for one in found] == [("P4/b.jpg", "face 0")]


def test_a_number_counts_faces_that_could_not_be_cut() -> None:
    photos, centres = album(12, 8), persons(30)
    lost = np.full((1, 64), np.nan, np.float32)
    rows = np.concatenate([faces(centres[25], 1), lost, faces(centres[4], 1, 999)])
    (one,) = identity_findings([*photos, vector_photo("P4/g.jpg", "P4", rows)])
    assert one.proposed == "face 2"


def test_photos_of_nobody_and_without_a_face_are_left_alone() -> None:
    stranger = faces(persons(20)[19], 1)
    more = [
        vector_photo("u.jpg", "unknown", stranger),
        vector_photo("n.jpg", None, stranger),
        vector_photo("e.jpg", "P1", np.empty((0, 64), np.float32)),
        vector_photo("l.jpg", "P1", np.full((1, 64), np.nan, np.float32)),
    ]
    assert identity_findings([*album(12, 8), *more]) == []


def test_labels_are_people_where_photos_of_one_are_alike() -> None:
    photos = album(12, 8)
    assert labels_are_people(photos)
    rng = np.random.default_rng(0)
    looks = [_labelled(photo, f"look {rng.integers(3)}") for photo in photos]
    assert not labels_are_people(looks)
    wrong = [_labelled(photo, f"P{rng.integers(12)}") if rng.random() < 0.25 else photo for photo in photos]
    assert labels_are_people(wrong)
    assert labels_are_people([photos[0], photos[8], photos[16]])
    assert not labels_are_people(photos[:8])
    assert not labels_are_people([])


def test_neither_the_order_nor_the_names_change_what_is_found() -> None:
    photos = [_labelled(photo, "P3") if photo.key == "P0/5.jpg" else photo for photo in album(12, 8)]
    turned = [_labelled(photo, f"z{photo.origin.label}") for photo in reversed(photos)]
    (one,), (other,) = identity_findings(photos), identity_findings(turned)
    assert (one.path, f"z{one.proposed}") == (other.path, other.proposed)
    assert one.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_real_portraits_are_told_apart_and_wrong_ones_found(data: Path, models_home: Path) -> None:
    assert models_home.is_dir()
    refs = [ref for ref in open_data(data / "identity" / "orl", DataOptions()).refs if (ref.path or Path()).stem < "5"]
    photos = [
        each
        for each in extract_features(refs[:48], check_spec("mtcnn"), RunOptions(cache=False))
        if isinstance(each, ImageFeatures)
    ]
    labels = sorted({photo.origin.label or "" for photo in photos})
    assert labels_are_people(photos)
    assert not _only(identity_findings(photos), Kind.WRONG_PERSON)
    planted = [_labelled(photo, labels[-1]) if i in (0, 9) else photo for i, photo in enumerate(photos)]
    found = _only(identity_findings(planted), Kind.WRONG_PERSON)
    assert {key: one.proposed for key, one in found.items()} == {photos[i].key: photos[i].origin.label for i in (0, 9)}
