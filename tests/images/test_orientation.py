"""Photos are turned upright, whatever way up they were stored and wherever the tag stands."""

from __future__ import annotations

import random
import struct
from contextlib import suppress

import numpy as np
import pytest
from PIL import ExifTags, Image

from mien.images import decode, read_header
from mien.images.formats import orientation_in_exif, state_orientation, turned_by
from mien.types import Pixels
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


# Stating an orientation: in any JPEG or TIFF, and nothing else in it is touched.

DATE, TAKEN, NORTH = 0x0132, 0x9003, 1
WHEN = "2020:01:02 03:04:05"


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))


def camera_tags(orientation: int | None) -> Image.Exif:
    tags = Image.Exif()
    tags[DATE] = WHEN
    tags.get_ifd(ExifTags.IFD.Exif)[TAKEN] = WHEN
    tags.get_ifd(ExifTags.IFD.GPSInfo)[NORTH] = "N"
    if orientation:
        tags[0x0112] = orientation
    return tags


def pixels(data: bytes) -> Pixels:
    return decode(data, max_megapixels=1).pixels


def with_segment(content: bytes) -> bytes:
    """A JPEG that begins with this application segment."""
    data = encoded(picture(), "JPEG")
    return data[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(content) + 2) + content + data[2:]


@pytest.mark.parametrize("stated", [None, *ALL])
@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_a_picture_is_turned_by_what_it_states(format: str, degrees: int, stated: int | None) -> None:
    data = encoded(picture(), format, exif=camera_tags(stated))
    made = state_orientation(data, turned_by(stated or 1, degrees))
    assert np.array_equal(pixels(made), np.rot90(pixels(data), -degrees // 90))
    tags = opened(made).getexif()
    assert tags[DATE] == WHEN
    if format == "JPEG":
        assert tags.get_ifd(ExifTags.IFD.Exif)[TAKEN] == WHEN
        assert tags.get_ifd(ExifTags.IFD.GPSInfo)[NORTH] == "N"
        assert len(made) - len(data) < 80 if stated is None else len(made) == len(data)
        assert sum(a != b for a, b in zip(made, data, strict=False)) <= 1 or stated is None


def test_a_jpeg_without_tags_gets_them_behind_its_first_segment() -> None:
    data = encoded(picture(), "JPEG")
    made = state_orientation(data, 6)
    assert made[2:4] == data[2:4] == b"\xff\xe0"
    assert made.endswith(data[20:])
    assert len(made) - len(data) == 38
    assert read_header(made).orientation == 6
    assert read_header(state_orientation(data[:2] + b"\xff" + data[20:], 8)).orientation == 8  # no JFIF, a filler


def test_the_tags_of_the_thumbnail_stay_reachable() -> None:
    first = struct.pack(">HHHI4s", 1, DATE, 2, 4, b"now\0")
    thumbnail = struct.pack(">HHHIHHI", 1, 0x0103, 3, 1, 6, 0, 0)
    tags = struct.pack(">4sI", b"MM\0*", 8) + first + struct.pack(">I", 8 + len(first) + 4) + thumbnail
    made = opened(state_orientation(with_segment(b"Exif\0\0" + tags), 3)).getexif()
    assert dict(made) == {DATE: "now", 0x0112: 3}
    assert made.get_ifd(ExifTags.IFD.IFD1) == {0x0103: 6}


def test_xmp_says_the_same() -> None:
    packet = b'http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation="1" tiff:Make="X"/>'
    assert b'tiff:Orientation="6" tiff:Make="X"' in state_orientation(with_segment(packet), 6)


@pytest.mark.parametrize("broken", [b"Exif\0\0", b"Exif\0\0XX\0*", b"Exif\0\0MM\0*\0\0\xff\xff", block(6)[:-9]])
def test_tags_that_nobody_can_read_are_replaced(broken: bytes) -> None:
    made = state_orientation(with_segment(broken), 6)
    assert read_header(made).orientation == 6
    assert pixels(made).shape == (60, 40, 3)


FULL = struct.pack(">6s4sIHI", b"Exif\0\0", b"MM\0*", 8, 0, 0).ljust(65_533, b"\0")


def test_tags_in_several_pieces_or_without_room_are_refused() -> None:
    data = with_segment(block(1))
    with pytest.raises(ValueError, match="several segments"):
        state_orientation(data[:2] + data[2 : 6 + len(block(1))] + data[2:], 6)
    with pytest.raises(ValueError, match="no room"):
        state_orientation(with_segment(FULL), 6)
    with pytest.raises(ValueError, match="no tags"):
        state_orientation(b"II+\0" + bytes(40), 6)


def test_any_bytes_are_turned_or_refused() -> None:
    draw = random.Random(0)
    good = encoded(picture(), "JPEG", exif=camera_tags(None))
    for _ in range(500):
        data = bytearray(good)
        for _ in range(draw.randrange(1, 6)):
            data[draw.randrange(2, 300)] = draw.randrange(256)
        with suppress(ValueError):
            assert state_orientation(bytes(data), 6).startswith(b"\xff\xd8")
