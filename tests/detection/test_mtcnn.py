from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.detection import mtcnn
from mien.detection.detections import sides
from mien.detection.mtcnn import MTCNN, Level, patches, pyramid, to_planes
from mien.types import Floats, Pixels
from tests.detection.pictures import COLLINS, iou, pixels, resized

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.fixture
def collins(astronaut: bytes) -> Pixels:
    return pixels(astronaut)


def test_landmarks_are_at_the_eyes_nose_and_mouth(collins: Pixels) -> None:
    marks = MTCNN()(collins, largest=True).landmarks
    assert marks is not None
    np.testing.assert_allclose(marks[0], COLLINS, atol=5)


def test_both_portraits_are_found_with_high_scores(collins: Pixels, hopper: bytes) -> None:
    for picture in (collins, pixels(hopper)):
        assert MTCNN()(picture, largest=True).scores[0] > 0.99


@pytest.mark.parametrize("scale", [0.25, 0.4, 0.7, 1.5, 2.5])
def test_the_same_face_is_found_at_every_size(collins: Pixels, scale: float) -> None:
    box = MTCNN()(collins, largest=True).boxes[0]
    assert iou(MTCNN()(resized(collins, scale), largest=True).boxes[0] / np.float32(scale), box) > 0.7


def test_a_mirrored_picture_has_the_mirrored_face(collins: Pixels) -> None:
    found = MTCNN()(collins, largest=True)
    mirrored = MTCNN()(np.ascontiguousarray(collins[:, ::-1]), largest=True)
    assert iou(mirrored.boxes[0], 512 - found.boxes[0][[2, 1, 0, 3]] * [1, -1, 1, -1] + [0, -512, 0, -512]) > 0.8


def test_a_grey_picture_works_too(collins: Pixels) -> None:
    grey = np.repeat(collins.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    assert iou(MTCNN()(grey, largest=True).boxes[0], MTCNN()(collins, largest=True).boxes[0]) > 0.7


def test_several_faces_are_all_found_and_each_once(collins: Pixels, hopper: bytes) -> None:
    face = resized(pixels(hopper), 0.5)
    scene = np.full((700, 900, 3), 96, np.uint8)
    for top, left in ((20, 30), (20, 600), (350, 320)):
        scene[top : top + face.shape[0], left : left + face.shape[1]] = face
    found = MTCNN()(scene)
    assert len(found) == 3
    assert np.ptp(sides(found.boxes)) < 12


def test_the_main_face_is_the_one_in_the_middle(hopper: bytes) -> None:
    face = resized(pixels(hopper), 0.5)
    scene = np.full((700, 900, 3), 96, np.uint8)
    for top, left in ((20, 30), (20, 620), (200, 310)):
        scene[top : top + face.shape[0], left : left + face.shape[1]] = face
    middle = MTCNN()(scene, largest=True).boxes[0].reshape(2, 2).mean(axis=0)
    assert 310 < middle[0] < 310 + face.shape[1]
    np.testing.assert_allclose(MTCNN()(scene, largest=True).boxes, MTCNN()(scene).boxes[:1], atol=4)


def test_small_faces_are_found_on_request(collins: Pixels) -> None:
    small = np.full((300, 300, 3), 40, np.uint8)
    head = resized(collins[30:230, 130:330], 0.17)
    small[100 : 100 + head.shape[0], 150 : 150 + head.shape[1]] = head
    assert len(MTCNN(min_face=12)(small)) == 1
    assert len(MTCNN(min_face=60)(small)) == 0


def test_a_face_that_fills_the_picture_is_found_on_a_second_look(collins: Pixels) -> None:
    face = np.ascontiguousarray(collins[75:165, 185:260])
    assert len(mtcnn._search(face, 20, mtcnn._DEFAULT, largest=True)) == 0
    found = MTCNN()(face, largest=True)
    assert len(found) == 1
    assert sides(found.boxes)[0] > 60
    assert found.landmarks is not None
    np.testing.assert_allclose(found.landmarks[0], np.array(COLLINS) - [185, 75], atol=8)


def test_a_near_miss_is_reported(collins: Pixels) -> None:
    blurred = np.asarray(cv2.GaussianBlur(resized(collins, 0.2), (0, 0), 1.6), np.uint8)
    found = MTCNN()(blurred)
    assert len(found) == 0
    assert 0 < found.near_miss < 0.8


def test_strips_find_the_same_faces_as_the_whole_picture(collins: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = MTCNN()(collins)
    for pixels_at_once, squares_at_once in ((1 << 12, 4), (1 << 14, 16), (1 << 30, 1 << 20)):
        monkeypatch.setattr(mtcnn, "MAX_PIXELS", pixels_at_once)
        monkeypatch.setattr(mtcnn, "MAX_SQUARES", squares_at_once)
        found = MTCNN()(collins)
        np.testing.assert_allclose(found.boxes, whole.boxes, atol=0.01)
        np.testing.assert_allclose(found.scores, whole.scores, atol=1e-4)


@pytest.mark.parametrize("height", [12, 13, 47, 48, 49, 57, 58, 59, 60, 95, 96, 97, 300])
def test_strips_cover_every_window_once(height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mtcnn, "MAX_PIXELS", 1)
    windows: list[int] = []
    for rows in mtcnn._strips(height, 30):
        inside = min(rows.stop, height) - rows.start
        windows += range(rows.start, rows.start + 2 * (-(-(inside - 2) // 2) - 4), 2)
    assert windows == list(range(0, 2 * (-(-(height - 2) // 2) - 4), 2))


def test_noise_has_no_face() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (400, 400, 3)).astype(np.uint8)
    assert len(MTCNN()(noise)) == 0


def test_the_main_face_alone_is_the_one_found_among_all(data: Path) -> None:
    photos = sorted((data / "identity" / "lfw").glob("*/*.jpg"))[::6][:300]
    agreed = 0
    for path in photos:
        picture = pixels(path)
        alone, everyone = MTCNN()(picture, largest=True), MTCNN()(picture)
        agreed += len(alone) == 1 and iou(alone.boxes[0], everyone.boxes[0]) > 0.9
    assert agreed >= 0.99 * len(photos)


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
