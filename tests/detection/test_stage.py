from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.detection import DETECTORS, Detections, resolve
from mien.detection import stage as stages
from mien.detection.stage import Detect, WholeImage
from mien.errors import UnknownName
from mien.stage import apply
from mien.types import Faces, Floats, Origin, Photo, Pixels, Reason, Rejected
from tests.detection.pictures import iou, photo


@pytest.fixture
def hopper_photo(hopper: bytes) -> Photo:
    return photo(hopper, "hopper")


def detected(stage: Detect | WholeImage, item: Photo) -> Faces:
    [faces] = apply(stage, [item])
    assert isinstance(faces, Faces)
    return faces


class Recorded:
    """A detector that notes what it was asked, and finds what it was told to."""

    asked: list[tuple[int, tuple[int, ...], bool]]

    def __init__(self, boxes: Floats) -> None:
        self.boxes = boxes
        self.asked = []

    def named(self, name: str, min_face: int, candidates: bool) -> Recorded:
        self.min_face = min_face
        return self

    def __call__(self, seen: Pixels, *, largest: bool = False) -> Detections:
        self.asked.append((self.min_face, seen.shape[:2], largest))
        return Detections(self.boxes, np.ones(len(self.boxes), np.float32))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    made = Recorded(np.array([[10, 10, 50, 45]], np.float32))
    monkeypatch.setattr(stages, "_detector", made.named)
    return made


def test_a_face_keeps_its_photo(hopper_photo: Photo, models_home: Path) -> None:
    faces = detected(Detect(), hopper_photo)
    assert faces.photo is hopper_photo
    assert len(faces) == 1
    assert faces.landmarks is not None


def test_a_reduced_photo_gives_boxes_of_the_full_size(hopper_photo: Photo, models_home: Path) -> None:
    half = np.asarray(cv2.resize(hopper_photo.pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    reduced = Photo(Origin("half"), half, hopper_photo.width, hopper_photo.height, 0.5)
    full, again = detected(Detect(), hopper_photo), detected(Detect(), reduced)
    assert iou(full.boxes[0], again.boxes[0]) > 0.8
    assert full.landmarks is not None
    assert again.landmarks is not None
    np.testing.assert_allclose(full.landmarks, again.landmarks, atol=8)


def test_largest_and_all_are_passed_on(recorded: Recorded) -> None:
    empty = photo(np.zeros((60, 80, 3), np.uint8))
    detected(Detect(faces="largest", second_look=False), empty)
    detected(Detect(faces="all", second_look=False), empty)
    assert [largest for _, _, largest in recorded.asked] == [True, False]


@pytest.mark.parametrize(
    ("min_face", "scale", "asked"),
    [(20, 1.0, 20), (20, 0.5, 10), (12, 1.0, 12), (12, 0.25, 3), (80, 0.5, 20), (80, 0.125, 10), (200, 0.25, 25)],
)
def test_the_smallest_face_is_in_pixels_of_the_photo(
    min_face: int, scale: float, asked: int, recorded: Recorded
) -> None:
    small = Photo(Origin("x"), np.zeros((100, 120, 3), np.uint8), round(120 / scale), round(100 / scale), scale)
    detected(Detect(min_face=min_face, second_look=False), small)
    assert recorded.asked[0][0] == asked


@pytest.mark.parametrize(
    ("side", "least", "seen"),
    [(900, 20, 900), (1499, 30, 1499), (1999, 40, 1000), (3999, 80, 1000), (4000, 80, 1000), (9000, 180, 1000)],
)
def test_a_large_picture_is_made_smaller_first(side: int, least: int, seen: int, recorded: Recorded) -> None:
    large = photo(np.zeros((600, side, 3), np.uint8))
    faces = detected(Detect(second_look=False), large)
    assert recorded.asked[0][1][1] == seen
    assert recorded.asked[0][0] == pytest.approx(least * seen / side, abs=1)
    np.testing.assert_allclose(faces.boxes[0, ::2], np.array([10, 50]) * side / seen, rtol=0.01)


def test_boxes_never_pass_the_edge_of_the_full_size(recorded: Recorded) -> None:
    recorded.boxes = np.array([[0, 0, 33, 25]], np.float32)
    odd = Photo(Origin("odd"), np.zeros((25, 33, 3), np.uint8), 259, 199, 0.125)
    boxes = detected(Detect(second_look=False), odd).boxes
    assert boxes.tolist() == [[0, 0, 259, 199]]


def test_a_rejection_names_the_stage_the_reason_and_the_nearest_miss(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), near_miss=0.62)
    monkeypatch.setattr(Recorded, "__call__", lambda *_, **__: none)
    stage = Detect("hog", min_face=30, second_look=False)
    [rejected] = apply(stage, [photo(np.zeros((60, 80, 3), np.uint8), "x")])
    assert isinstance(rejected, Rejected)
    assert (rejected.key, rejected.stage, rejected.reason) == ("x", "detect", Reason.NO_FACE)
    assert "hog" in rejected.detail
    assert "30 pixels" in rejected.detail
    assert "0.62" in rejected.detail


def test_without_a_near_miss_the_detail_says_nothing_of_it(models_home: Path) -> None:
    [rejected] = apply(Detect(), [photo(np.full((60, 80, 3), 7, np.uint8))])
    assert isinstance(rejected, Rejected)
    assert "scored" not in rejected.detail


def test_an_unknown_detector_is_refused_with_the_known_ones(hopper_photo: Photo) -> None:
    with pytest.raises(UnknownName, match="did you mean mtcnn"):
        apply(Detect("mtcn"), [hopper_photo])


def test_stages_pickle_as_configuration() -> None:
    for stage in (Detect("yunet", "all", 40), WholeImage()):
        assert pickle.loads(pickle.dumps(stage)) == stage


def test_the_whole_picture_is_one_face_of_score_1() -> None:
    reduced = Photo(Origin("cut"), np.zeros((24, 48, 3), np.uint8), 96, 48, 0.5)
    faces = detected(WholeImage(), reduced)
    assert faces.boxes.tolist() == [[0, 0, 96, 48]]
    assert faces.scores.tolist() == [1]
    assert faces.boxes.dtype == faces.scores.dtype == np.float32
    assert faces.landmarks is None


def test_auto_is_yunet(home: Path) -> None:
    assert resolve("auto") == "yunet"
    assert not home.exists()


def test_auto_does_not_choose_weights_that_are_gone_or_may_not_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.models.is_available", lambda _: False)
    assert resolve("auto") == "mtcnn"


def test_every_name_resolves_to_itself() -> None:
    assert [resolve(name) for name in DETECTORS.names()] == DETECTORS.names()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownName, match="haar"):
        resolve("harr")
