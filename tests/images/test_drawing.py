"""What is drawn over a photo: on a copy, inside of it, whatever it says."""

from __future__ import annotations

import numpy as np
import pytest

from mien.images import draw
from mien.types import Floats, Pixels

BOX = np.array([[40, 40, 120, 140]], np.float32)


def grey(height: int = 300, width: int = 400) -> Pixels:
    return np.full((height, width, 3), 90, np.uint8)


def changed(before: Pixels, after: Pixels) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what differs."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_the_photo_itself_stays_as_it_is() -> None:
    pixels = grey()
    drawn = draw(pixels, BOX, None, ["0.99"], [["mask: none 0.98"]])
    assert (pixels == 90).all()
    assert drawn.shape == pixels.shape
    assert drawn.dtype == np.uint8


def test_a_label_is_above_the_box_and_lines_below_it() -> None:
    pixels = grey()
    box = changed(pixels, draw(pixels, BOX, None, [""]))
    over = changed(pixels, draw(pixels, BOX, None, ["0.99"]))
    under = changed(pixels, draw(pixels, BOX, None, [""], [["age: 30-39 0.40", "mask: none 0.90"]]))
    assert over[1] < box[1]
    assert over[3] == box[3]
    assert under[1] == box[1]
    assert under[3] > box[3]


def test_more_lines_take_more_room() -> None:
    pixels = grey()
    bottoms = [changed(pixels, draw(pixels, BOX, None, [""], [["word"] * n]))[3] for n in (1, 2, 5)]
    assert bottoms == sorted(set(bottoms))


@pytest.mark.parametrize("box", [[0, 0, 400, 300], [-50, 200, 60, 420], [380, 280, 400, 300]])
def test_where_there_is_no_room_it_still_draws(box: list[int]) -> None:
    drawn = draw(grey(), np.array([box], np.float32), None, ["0.99"], [["a"] * 40])
    assert (drawn != 90).any()


def test_odd_points_and_letters_do_no_harm() -> None:
    points: Floats = np.array([[[60, 60], [100, 60]]], np.float32)
    assert (
        draw(grey(), BOX, points, ["é"], [["나이: 30-39"]]) != draw(grey(), BOX, None, ["é"], [["나이: 30-39"]])
    ).any()


def test_without_faces_nothing_is_drawn() -> None:
    nobody: Floats = np.zeros((0, 4), np.float32)
    assert (draw(grey(), nobody, None, []) == 90).all()
