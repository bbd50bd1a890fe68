"""Photos are turned upright, whatever way up they were stored and wherever the tag stands."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from PIL import Image

from mien.images import decode, read_header
from mien.images.formats import orientation_in_exif
from tests.images.pictures import distance, encoded, opened

ALL = range(1, 9)

# What a camera that was held that way would have stored: the inverse of the turn that makes it upright.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def block(value: int, order: str = ">", kind: int = 3, prefix: bytes = b"Exif\0\0") -> bytes:
    mark = b"MM" if order == ">" else b"II"
    return prefix + mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x0112, kind, 1, value, 0, 0)


def stored(photo: Image.Image, turn: int) -> Image.Image:
    return photo.transpose(STORED[turn]) if turn in STORED else photo


@pytest.mark.parametrize("turn", ALL)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation_is_turned_upright(hopper: bytes, turn: int, format: str) -> None:
    photo = opened(hopper).convert("RGB").resize((128, 150))
    if format == "TIFF":
        data = encoded(stored(photo, turn), format, tiffinfo={274: turn})
    else:
        data = encoded(stored(photo, turn), format, exif=block(turn))
    result = decode(data, max_megapixels=1)
    assert (result.width, result.height) == (128, 150)
    assert result.pixels.shape == (150, 128, 3)
    assert result.pixels.flags.c_contiguous
    assert distance(result.pixels, np.asarray(photo)) < 6
    header = read_header(data)
    assert (header.width, header.height, header.format) == (128, 150, format)
    assert header.orientation == turn


@pytest.mark.parametrize("turn", ALL)
def test_a_photo_decoded_small_is_turned_too(hopper: bytes, turn: int) -> None:
    photo = opened(hopper).convert("RGB")
    data = encoded(stored(photo, turn), "JPEG", exif=block(turn))
    result = decode(data, longest=300, max_megapixels=1)
    assert (result.width, result.height, result.scale) == (*photo.size, 0.5)
    assert distance(result.pixels, np.asarray(photo.reduce(2))) < 3


@pytest.mark.parametrize("turn", ALL)
def test_the_tag_is_found_in_both_byte_orders_and_with_or_without_its_prefix(turn: int) -> None:
    for order in "<>":
        for prefix in (b"Exif\0\0", b""):
            assert orientation_in_exif(block(turn, order, prefix=prefix)) == turn


def test_a_png_that_names_its_orientation_after_the_pixels_is_upright(hopper: bytes) -> None:
    photo = opened(hopper).convert("RGB").resize((40, 60))
    data = encoded(stored(photo, 6), "PNG", exif=block(6))
    at = data.index(b"eXIf") - 4
    length = 12 + int.from_bytes(data[at : at + 4], "big")
    chunk, rest = data[at : at + length], data[:at] + data[at + length :]
    late = rest[:-12] + chunk + rest[-12:]
    assert read_header(late).orientation == 6
    assert np.array_equal(decode(late, max_megapixels=1).pixels, np.asarray(photo))
    assert read_header(late.replace(chunk, chunk[:-1] + b"?")).orientation == 1


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0XX*\0",
        block(6)[:14],
        block(6)[:-8],
        block(0),
        block(9),
        block(65535),
        block(6, kind=2),
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
    ],
)
def test_a_broken_exif_block_means_upright(hopper: bytes, broken: bytes) -> None:
    assert orientation_in_exif(broken) == 1
    photo = opened(hopper).convert("RGB").resize((40, 60))
    data = encoded(photo, "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(broken) + 2) + broken
    result = decode(data[:2] + segment + data[2:], max_megapixels=1)
    assert result.pixels.shape == (60, 40, 3)


def test_no_exif_block_crashes_the_reader() -> None:
    numbers = random.Random(0)
    whole = bytearray(block(6) * 3)
    for _ in range(2000):
        mutated = bytearray(whole)
        for _ in range(numbers.randint(1, 6)):
            mutated[numbers.randrange(len(mutated))] = numbers.randrange(256)
        assert orientation_in_exif(bytes(mutated[: numbers.randint(0, len(mutated))])) in ALL
