"""One picture is laid over another, and the two are compared."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.curation.features import THUMB, grey_thumbnail
from mien.curation.registration import Agreement, Pairs, agreement, overlay, register, waves
from mien.images import decode
from mien.types import Pixels
from tests.curation.samples import compressed, other_photos, resized

# A cropped picture is laid over the whole one where it belongs; one that does not belong is left out.


def pairs(*rows: tuple[int, int, bool]) -> Pairs:
    first, second, mirrored = (np.array(column) for column in zip(*rows, strict=True))
    return Pairs(first, second, mirrored.astype(bool), np.zeros((len(rows), 4), np.float32))


@pytest.fixture(scope="module")
def face(hopper: bytes) -> Pixels:
    return decode(hopper, max_megapixels=1).pixels


def test_waves_are_those_of_the_cosine_transform(face: Pixels) -> None:
    small = grey_thumbnail(face)
    known = cv2.dct(small.astype(np.float32))
    assert np.allclose(waves(small[None], THUMB)[0], known, atol=0.05)
    assert np.allclose(waves(small[None], 8)[0], known[:8, :8], atol=0.05)


def test_waves_of_the_middle_are_those_of_a_photo_that_is_cropped_so(face: Pixels) -> None:
    height, width = face.shape[:2]
    top, left = round(0.05 * height), round(0.05 * width)
    cropped = grey_thumbnail(face[top : height - top, left : width - left])
    middle, whole = waves(grey_thumbnail(face)[None], 8, 0.9)[0], waves(grey_thumbnail(face)[None], 8)[0]
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
    pictures = np.stack([grey_thumbnail(face), grey_thumbnail(compressed(cut[:, ::-1] if mirrored else cut))])
    found = register(pictures, pairs((0, 1, mirrored)))
    assert len(found) == 1
    across, down = 1 - left - right, 1 - top - bottom
    shift = [THUMB / 2 * (right - left) / across, THUMB / 2 * (bottom - top) / down]
    assert np.allclose(found.place[0, :2], [-np.log(across), -np.log(down)], atol=0.01)
    assert np.allclose(found.place[0, 2:], shift, atol=0.3)
    one, other, seen = overlay(pictures, found)
    assert 0.6 < seen.mean() < 0.95
    assert np.abs((one - other) * seen).mean() < 6


def test_pictures_of_something_else_fall_out(face: Pixels) -> None:
    pictures = np.stack([grey_thumbnail(each) for each in (face, *other_photos(6))])
    every = pairs(*((i, j, mirrored) for i in range(7) for j in range(i) for mirrored in (False, True)))
    assert len(register(pictures, every)) == 0


def test_many_pairs_come_out_as_each_alone(face: Pixels) -> None:
    height, width = face.shape[:2]
    cuts = [face[i : height - 2 * i, 2 * i : width - i] for i in range(0, 12, 3)]
    pictures = np.stack([grey_thumbnail(each) for each in (*cuts, *other_photos(3))])
    rows = [(i, j, False) for i in range(7) for j in range(i)]
    together = register(pictures, pairs(*(rows * 20)))
    alone = [register(pictures, pairs(row)) for row in rows]
    assert len(together) == 20 * sum(map(len, alone))
    places = np.concatenate([each.place for each in alone])
    assert np.allclose(together.place[: len(places)], places, atol=1e-3)


# Pictures of one shot agree, however bright; a part that differs is seen.


@pytest.fixture(scope="module")
def face_agreeing(hopper: bytes) -> Pixels:
    return resized(decode(hopper, max_megapixels=1).pixels, 250, 300)


def compared(one: Pixels, other: Pixels, pitch: float = 0.3) -> Agreement:
    pair = Pairs(np.array([0]), np.array([1]), np.array([False]), np.zeros((1, 4), np.float32))
    return agreement(np.stack([grey_thumbnail(one), grey_thumbnail(other)]), pair, np.array([pitch], np.float32))


def test_a_picture_agrees_with_itself(face_agreeing: Pixels) -> None:
    found = compared(face_agreeing, face_agreeing)
    assert found.correlation[0] > 0.999
    assert found.worst[0] < 0.02
    assert found.seen[0] > 0.5


@pytest.mark.parametrize("gain", [0.8, 1.15])
@pytest.mark.parametrize("gamma", [0.8, 1, 1.2])
def test_light_and_compression_change_little(face_agreeing: Pixels, gain: float, gamma: float) -> None:
    lit = np.clip(255 * (face_agreeing / 255) ** gamma * gain, 0, 255).astype(np.uint8)
    found = compared(face_agreeing, compressed(lit, 40))
    assert found.correlation[0] > 0.98
    assert found.worst[0] < 0.2


def test_a_part_that_differs_is_seen(face_agreeing: Pixels) -> None:
    other = face_agreeing.copy()
    other[120:160, 90:150] = face_agreeing[40:80, 90:150]
    assert compared(face_agreeing, other).worst[0] > 0.6


def test_other_pictures_do_not_agree(face_agreeing: Pixels) -> None:
    for other in other_photos(4):
        found = compared(face_agreeing, other)
        assert found.correlation[0] < 0.7
        assert found.worst[0] > 0.5


def test_what_is_black_or_white_tells_nothing(face_agreeing: Pixels) -> None:
    found = compared(face_agreeing, np.zeros_like(face_agreeing))
    assert found.seen[0] == 0
    assert found.worst[0] == 0


def test_small_pictures_are_compared_as_coarsely_as_they_are(face_agreeing: Pixels) -> None:
    small = compressed(resized(face_agreeing, 24, 24), 60)
    assert compared(face_agreeing, small, 64 / 24).worst[0] < compared(face_agreeing, small).worst[0]


def test_of_no_pairs_nothing_is_said() -> None:
    none = Pairs(np.empty(0, int), np.empty(0, int), np.empty(0, bool), np.empty((0, 4), np.float32))
    found = agreement(np.zeros((1, 64, 64), np.uint8), none, np.empty(0, np.float32))
    assert len(found.correlation) == len(found.worst) == len(found.seen) == 0
