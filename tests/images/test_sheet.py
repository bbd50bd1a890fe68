"""Sheets of pictures: laid edge to edge, or with margins and words."""

from __future__ import annotations

import numpy as np
import pytest

from mien.images import captioned_sheet, contact_sheet, degrade
from mien.types import Pixels


def pictures(n: int, *shape: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (n, *shape)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7), (1, 1)])
def test_a_contact_sheet_holds_the_pictures_row_by_row(shape: tuple[int, ...]) -> None:
    many = pictures(6, *shape)
    made = contact_sheet(many, 3)
    assert made.shape == (2 * shape[0], 3 * shape[1], *shape[2:])
    height, width = shape[:2]
    assert (made[height:, 2 * width :] == many[5]).all()
    assert (made[:height, width : 2 * width] == many[1]).all()


def test_the_rest_of_the_last_row_is_white() -> None:
    made = contact_sheet(pictures(5, 4, 4, 3), 3)
    assert (made[4:, 8:] == 255).all()


def test_captions_are_below_their_picture() -> None:
    flat = [np.full((10, 10, 3), value, np.uint8) for value in (0, 80, 160)]
    words = captioned_sheet(flat, [("rotate", "-20 to 20"), ("", ""), ("flip", "")], 2, 96)
    bare = captioned_sheet(flat, [("", ""), ("", ""), ("", "")], 2, 96)
    assert words.shape == bare.shape
    changed = (words != bare).any(2)
    left, right = (
        changed[: len(changed) // 2, : words.shape[1] // 2],
        changed[: len(changed) // 2, words.shape[1] // 2 :],
    )
    assert left.any()
    assert not right.any()
    assert changed[len(changed) // 2 :].any()
    assert np.flatnonzero(changed.any(1)).min() > 96, "no word lies on a picture"


def test_pictures_of_any_size_are_resized_and_long_captions_cut() -> None:
    wide, tall = pictures(1, 10, 300, 3)[0], pictures(1, 300, 10)[0]
    made = captioned_sheet([wide, tall], [("words " * 40, ""), ("한글", "é")], 2, 64)
    assert made.shape[1] == 2 * 64 + 3 * 6
    beside = made[:, 6 + 64 : 6 + 64 + 6]
    assert (beside == beside[0, 0]).all(), "neither a picture nor a word leaves its column"


@pytest.mark.parametrize("shape", [(40, 30, 3), (40, 30), (1, 1, 3), (2, 9)])
def test_degrading_keeps_size_and_brightness(shape: tuple[int, ...]) -> None:
    picture = pictures(1, *shape)[0]
    made = degrade(picture, 0.25)
    assert made.shape == picture.shape
    assert made.dtype == np.uint8
    assert abs(float(made.mean()) - float(picture.mean())) < (8 if picture.size > 100 else 128)
    assert (degrade(picture, 1) == picture).all()
