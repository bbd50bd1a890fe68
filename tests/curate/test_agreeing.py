"""Pictures of one shot agree, however bright; a part that differs is seen."""

from __future__ import annotations

import numpy as np
import pytest

from mien.curate.agreeing import Agreement, agreement
from mien.curate.registering import Pairs
from mien.curate.thumb import thumb
from mien.images import decode
from mien.types import Pixels
from tests.curate.albums import compressed, other_photos, resized


@pytest.fixture(scope="module")
def face(hopper: bytes) -> Pixels:
    return resized(decode(hopper, max_megapixels=1).pixels, 250, 300)


def compared(one: Pixels, other: Pixels, pitch: float = 0.3) -> Agreement:
    pair = Pairs(np.array([0]), np.array([1]), np.array([False]), np.zeros((1, 4), np.float32))
    return agreement(np.stack([thumb(one), thumb(other)]), pair, np.array([pitch], np.float32))


def test_a_picture_agrees_with_itself(face: Pixels) -> None:
    found = compared(face, face)
    assert found.alike[0] > 0.999
    assert found.worst[0] < 0.02
    assert found.seen[0] > 0.5


@pytest.mark.parametrize("gain", [0.8, 1.15])
@pytest.mark.parametrize("gamma", [0.8, 1, 1.2])
def test_light_and_compression_change_little(face: Pixels, gain: float, gamma: float) -> None:
    lit = np.clip(255 * (face / 255) ** gamma * gain, 0, 255).astype(np.uint8)
    found = compared(face, compressed(lit, 40))
    assert found.alike[0] > 0.98
    assert found.worst[0] < 0.2


def test_a_part_that_differs_is_seen(face: Pixels) -> None:
    other = face.copy()
    other[120:160, 90:150] = face[40:80, 90:150]
    assert compared(face, other).worst[0] > 0.6


def test_other_pictures_do_not_agree(face: Pixels) -> None:
    for other in other_photos(4):
        found = compared(face, other)
        assert found.alike[0] < 0.7
        assert found.worst[0] > 0.5


def test_what_is_black_or_white_tells_nothing(face: Pixels) -> None:
    found = compared(face, np.zeros_like(face))
    assert found.seen[0] == 0
    assert found.worst[0] == 0


def test_small_pictures_are_compared_as_coarsely_as_they_are(face: Pixels) -> None:
    small = compressed(resized(face, 24, 24), 60)
    assert compared(face, small, 64 / 24).worst[0] < compared(face, small).worst[0]


def test_of_no_pairs_nothing_is_said() -> None:
    none = Pairs(np.empty(0, int), np.empty(0, int), np.empty(0, bool), np.empty((0, 4), np.float32))
    found = agreement(np.zeros((1, 64, 64), np.uint8), none, np.empty(0, np.float32))
    assert len(found.alike) == len(found.worst) == len(found.seen) == 0
