"""Whatever bytes come in, there is a picture or a reason; never a crash, never half a picture."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mien.images import ImageError, decode, read_header
from mien.types import Reason
from tests.images.pictures import encoded, opened

FORMATS: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("BMP", {}),
    ("PPM", {}),
    ("AVIF", {}),
    ("ICO", {"sizes": [(64, 64)], "bitmap_format": "bmp"}),
]


@pytest.fixture(scope="module")
def photo(hopper: bytes) -> Image.Image:
    return opened(hopper).convert("RGB").resize((96, 112))


def outcome(data: bytes) -> str:
    """ "ok", or the reason; anything but an `ImageError` fails the test."""
    try:
        result = decode(data, max_megapixels=4)
    except ImageError as error:
        return refused(error)
    assert result.pixels.shape == (result.height, result.width, 3)
    return "ok"


def refused(error: ImageError) -> str:
    assert 0 < len(error.detail) < 200
    assert "\n" not in error.detail
    assert " at 0x" not in error.detail
    return str(error.reason)


def mutated(data: bytes, numbers: random.Random) -> bytes:
    """A few bytes changed, cut out, doubled or cut off, mostly near the front, where formats keep their structure."""
    changed = bytearray(data)
    for _ in range(numbers.choice((1, 1, 2, 5, 20))):
        at = numbers.randrange(min(len(changed), numbers.choice((64, 700, len(changed)))))
        match numbers.randrange(6):
            case 0 | 1:
                changed[at] = numbers.randrange(256)
            case 2:
                changed[at] ^= 1 << numbers.randrange(8)
            case 3:
                changed[at : at + 4] = numbers.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"))
            case 4:
                changed[at:at] = changed[at : at + numbers.randrange(1, 40)]
            case _:
                del changed[at : at + numbers.randrange(1, 12)]
        if len(changed) < 8:
            break
    return bytes(changed)


@pytest.mark.parametrize(("format", "options"), FORMATS)
def test_mutated_bytes_give_a_picture_or_a_reason(photo: Image.Image, format: str, options: dict[str, Any]) -> None:
    data = encoded(photo, format, **options)
    numbers = random.Random(f"{format}{options}")
    outcomes = Counter(outcome(mutated(data, numbers)) for _ in range(80))
    assert outcomes.keys() <= {"ok", "unreadable", "too-large"}
    assert outcomes["unreadable"]


@settings(max_examples=200, deadline=None)
@given(
    start=st.sampled_from(
        [
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\0\0\0\0WEBP",
            b"GIF89a",
            b"II*\0",
            b"BM",
            b"P5 ",
            b"\0\0\1\0",
            b"",
        ]
    ),
    rest=st.binary(max_size=300),
)
def test_a_signature_and_anything_gives_a_picture_or_a_reason(start: bytes, rest: bytes) -> None:
    assert outcome(start + rest) in {"ok", "unreadable", "too-large", "empty"}


@pytest.mark.parametrize(("format", "options"), FORMATS)
def test_a_truncated_file_is_unreadable(photo: Image.Image, format: str, options: dict[str, Any]) -> None:
    data = encoded(photo, format, **options)
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
        assert outcome(data[: int(len(data) * share)]) == "unreadable", share


def test_a_truncated_jpeg_with_an_end_marker_is_unreadable(photo: Image.Image) -> None:
    data = encoded(photo, "JPEG")
    start = data.index(b"\xff\xda") + 14
    for cut in range(start, len(data) - 30, 41):
        assert outcome(data[:cut] + b"\xff\xd9") == "unreadable", cut


def test_a_jpeg_with_a_grey_end_is_not_taken_for_truncated(photo: Image.Image) -> None:
    for options in ({}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}):
        padded = Image.new("RGB", (150, 150), (128, 128, 128))
        padded.paste(photo)
        assert outcome(encoded(padded, "JPEG", **options)) == "ok"
        assert outcome(encoded(padded, "JPEG", **options) + b"left over \xff\xd9") == "ok"
    assert outcome(encoded(Image.new("L", (70, 70), 128), "JPEG")) == "ok"


def test_a_jpeg_at_reduced_size_is_checked_too(photo: Image.Image) -> None:
    data = encoded(photo, "JPEG")
    cut = data[: len(data) // 2] + b"\xff\xd9"
    for longest in (50, 20, 10):
        with pytest.raises(ImageError, match="ends before"):
            decode(cut, longest=longest, max_megapixels=1)


def test_nothing_is_printed_over_a_corrupt_jpeg(photo: Image.Image, capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(photo, "JPEG")
    numbers = random.Random(0)
    for _ in range(100):
        outcome(mutated(data, numbers))
    assert capfd.readouterr() == ("", "")


def rows(data: Path) -> list[dict[str, str]]:
    with (data / "manifest.csv").open(newline="") as lines:
        return [row for row in csv.DictReader(lines) if row["task"] == "bad_input"]


def test_every_bad_input_gives_a_picture_or_a_reason(data: Path) -> None:
    listed = rows(data)
    assert {Path(row["path"]).name for row in listed} == {p.name for p in (data / "bad_input").iterdir()}
    for row in listed:
        content = (data / row["path"]).read_bytes()
        result = outcome(content)
        assert result in {"ok", "unreadable", "too-large"}, row["path"]
        assert (result == "ok") == (row["label"] == "ok"), row["path"]


def test_what_pillow_reads_of_the_bad_input_has_its_size(data: Path) -> None:
    for row in rows(data):
        if row["label"] != "ok":
            continue
        content = (data / row["path"]).read_bytes()
        with Image.open(io.BytesIO(content), formats=None) as picture:
            size = picture.size
        header = read_header(content)
        upright = size[::-1] if header.orientation > 4 else size
        assert (header.width, header.height) == upright, row["path"]
        assert decode(content, max_megapixels=1).pixels.shape == (*upright[::-1], 3), row["path"]


def test_an_adobe_photo_of_transform_2_is_red(data: Path) -> None:
    pixels = decode((data / "bad_input" / "pil_sample_cmyk.jpg").read_bytes(), max_megapixels=1).pixels
    bright = pixels.max(axis=2) > 128
    assert bright.any()
    red, green, blue = pixels[bright].mean(axis=0)
    assert red > 200
    assert max(green, blue) < 80


def test_real_bombs_are_too_large(data: Path) -> None:
    for name in ("decompression_bomb.gif", "l2rgb_read.bmp"):
        with pytest.raises(ImageError) as caught:
            decode((data / "bad_input" / name).read_bytes(), max_megapixels=100)
        assert caught.value.reason is Reason.TOO_LARGE
