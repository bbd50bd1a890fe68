"""The map of faces: who is alike lies together, and the same faces give the same map."""

from __future__ import annotations

import numpy as np
import pytest

from mien.curate import plane as module
from mien.curate.plane import plane
from tests.curate.shows import album, shown


def test_photos_of_one_person_lie_together() -> None:
    photos = album(5, 12)
    found = plane(photos, "dlib-resnet")
    assert (found.way, found.keys) == ("t-sne", tuple(photo.key for photo in photos))
    assert found.points.shape == (60, 2)
    assert found.points.dtype == np.float32
    assert np.abs(found.points).max() == pytest.approx(1)
    gaps = np.linalg.norm(found.points[:, None] - found.points[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert (gaps.argmin(axis=1) // 12 == np.arange(60) // 12).all()


def test_many_faces_are_shown_from_their_widest_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NEIGHBOURS", 20)
    photos = album(2, 30)
    found = plane(photos, "dlib-resnet")
    assert found.way == "pca"
    middle = found.points[:, 0].mean()
    assert (found.points[:30, 0] > middle).all() != (found.points[30:, 0] > middle).all()


def test_the_same_faces_give_the_same_map() -> None:
    photos = album(3, 6)
    np.testing.assert_array_equal(plane(photos, "dlib-resnet").points, plane(photos, "dlib-resnet").points)


@pytest.mark.parametrize("n", [1, 2, 9])
def test_few_faces_have_a_map_too(n: int) -> None:
    found = plane(album(1, n), "dlib-resnet")
    assert (found.way, len(found.points)) == ("pca", n)
    assert np.isfinite(found.points).all()


def test_photos_without_such_vectors_are_left_out() -> None:
    lost = [
        shown("a", "a", np.full((1, 64), np.nan, np.float32)),
        shown("b", "a", np.empty((0, 64), np.float32)),
        shown("c", "a", {"traits": np.ones((1, 8), np.float32)}),
    ]
    assert plane(lost, "dlib-resnet").keys == ()
    assert len(plane([*album(2, 6), *lost], "dlib-resnet").keys) == 12
