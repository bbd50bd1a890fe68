"""Classes that are too small or too large beside others."""

from __future__ import annotations

import numpy as np

from mien.curate.classes import FEW, classes
from mien.curate.finding import KEEP, Kind
from mien.curate.shown import ImageFeatures
from tests.curate.shows import shown


def _photos(split: str | None = None, faces: int = 1, **counts: int) -> list[ImageFeatures]:
    rows = np.ones((faces, 4), np.float32)
    return [
        shown(f"{label}-{split}-{faces}-{i}", label, rows, split=split) for label, n in counts.items() for i in range(n)
    ]


def _found(photos: list[ImageFeatures]) -> set[tuple[Kind, str | None]]:
    return {(one.kind, one.label) for one in classes(photos)}


def test_classes_under_twenty_photos_are_few() -> None:
    assert _found(_photos(a=FEW, b=FEW - 1)) == {(Kind.FEW, "b")}


def test_a_class_that_another_has_five_times_is_uneven() -> None:
    photos = _photos(a=150, b=30, c=31)
    (one,) = classes(photos)
    assert (one.kind, one.path, one.label, one.other, one.proposed) == (Kind.IMBALANCE, None, "b", "a", KEEP)
    assert one.detail.startswith("30 photos where a has 150, 5.0 times as many")


def test_only_photos_to_learn_from_that_show_a_face_count() -> None:
    photos = _photos("train", a=25) + _photos("test", a=300, b=300) + _photos("train", b=25)
    assert _found(photos) == set()
    assert _found(_photos(a=25, b=25) + _photos(faces=0, a=200)) == set()


def test_a_class_without_any_photo_to_learn_from_is_named() -> None:
    found = classes(_photos("train", a=25) + _photos("test", b=25))
    assert [(one.kind, one.label) for one in found] == [(Kind.FEW, "b"), (Kind.IMBALANCE, "b")]
    assert "0 photos" in found[0].detail


def test_strangers_and_photos_without_a_label_are_no_class() -> None:
    assert classes(_photos(unknown=3)) == []
    assert classes([shown("x", None, np.ones((1, 4), np.float32))]) == []
    assert classes([]) == []
