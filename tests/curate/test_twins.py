"""Photos that are one come together round the best of them, and others do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.curate.shown import ImageFeatures
from mien.curate.twins import lots
from mien.images import decode
from mien.types import Pixels
from tests.curate.albums import compressed, other_photos, resized, shown


@pytest.fixture(scope="module")
def face(hopper: bytes) -> Pixels:
    return resized(decode(hopper, max_megapixels=1).pixels, 250, 300)


def crowd(count: int = 12) -> list[ImageFeatures]:
    return [shown(f"other/{i}", each) for i, each in enumerate(other_photos(count))]


def test_every_kind_of_copy_is_found_and_the_largest_is_the_best(face: Pixels) -> None:
    height, width = face.shape[:2]
    changed = {
        "half": compressed(resized(face, 125, 150)),
        "coarse": compressed(face, 40),
        "cropped": compressed(face[8 : height - 8, 6 : width - 6]),
        "corner": compressed(face[15:, 12:]),
        "mirrored": compressed(face[:, ::-1]),
        "light": compressed(np.clip(face * 1.15, 0, 255).astype(np.uint8)),
        "all": compressed(resized(face[8 : height - 8, width - 6 : 6 : -1], 120, 150), 40),
    }
    every = [*crowd(), *(shown(key, pixels) for key, pixels in changed.items()), shown("whole", face)]
    (lot,) = lots(every)
    assert every[lot.best].key in ("whole", "coarse", "mirrored", "light")
    assert {every[copy.place].key for copy in lot.copies} | {every[lot.best].key} == {*changed, "whole"}
    assert not any(copy.exact for copy in lot.copies)
    assert all(0.8 < copy.confidence <= 1 for copy in lot.copies)


def test_what_became_of_a_copy_is_told_in_words(face: Pixels) -> None:
    cut = compressed(face[15:285, 12:238][:, ::-1])
    every = [shown("cut", cut), *crowd(), shown("whole", face)]
    (lot,) = lots(every)
    (copy,) = lot.copies
    assert copy.detail == "a mirrored copy of whole, cropped to 90% by 90%, at 226x270 pixels instead of 250x300"


def test_the_same_bytes_and_the_same_picture_are_exact(face: Pixels) -> None:
    every = [
        shown("a", face, data=b"1"),
        shown("b", face, data=b"1"),
        shown("c", face, data=b"2"),
        shown("d", compressed(resized(face, 200, 240)), data=b"3"),
        shown("e", compressed(resized(face, 200, 240)), data=b"3"),
        *crowd(),
    ]
    (lot,) = lots(every)
    assert every[lot.best].key == "a"
    told = {every[copy.place].key: (copy.exact, copy.detail) for copy in lot.copies}
    assert told["b"] == (True, "the same file as a")
    assert told["c"] == (True, "the same picture, in another file, as a")
    assert told["d"][0] is False
    assert told["e"][0] is True
    assert told["e"][1].startswith("the same file as d, a copy of a, at 200x240")


def test_of_equally_large_photos_the_sharpest_is_the_best_and_then_the_first(face: Pixels) -> None:
    dull, sharp, faceless = (shown(key, face, sharpness=value) for key, value in (("d", 1), ("s", 9), ("f", None)))
    assert next(lots([dull, faceless, sharp])).best == 2
    assert next(lots([faceless, shown("g", face)])).best == 0


def test_blank_photos_are_one_only_where_they_are_the_same() -> None:
    blank = [shown(f"{level}", np.full((80, 80, 3), level, np.uint8)) for level in (0, 0, 9, 200)]
    (lot,) = lots(blank)
    assert (lot.best, [copy.place for copy in lot.copies]) == (0, [1])


def test_different_photos_are_not_one(face: Pixels, astronaut: bytes) -> None:
    other = decode(astronaut, max_megapixels=1).pixels
    assert list(lots([shown("h", face), shown("a", other), *crowd(30)])) == []
    assert list(lots([])) == []
    assert list(lots([shown("h", face)])) == []


def test_a_photo_stretched_to_another_shape_is_a_copy(face: Pixels) -> None:
    (lot,) = lots([shown("a", face, "x"), shown("b", resized(face, 160, 160), "x"), *crowd()])
    assert [copy.place for copy in lot.copies] == [1]


def test_another_cut_of_a_shot_is_a_fault_only_under_another_label_or_split(face: Pixels) -> None:
    cut = resized(face[:, 20:230], 250, 300)
    whole = shown("whole", face, "x", "train")
    assert list(lots([whole, shown("cut", cut, "x", "train"), *crowd()])) == []
    for label, split in (("y", "train"), ("x", "test")):
        (lot,) = lots([whole, shown("cut", cut, label, split), *crowd()])
        assert [copy.place for copy in lot.copies] == [1]


def of(folder: Path) -> list[ImageFeatures]:
    return [
        shown(str(path.relative_to(folder)), decode(path.read_bytes(), max_megapixels=1).pixels, path.parent.name)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    ]


def test_ten_photos_of_a_person_are_not_one(data: Path) -> None:
    every = of(data / "identity" / "orl")
    assert len(list(lots(every))) <= 0.005 * len(every)


def test_a_photo_that_stands_in_two_splits_of_a_real_collection_is_found(data: Path) -> None:
    every = of(data / "identity" / "celeb5")
    (lot,) = lots(every)
    sides = {every[place].key.split("/")[0] for place in (lot.best, *(copy.place for copy in lot.copies))}
    assert sides == {"train", "val"}
