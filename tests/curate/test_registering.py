"""A cropped picture is laid over the whole one where it belongs; one that does not belong is left out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.curate.registering import Pairs, overlaid, register, waves
from mien.curate.shown import THUMB
from mien.curate.thumb import thumb
from mien.images import decode
from mien.types import Pixels
from tests.curate.albums import compressed, other_photos


def pairs(*rows: tuple[int, int, bool]) -> Pairs:
    first, second, mirrored = (np.array(column) for column in zip(*rows, strict=True))
    return Pairs(first, second, mirrored.astype(bool), np.zeros((len(rows), 4), np.float32))


@pytest.fixture(scope="module")
def face(hopper: bytes) -> Pixels:
    return decode(hopper, max_megapixels=1).pixels


def test_waves_are_those_of_the_cosine_transform(face: Pixels) -> None:
    small = thumb(face)
    known = cv2.dct(small.astype(np.float32))
    assert np.allclose(waves(small[None], THUMB)[0], known, atol=0.05)
    assert np.allclose(waves(small[None], 8)[0], known[:8, :8], atol=0.05)


def test_waves_of_the_middle_are_those_of_a_photo_that_is_cropped_so(face: Pixels) -> None:
    height, width = face.shape[:2]
    top, left = round(0.05 * height), round(0.05 * width)
    cropped = thumb(face[top : height - top, left : width - left])
    middle, whole = waves(thumb(face)[None], 8, 0.9)[0], waves(thumb(face)[None], 8)[0]
    wanted = waves(cropped[None], 8)[0]
    assert np.abs(middle - wanted).max() < 0.2 * np.abs(whole - wanted).max()


@pytest.mark.parametrize(
    ("left", "top", "right", "bottom"),
    [(0, 0, 0, 0), (0.025, 0.025, 0.025, 0.025), (0.05, 0.05, 0.05, 0.05), (0.05, 0.05, 0, 0), (0, 0.03, 0.06, 0)],
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_crop_lies_where_it_was_cut(
    face: Pixels, left: float, top: float, right: float, bottom: float, mirrored: bool
) -> None:
    height, width = face.shape[:2]
    cut = face[round(top * height) : round((1 - bottom) * height), round(left * width) : round((1 - right) * width)]
    pictures = np.stack([thumb(face), thumb(compressed(cut[:, ::-1] if mirrored else cut))])
    found = register(pictures, pairs((0, 1, mirrored)))
    assert len(found) == 1
    across, down = 1 - left - right, 1 - top - bottom
    shift = [THUMB / 2 * (right - left) / across, THUMB / 2 * (bottom - top) / down]
    assert np.allclose(found.place[0, :2], [-np.log(across), -np.log(down)], atol=0.01)
    assert np.allclose(found.place[0, 2:], shift, atol=0.3)
    one, other, seen = overlaid(pictures, found)
    assert 0.6 < seen.mean() < 0.95
    assert np.abs((one - other) * seen).mean() < 6


def test_pictures_of_something_else_fall_out(face: Pixels) -> None:
    pictures = np.stack([thumb(each) for each in (face, *other_photos(6))])
    every = pairs(*((i, j, mirrored) for i in range(7) for j in range(i) for mirrored in (False, True)))
    assert len(register(pictures, every)) == 0


def test_many_pairs_come_out_as_each_alone(face: Pixels) -> None:
    height, width = face.shape[:2]
    cuts = [face[i : height - 2 * i, 2 * i : width - i] for i in range(0, 12, 3)]
    pictures = np.stack([thumb(each) for each in (*cuts, *other_photos(3))])
    rows = [(i, j, False) for i in range(7) for j in range(i)]
    together = register(pictures, pairs(*(rows * 20)))
    alone = [register(pictures, pairs(row)) for row in rows]
    assert len(together) == 20 * sum(map(len, alone))
    places = np.concatenate([each.place for each in alone])
    assert np.allclose(together.place[: len(places)], places, atol=1e-3)
