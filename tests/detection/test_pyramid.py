from __future__ import annotations

import numpy as np
import pytest

from mien.detection.pyramid import Level, patches, pyramid, to_planes
from mien.types import Floats, Pixels
from tests.detection.pictures import pixels


@pytest.fixture
def slope() -> Pixels:
    """200 x 240, whose red grows along x, green along y, by one a pixel."""
    made = np.zeros((200, 240, 3), np.uint8)
    made[..., 0] = np.arange(240)
    made[..., 1] = np.arange(200)[:, None]
    made[..., 2] = 90
    return made


def test_a_pyramid_starts_with_the_picture_and_ends_above_the_smallest_side(slope: Pixels) -> None:
    levels = pyramid(slope, 0.6, 12)
    assert levels[0].pixels is slope
    assert levels[1].pixels.shape == (120, 144, 3)
    assert min(levels[-1].pixels.shape[:2]) in range(12, 18)


def test_each_level_has_about_half_the_area_of_the_one_before(slope: Pixels) -> None:
    areas = [level.pixels.shape[0] * level.pixels.shape[1] for level in pyramid(slope, 0.6, 12)][1:]
    shares = np.array(areas[1:]) / np.array(areas[:-1])
    assert (np.abs(shares - 0.5) < 0.06).all()


def test_steps_are_pixels_of_the_picture_per_pixel(slope: Pixels) -> None:
    for level in pyramid(slope, 0.5, 12):
        rows, columns = level.pixels.shape[:2]
        assert level.steps == pytest.approx((240 / columns, 200 / rows))


def test_levels_equal_a_mean_over_the_area(slope: Pixels) -> None:
    for level in pyramid(slope, 0.6, 12):
        columns = level.pixels.shape[1]
        expected = (np.arange(columns) + 0.5) * level.steps[0] - 0.5
        inner = slice(2, columns - 2)
        np.testing.assert_allclose(level.pixels[5, inner, 0], expected[inner], atol=2)


def test_a_fine_pattern_becomes_grey_and_no_coarser_pattern() -> None:
    stripes = np.zeros((240, 240, 3), np.uint8)
    stripes[:, ::2] = 255
    for level in pyramid(stripes, 0.1, 12)[1:]:
        assert np.ptp(level.pixels[2:-2, 2:-2].astype(int)) < 60


@pytest.mark.parametrize("shape", [(0, 0), (0, 9), (1, 1), (5, 500), (11, 11)])
def test_a_picture_smaller_than_the_window_has_no_levels(shape: tuple[int, int]) -> None:
    assert len(pyramid(np.zeros((*shape, 3), np.uint8), 1.0, 12)) == 1


def test_a_picture_too_long_for_opencv_is_made_smaller_first() -> None:
    levels = pyramid(np.zeros((30, 40_000, 3), np.uint8), 1.0, 12)
    assert max(max(level.pixels.shape) for level in levels) <= 32_000
    assert levels[0].steps[0] == pytest.approx(1.25, abs=0.01)
    square = np.array([[39_000, 0, 39_030, 30]], np.float32)
    assert patches(levels, square, 24).shape == (1, 24, 24, 3)


@pytest.mark.parametrize("size", [24, 48])
@pytest.mark.parametrize("side", [20, 24, 31, 48, 77, 120, 160])
def test_a_patch_shows_what_is_in_its_square(slope: Pixels, side: int, size: int) -> None:
    x, y = 30.25, 18.5
    cut = patches(pyramid(slope, 0.6, 12), np.array([[x, y, x + side, y + side]], np.float32), size)
    middles = (np.arange(size) + 0.5) / size * side - 0.5
    np.testing.assert_allclose(cut[0, size // 2, :, 0], x + middles, atol=2)
    np.testing.assert_allclose(cut[0, :, size // 2, 1], y + middles, atol=2)
    assert (cut[..., 2] == 90).all()


def test_a_square_is_black_outside_the_picture(slope: Pixels) -> None:
    slope += 10
    squares = np.array([[-48, -48, 48, 48], [200, 160, 296, 256]], np.float32)
    cut = patches(pyramid(slope, 0.6, 12), squares, 48)
    assert not cut[0, :22].any()
    assert not cut[0, :, :22].any()
    assert cut[0, 27:, 27:].all()
    assert not cut[1, 24:].any()
    assert cut[1, :17, :17].all()


def test_many_patches_equal_each_alone(astronaut: bytes) -> None:
    levels = pyramid(pixels(astronaut), 0.6, 12)
    random = np.random.default_rng(3)
    corners = random.uniform(-30, 480, (900, 2))
    squares = np.concatenate([corners, corners + random.uniform(12, 300, (900, 1))], axis=1).astype(np.float32)
    together = patches(levels, squares, 48)
    for i in range(0, 900, 61):
        np.testing.assert_array_equal(patches(levels, squares[i : i + 1], 48)[0], together[i])


def test_no_squares_give_no_patches(slope: Pixels) -> None:
    assert patches([Level(slope, (1.0, 1.0))], np.empty((0, 4), np.float32), 24).shape == (0, 24, 24, 3)


@pytest.mark.parametrize("shape", [(7, 9, 3), (4, 7, 9, 3)])
def test_planes_put_colours_first_and_scale_the_values(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    made: Floats = to_planes(image, 127.5, 1 / 128)
    assert made.dtype == np.float32
    assert made.flags.c_contiguous
    np.testing.assert_allclose(np.moveaxis(made, -3, -1), (image.astype(float) - 127.5) / 128, atol=1e-6)
