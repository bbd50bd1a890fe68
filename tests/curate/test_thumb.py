"""A photo's small grey picture is one size, and the same for its smaller copies."""

from __future__ import annotations

import cv2
import numpy as np

from mien.curate.shown import THUMB
from mien.curate.thumb import thumb
from mien.images import decode


def test_every_photo_becomes_the_same_square(astronaut: bytes, hopper: bytes) -> None:
    for data in (astronaut, hopper):
        small = thumb(decode(data, max_megapixels=1).pixels)
        assert small.shape == (THUMB, THUMB)
        assert small.dtype == np.uint8
        assert small.std() > 30


def test_pictures_of_any_size_have_one(hopper: bytes) -> None:
    pixels = decode(hopper, max_megapixels=1).pixels
    for height, width in ((1, 1), (1, 500), (500, 1), (48, 48), (64, 64), (48, 300)):
        small = thumb(pixels[:height, :width])
        assert small.shape == (THUMB, THUMB)


def test_a_smaller_copy_has_nearly_the_same(hopper: bytes) -> None:
    pixels = decode(hopper, max_megapixels=1).pixels
    smaller = np.asarray(cv2.resize(pixels, (250, 300), interpolation=cv2.INTER_AREA), np.uint8)
    apart = thumb(pixels).astype(int) - thumb(smaller).astype(int)
    assert np.abs(apart).mean() < 3


def test_grey_and_colour_give_the_same_picture() -> None:
    grey = np.arange(100 * 80, dtype=np.uint32).reshape(100, 80).astype(np.uint8)
    assert np.array_equal(thumb(grey), thumb(np.repeat(grey[:, :, None], 3, axis=2)))
