from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.detection import mtcnn
from mien.detection.detections import sides
from mien.detection.mtcnn import MTCNN
from mien.types import Pixels
from tests.detection.pictures import COLLINS, iou, pixels

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.fixture
def collins(astronaut: bytes) -> Pixels:
    return pixels(astronaut)


def resized(image: Pixels, scale: float) -> Pixels:
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=way), np.uint8)


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
