"""The photos that a doubtful face is shown beside."""

from __future__ import annotations

import numpy as np
import pytest

from mien.curate.beside import neighbours
from mien.curate.finding import Finding, Kind
from tests.curate.pages import shown

SUSPECT = Finding(Kind.WRONG_PERSON, "a/0", "a", "b", 0.9, "")
PHOTOS = [
    shown("a/0", "a", vector=(0, 1)),
    shown("a/1", "a", vector=(1, 0)),
    shown("a/2", "a", vector=(0.8, 0.6)),
    shown("b/0", "b", vector=(0.1, 0.99)),
    shown("b/1", "b", vector=(0.6, 0.8)),
    shown("c/0", "c", vector=(0, 1.01)),
]


def test_the_nearest_of_the_proposed_label_comes_first_and_then_that_of_its_own() -> None:
    found = neighbours([SUSPECT], PHOTOS, "dlib-resnet")[0]
    assert [each.key for each in found] == ["b/0", "a/2"]
    assert found[0].distance == pytest.approx(0.1005, abs=1e-3)
    assert found[0].caption == "nearest in b: 0.10"


def test_a_copy_of_the_photo_is_no_neighbour() -> None:
    copy = shown("b/copy", "b", vector=(0, 1))
    found = neighbours([SUSPECT], [*PHOTOS, copy], "dlib-resnet")[0]
    assert found[0].key == "b/0"


def test_a_photo_whose_own_label_is_in_doubt_speaks_for_none() -> None:
    other = Finding(Kind.LABEL_SUSPECT, "b/0", "b", "a", 0.9, "")
    found = neighbours([SUSPECT, other], PHOTOS, "dlib-resnet")
    assert [each.key for each in found[0]] == ["b/1", "a/2"]


def test_only_doubtful_labels_are_asked_about() -> None:
    others = [
        Finding(Kind.BLURRED, "a/0", "a", "keep", 0.9, ""),
        Finding(Kind.SAME_PERSON, None, "a", "b", 0.9, "", "b"),
    ]
    assert neighbours(others, PHOTOS, "dlib-resnet") == {}


def test_a_label_without_other_faces_has_none() -> None:
    alone = Finding(Kind.WRONG_PERSON, "c/0", "c", "drop", 0.9, "")
    assert neighbours([alone], PHOTOS, "dlib-resnet") == {0: []}


def test_photos_without_a_face_or_a_vector_are_passed_over() -> None:
    uncut = shown("b/uncut", "b", vector=(np.nan, np.nan))
    found = neighbours([SUSPECT], [*PHOTOS, shown("b/none", "b", 0), uncut], "dlib-resnet")[0]
    assert [each.key for each in found] == ["b/0", "a/2"]
    missing = Finding(Kind.WRONG_PERSON, "b/none", "b", "a", 0.9, "")
    assert neighbours([missing], [*PHOTOS, shown("b/none", "b", 0)], "dlib-resnet") == {}
