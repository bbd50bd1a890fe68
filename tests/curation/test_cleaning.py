"""The face that is meant is cut out of its photo."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mien.curation.cleaning import MARGIN, cut_face
from mien.images import ImageError, decode, encode
from mien.types import Box, Pixels, Reason


def photo() -> Pixels:
    ramp = np.add.outer(np.arange(80), np.arange(120)).astype(np.uint8)
    return np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=2)


def cut(data: bytes, box: Box) -> Pixels:
    return decode(cut_face(data, box, 100)[0], max_megapixels=100).pixels


def test_the_box_stands_in_the_middle_with_room_around_it() -> None:
    room = int(MARGIN * 20)
    made = cut(encode(photo(), "png"), (40, 30, 56, 50))
    assert np.array_equal(made, photo()[30 - room : 50 + room, 40 - room : 56 + room])


@pytest.mark.parametrize("box", [(-4.0, -3.0, 20.0, 30.0), (100.0, 60.0, 130.0, 90.0), (0.0, 0.0, 120.0, 80.0)])
def test_it_ends_where_the_photo_ends(box: Box) -> None:
    made = cut(encode(photo(), "png"), box)
    assert 20 <= made.shape[1] <= 120
    assert 20 <= made.shape[0] <= 80


@pytest.mark.parametrize(("form", "suffix", "magic"), [("jpeg", ".jpg", b"\xff\xd8"), ("png", ".png", b"\x89PNG")])
def test_a_jpeg_stays_one_and_anything_else_becomes_a_png(form: str, suffix: str, magic: bytes) -> None:
    made = cut_face(encode(photo(), form), (40, 30, 60, 50), 100)  # type: ignore[arg-type]
    assert made[1] == suffix
    assert made[0].startswith(magic)
    assert made == cut_face(encode(photo(), form), (40, 30, 60, 50), 100)  # type: ignore[arg-type]


def test_a_box_is_one_of_the_upright_photo() -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(photo()).save(buffer, "PNG", exif=exif)
    upright = decode(buffer.getvalue(), max_megapixels=100).pixels
    assert upright.shape[:2] == (120, 80)
    assert np.array_equal(cut(buffer.getvalue(), (20, 60, 40, 80)), upright[55:85, 15:45])


@pytest.mark.parametrize("box", [(120.0, 10.0, 140.0, 30.0), (-30.0, 10.0, 0.5, 30.0), (10.0, 500.0, 20.0, 510.0)])
def test_a_box_that_does_not_lie_in_the_photo_is_told(box: Box) -> None:
    with pytest.raises(ImageError, match="is outside this photo of 120 x 80 pixels") as caught:
        cut_face(encode(photo(), "png"), box, 100)
    assert caught.value.reason == Reason.NO_FACE


def test_a_photo_that_cannot_be_read_is_told_as_everywhere() -> None:
    with pytest.raises(ImageError, match="unreadable"):
        cut_face(b"no picture", (1, 1, 2, 2), 100)
    with pytest.raises(ImageError, match="too-large"):
        cut_face(encode(photo(), "png"), (40, 30, 60, 50), 0.001)
