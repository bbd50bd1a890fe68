"""What every registered detector must hold to."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mien.detection import DETECTORS, Detections, Detector
from mien.detection.stage import Detect
from mien.stage import apply
from mien.types import Faces, Pixels, Reason, Rejected
from tests.detection.pictures import add_weights, photo, pixels

SHAPES = [(0, 0), (0, 40), (1, 1), (2, 3), (5, 500), (500, 5), (12, 12), (13, 40), (31, 33)]


@pytest.fixture(params=DETECTORS.names())
def detector(request: pytest.FixtureRequest) -> Detector:
    add_weights(request.param, request)
    return DETECTORS.load(request.param)(min_face=20)


@pytest.fixture(params=DETECTORS.names())
def name(request: pytest.FixtureRequest) -> str:
    add_weights(request.param, request)
    return str(request.param)


@pytest.fixture
def collins(astronaut: bytes) -> Pixels:
    return pixels(astronaut)


def same(one: Detections, other: Detections) -> bool:
    marks = (one.landmarks is None) == (other.landmarks is None)
    if one.landmarks is not None and other.landmarks is not None:
        marks = np.array_equal(one.landmarks, other.landmarks)
    return marks and np.array_equal(one.boxes, other.boxes) and np.array_equal(one.scores, other.scores)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("largest", [True, False])
def test_a_picture_too_small_for_a_face_gives_none(detector: Detector, shape: tuple[int, int], largest: bool) -> None:
    for value in (0, 128, 255):
        assert len(detector(np.full((*shape, 3), value, np.uint8), largest=largest)) == 0


def test_the_face_of_a_portrait_is_found_where_it_is(detector: Detector, collins: Pixels) -> None:
    found = detector(collins)
    x1, y1, x2, y2 = found.boxes[0]
    assert 160 < x1 < 200
    assert 30 < y1 < 90
    assert 245 < x2 < 290
    assert 150 < y2 < 195


def test_columns_are_float32_and_belong_together(detector: Detector, collins: Pixels) -> None:
    for largest in (True, False):
        found = detector(collins, largest=largest)
        assert found.boxes.dtype == found.scores.dtype == np.float32
        assert found.boxes.shape == (len(found), 4)
        assert found.scores.shape == (len(found),)
        assert found.landmarks is None or found.landmarks.dtype == np.float32
        assert np.isfinite(found.boxes).all()
        assert np.isfinite(found.scores).all()


def test_largest_gives_one_face_and_it_is_the_first_of_all(detector: Detector, collins: Pixels) -> None:
    alone, everyone = detector(collins, largest=True), detector(collins)
    assert len(alone) == 1
    np.testing.assert_allclose(alone.boxes[0], everyone.boxes[0], atol=8)


def test_boxes_are_inside_the_picture(detector: Detector, collins: Pixels) -> None:
    for top, left in ((0, 0), (90, 0), (0, 200), (100, 215)):
        cut = np.ascontiguousarray(collins[top : top + 140, left : left + 90])
        boxes = detector(cut).boxes
        assert (boxes >= 0).all()
        assert (boxes <= [cut.shape[1], cut.shape[0]] * 2).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_the_first_eye_is_the_one_on_the_left_and_the_mouth_is_below(detector: Detector, collins: Pixels) -> None:
    marks = detector(collins, largest=True).landmarks
    if marks is None:
        return
    (right, left, nose, mouth_right, mouth_left) = marks[0]
    assert right[0] < nose[0] < left[0]
    assert mouth_right[0] < mouth_left[0]
    assert max(right[1], left[1]) < nose[1] < min(mouth_right[1], mouth_left[1])


def test_the_picture_is_not_changed(detector: Detector, collins: Pixels) -> None:
    before = collins.copy()
    collins.flags.writeable = False
    detector(collins)
    np.testing.assert_array_equal(collins, before)


def test_a_picture_that_is_not_contiguous_gives_the_same(detector: Detector, collins: Pixels) -> None:
    view = np.asfortranarray(collins)[:, ::-1]
    assert same(detector(view), detector(np.ascontiguousarray(view)))


def test_it_pickles_as_configuration(detector: Detector, collins: Pixels) -> None:
    before = detector(collins)
    data = pickle.dumps(detector)
    assert len(data) < 500
    assert same(pickle.loads(data)(collins), before)


def test_the_same_picture_gives_the_same_faces(detector: Detector, collins: Pixels) -> None:
    assert same(detector(collins), detector(collins))


def test_several_threads_give_the_same_as_one(detector: Detector, collins: Pixels, hopper: bytes) -> None:
    pictures = [collins, pixels(hopper), np.ascontiguousarray(collins[:, ::-1]), collins[:300, :300]] * 2
    alone = [detector(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(detector, pictures))
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))


def test_a_batch_gives_the_same_as_one_by_one(name: str, astronaut: bytes, hopper: bytes) -> None:
    stage = Detect(name, "all")
    blank = np.zeros((64, 64, 3), np.uint8)
    batch = [photo(astronaut, "a"), photo(blank, "b"), photo(hopper, "c")]
    together = apply(stage, batch)
    alone = [result for item in batch for result in apply(stage, [item])]
    assert [type(result) for result in together] == [type(result) for result in alone] == [Faces, Rejected, Faces]
    for one, other in zip(together, alone, strict=True):
        assert one.key == other.key
        if isinstance(one, Faces) and isinstance(other, Faces):
            np.testing.assert_array_equal(one.boxes, other.boxes)
            np.testing.assert_array_equal(one.scores, other.scores)


def test_a_photo_without_a_face_is_rejected_with_its_reason(name: str) -> None:
    [rejected] = apply(Detect(name), [photo(np.full((80, 80, 3), 200, np.uint8))])
    assert isinstance(rejected, Rejected)
    assert rejected.reason is Reason.NO_FACE
    assert name in rejected.detail


def test_no_face_much_smaller_than_asked_for_is_found(name: str, collins: Pixels) -> None:
    wanting = DETECTORS.load(name)(min_face=200)
    boxes = wanting(collins).boxes
    assert (np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)) > 120).all()
