"""What is written can be read back."""

from __future__ import annotations

import numpy as np
import pytest

from mien.images import decode, encode, read_header, thumbnail
from mien.types import Pixels
from tests.images.pictures import distance


@pytest.fixture(scope="module")
def pixels(astronaut: bytes) -> Pixels:
    return decode(astronaut, max_megapixels=1).pixels


def test_png_loses_nothing(pixels: Pixels) -> None:
    assert np.array_equal(decode(encode(pixels, "png"), max_megapixels=1).pixels, pixels)


def test_jpeg_loses_little_and_less_at_higher_quality(pixels: Pixels) -> None:
    fine, coarse = encode(pixels, "jpeg"), encode(pixels, "jpeg", quality=40)
    assert len(coarse) < len(fine)
    errors = [distance(decode(data, max_megapixels=1).pixels, pixels) for data in (fine, coarse)]
    assert errors[0] < errors[1]
    assert errors[0] < 2
    assert read_header(fine).format == "JPEG"


def test_grey_is_written_as_grey(pixels: Pixels) -> None:
    grey = pixels[..., 1]
    for format in ("png", "jpeg"):
        again = decode(encode(grey, format), max_megapixels=1).pixels
        assert distance(again[..., 0], grey) < 2
        assert np.array_equal(again[..., 0], again[..., 2])


def test_a_view_of_a_picture_is_written_as_it_looks(pixels: Pixels) -> None:
    flipped = pixels[::-1, 100:200]
    assert np.array_equal(decode(encode(flipped, "png"), max_megapixels=1).pixels, flipped)


def test_a_thumbnail_keeps_the_shape_and_is_never_enlarged(pixels: Pixels) -> None:
    header = read_header(thumbnail(pixels[:256], 96))
    assert (header.width, header.height, header.format) == (96, 48, "JPEG")
    small = read_header(thumbnail(pixels[:20, :30], 96))
    assert (small.width, small.height) == (30, 20)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_arrays_that_are_not_pictures_are_refused(wrong: Pixels) -> None:
    with pytest.raises(ValueError, match="uint8"):
        encode(wrong, "png")
    with pytest.raises(ValueError, match="uint8"):
        thumbnail(wrong, 10)


def test_the_pixels_are_not_changed(pixels: Pixels) -> None:
    before = pixels.copy()
    encode(pixels, "jpeg")
    thumbnail(pixels, 32)
    assert np.array_equal(pixels, before)
