"""Finer landmarks, and what is done where a photo shows no face as it is."""

from __future__ import annotations

import numpy as np
import pytest

from mien.detection import Detections, second_look
from mien.detection.second_look import add_border, quarter_turns, refine
from mien.detection.single_shot import YuNet
from mien.types import Floats, Pixels
from tests.detection.pictures import COLLINS, COLLINS_BOX, HOPPER_BOX, iou, pixels, resized

pytestmark = pytest.mark.usefixtures("models_home")


@pytest.fixture
def collins(astronaut: bytes) -> Pixels:
    return pixels(astronaut)


def face(box: Floats, landmarks: Floats | None = None) -> Detections:
    marks = None if landmarks is None else landmarks[None].astype(np.float32)
    return Detections(box.reshape(1, 4).astype(np.float32), np.array([0.7], np.float32), marks, 0.3)


def refined(picture: Pixels, box: Floats) -> tuple[Floats, Floats, float]:
    faces, scores = refine(picture, face(box))
    assert faces.landmarks is not None
    return faces.boxes[0], faces.landmarks[0], float(scores[0])


@pytest.mark.parametrize("scale", [0.2, 0.5, 1, 3, 8])
def test_landmarks_of_a_face_of_any_size_are_at_its_eyes_nose_and_mouth(scale: float, collins: Pixels) -> None:
    box, marks, score = refined(resized(collins, scale), COLLINS_BOX * scale)
    assert score > 0.8
    assert iou(box / np.float32(scale), COLLINS_BOX) > 0.85
    np.testing.assert_allclose(marks / scale, COLLINS, atol=7)


def test_a_face_is_measured_alike_at_each_size_and_more_so_than_at_first(collins: Pixels, hopper: bytes) -> None:
    for picture, (box,) in ((collins, COLLINS_BOX), (pixels(hopper), HOPPER_BOX)):
        at_first, again = [], []
        for scale in (1, 0.5, 0.25):
            small = resized(picture, scale)
            first = YuNet()(small, largest=True)
            assert first.landmarks is not None
            at_first.append(first.landmarks[0] / scale)
            again.append(refined(small, box * scale)[1] / scale)
        eyes = np.linalg.norm(again[0][1] - again[0][0])
        moved = [np.linalg.norm(marks - again[0], axis=1).max() / eyes for marks in again]
        assert max(moved) < 0.05
        assert max(moved) < max(np.linalg.norm(marks - again[0], axis=1).max() / eyes for marks in at_first)


def test_a_box_that_is_a_little_off_is_corrected(collins: Pixels) -> None:
    wanted = refined(collins, COLLINS_BOX)[0]
    for shift in ([12, 0, 12, 0], [-9, -9, -9, -9], [-10, -10, 10, 10], [8, 8, -8, -8]):
        assert iou(refined(collins, COLLINS_BOX + np.array(shift, np.float32))[0], wanted) > 0.8


def test_a_face_that_is_not_seen_again_stays_as_it_was(collins: Pixels) -> None:
    box, marks = np.array([390, 300, 470, 400], np.float32), np.arange(10, dtype=np.float32).reshape(5, 2)
    faces, scores = refine(collins, face(box, marks))
    assert scores[0] < 0.3
    np.testing.assert_array_equal(faces.boxes[0], box)
    assert faces.landmarks is not None
    np.testing.assert_array_equal(faces.landmarks[0], marks)
    assert (faces.scores[0], faces.near_miss) == (np.float32(0.7), 0.3)


def test_a_face_without_landmarks_that_is_not_seen_again_has_them_where_they_usually_are(collins: Pixels) -> None:
    _, marks, score = refined(collins, np.array([390, 300, 470, 400], np.float32))
    assert score < 0.3
    np.testing.assert_allclose(marks[2], [430, 358], atol=1)
    assert marks[0, 0] < marks[2, 0] < marks[1, 0]


def test_refined_boxes_stay_inside_the_picture(collins: Pixels) -> None:
    cut = np.ascontiguousarray(collins[90:150, 200:250])
    box = refined(cut, np.array([0, 0, 50, 60], np.float32))[0]
    assert (box >= 0).all()
    assert (box <= [50, 60, 50, 60]).all()


def test_many_faces_give_what_each_gives_alone(collins: Pixels) -> None:
    boxes = np.concatenate([COLLINS_BOX + np.float32(i - 10) for i in range(20)])
    together, scores = refine(collins, Detections(boxes, np.ones(20, np.float32)))
    assert together.landmarks is not None
    for i in range(20):
        box, marks, score = refined(collins, boxes[i])
        np.testing.assert_allclose(together.boxes[i], box, atol=0.05)
        np.testing.assert_allclose(together.landmarks[i], marks, atol=0.05)
        assert scores[i] == pytest.approx(score, abs=1e-3)


def turns(picture: Pixels) -> int | None:
    faces = YuNet(candidates=True)(picture)
    if not len(faces):
        return quarter_turns(picture, faces.boxes, faces.scores)
    faces, scores = refine(picture, faces)
    return quarter_turns(picture, faces.boxes, scores)


@pytest.mark.parametrize("scale", [0.3, 1, 2.5])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_picture_that_was_turned_is_to_be_turned_back(
    quarters: int, scale: float, collins: Pixels, hopper: bytes
) -> None:
    for picture in (collins, pixels(hopper)):
        turned = np.ascontiguousarray(np.rot90(resized(picture, scale), -quarters))
        assert turns(turned) == quarters


def test_an_upright_picture_is_good_as_it_is(collins: Pixels, hopper: bytes) -> None:
    for picture in (collins, pixels(hopper)):
        assert turns(picture) is None


def test_a_picture_without_a_face_is_not_to_be_turned() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    for picture in (noise, np.full((300, 400, 3), 90, np.uint8), np.zeros((1, 1, 3), np.uint8)):
        assert turns(picture) is None


def test_a_face_that_fills_the_picture_is_to_be_looked_at_with_a_border(collins: Pixels) -> None:
    none = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    assert quarter_turns(np.ascontiguousarray(collins[75:165, 185:260]), *none) == 0


@pytest.mark.parametrize("shape", [(40, 100), (100, 40), (1, 1)])
def test_a_border_is_black_and_all_around(shape: tuple[int, int]) -> None:
    bordered, width = add_border(np.full((*shape, 3), 200, np.uint8))
    assert width == round(max(shape) / 4)
    assert bordered.shape == (shape[0] + 2 * width, shape[1] + 2 * width, 3)
    inside = bordered[width : width + shape[0], width : width + shape[1]]
    assert (inside == 200).all()
    assert bordered.sum() == inside.sum()


def test_the_second_look_is_by_the_packaged_network() -> None:
    assert second_look.WEIGHTS == "yunet"
