"""What is written can be read back."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mien.images import ImageError, decode, encode, read_header, thumbnail, turn
from mien.types import Pixels
from tests.images.pictures import distance, encoded, opened


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


# Turning a file.


def drawn(mode: str = "RGB") -> Image.Image:
    blocks = np.random.default_rng(0).integers(0, 255, (10, 14, 3), np.uint8)
    picture = Image.fromarray(np.kron(blocks, np.ones((4, 4, 1), np.uint8)).astype(np.uint8))
    return picture.convert("L").convert("I;16") if mode == "I;16" else picture.convert(mode)


LOSSLESS = [("JPEG", mode) for mode in ("RGB", "L", "CMYK")] + [("TIFF", mode) for mode in ("RGB", "L", "1", "CMYK")]
LOSSLESS += [("PNG", mode) for mode in ("RGB", "RGBA", "P", "L", "1", "I;16")] + [("GIF", "P"), ("BMP", "RGB")]
LOSSLESS += [("PPM", "RGB"), ("PPM", "L"), ("WEBP", "RGB"), ("WEBP", "RGBA")]


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize(("format", "mode"), LOSSLESS)
def test_a_turned_file_shows_the_same_pixels(format: str, mode: str, degrees: int) -> None:
    data = encoded(drawn(mode), format)
    made = turn(data, degrees, 1)
    assert read_header(made).format == read_header(data).format
    before, after = (decode(each, max_megapixels=1).pixels for each in (data, made))
    assert np.array_equal(after, np.rot90(before, -degrees // 90))


def test_avif_loses_little() -> None:
    data = encoded(drawn(), "AVIF")
    before, after = (decode(each, max_megapixels=1).pixels for each in (data, turn(data, 90, 1)))
    assert distance(after, np.rot90(before, -1)) < 3


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF"])
def test_what_the_camera_noted_is_kept_but_for_the_orientation(format: str) -> None:
    tags = Image.Exif()
    tags[0x0112], tags[0x0132] = 6, "2020:01:02 03:04:05"
    data = encoded(drawn(), format, exif=tags, icc_profile=b"profile")
    made = turn(data, 90, 1)
    assert read_header(made).orientation == 1
    assert opened(made).getexif()[0x0132] == "2020:01:02 03:04:05"
    assert opened(made).info["icc_profile"] == b"profile"
    before, after = (decode(each, max_megapixels=1).pixels for each in (data, made))
    assert distance(after, np.rot90(before, -1)) < 3
    del tags[0x0132]
    assert read_header(turn(encoded(drawn(), format, exif=tags), 270, 1)).orientation == 1


def test_a_jpeg_whose_tags_have_no_room_is_encoded_again() -> None:
    full = struct.pack(">6s4sIHI", b"Exif\0\0", b"MM\0*", 8, 0, 0).ljust(65_533, b"\0")
    data = encoded(drawn(), "JPEG", exif=full)
    before, after = (decode(each, max_megapixels=1).pixels for each in (data, turn(data, 90, 1)))
    assert distance(after, np.rot90(before, -1)) < 3


@pytest.mark.parametrize(
    ("format", "options", "told"),
    [
        ("GIF", {"save_all": True, "append_images": [Image.new("RGB", (56, 40))]}, "it is an animation or has several"),
        ("ICO", {}, "it is an icon, which cannot be turned"),
    ],
)
def test_what_cannot_be_turned_is_told(format: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ImageError, match=told):
        turn(encoded(drawn(), format, **options), 90, 1)


def test_what_cannot_be_read_is_told_as_everywhere() -> None:
    with pytest.raises(ImageError, match="unreadable"):
        turn(b"no picture", 90, 1)
    with pytest.raises(ImageError, match="too-large"):
        turn(encoded(drawn(), "PNG"), 90, 0.001)
