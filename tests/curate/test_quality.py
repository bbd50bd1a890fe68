"""Figures of how well a face can be seen move as the eye would say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.curate.quality import quality
from mien.images import decode
from mien.types import Pixels


@pytest.fixture(scope="module")
def face(astronaut: bytes) -> Pixels:
    return np.ascontiguousarray(decode(astronaut, max_megapixels=1).pixels[64:173, 181:266])


def test_a_blurred_face_is_less_sharp(face: Pixels) -> None:
    figures = [quality(cv2.GaussianBlur(face, (0, 0), s).astype(np.uint8), 85).sharpness for s in (0.5, 1, 2, 4)]
    assert figures == sorted(figures, reverse=True)
    assert figures[-1] < 50 < figures[0]


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 135])
def test_a_face_that_moved_is_less_sharp_whatever_its_direction(face: Pixels, angle: float) -> None:
    streak = np.zeros((17, 17), np.float32)
    streak[8] = 1 / 17
    turned = cv2.warpAffine(streak, cv2.getRotationMatrix2D((8, 8), angle, 1), (17, 17))
    moved = cv2.filter2D(face, -1, turned / turned.sum()).astype(np.uint8)
    assert quality(moved, 85).sharpness < 40 < quality(face, 85).sharpness


def test_brightness_follows_the_light(face: Pixels) -> None:
    dark, plain, bright = (
        quality(np.clip(face * factor, 0, 255).astype(np.uint8), 85).brightness for factor in (0.3, 1, 1.6)
    )
    assert 0 <= dark < plain < bright <= 1


def test_a_flat_face_has_no_contrast_and_no_sharpness() -> None:
    flat = quality(np.full((40, 30, 3), 128, np.uint8), 30)
    assert (flat.contrast, flat.sharpness) == (0, 0)
    assert flat.brightness == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (2000, 1500, 3)])
def test_any_size_can_be_measured(shape: tuple[int, int, int]) -> None:
    assert quality(np.zeros(shape, np.uint8), min(shape[:2])).as_json()["brightness"] == 0


def test_the_same_face_larger_is_about_as_sharp(face: Pixels) -> None:
    large = cv2.resize(face, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    assert quality(large, 255).sharpness == pytest.approx(quality(face, 85).sharpness, rel=0.5)
