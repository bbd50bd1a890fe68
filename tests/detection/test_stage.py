from __future__ import annotations

import pickle
import re
import time
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.alignment.landmarks import DlibLandmarks
from mien.alignment.stage import cut_faces
from mien.alignment.views import VIEWS
from mien.detection import DETECTORS, Detections, resolve
from mien.detection import stage as stages
from mien.detection.detections import overlaps, sides
from mien.detection.mtcnn import MTCNN
from mien.detection.stage import Detect, WholeImage
from mien.errors import UnknownName
from mien.images import decode, encode
from mien.stage import apply
from mien.types import Box, Faces, Floats, Origin, Photo, Pixels, Reason, Rejected
from tests.detection.pictures import COLLINS, composed, heads, iou, on_its_side, photo, pixels, resized


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
    score = 1.0

    def __init__(self, boxes: Floats) -> None:
        self.boxes = boxes
        self.asked = []

    def named(self, name: str, min_face: int, candidates: bool) -> Recorded:
        self.min_face = min_face
        return self

    def __call__(self, seen: Pixels, *, largest: bool = False) -> Detections:
        self.asked.append((self.min_face, seen.shape[:2], largest))
        return Detections(self.boxes, np.full(len(self.boxes), self.score, np.float32))


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


@pytest.mark.parametrize(("score", "enough"), [(0.9, True), (0.5, False)])
def test_the_search_for_the_main_face_ends_when_a_large_one_is_certain(
    score: float, enough: bool, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.boxes = np.array([[100, 20, 200, 120]], np.float32)
    recorded.score = score
    detected(Detect(min_face=20, second_look=False), photo(np.zeros((600, 4000, 3), np.uint8)))
    assert (len(recorded.asked) == 1) == enough
    assert recorded.asked[0][1] == (150, 1000)


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


@pytest.fixture
def faces(astronaut: bytes, hopper: bytes) -> list[tuple[Pixels, Floats]]:
    return heads(pixels(astronaut), pixels(hopper))


def assert_each_once(found: Faces, boxes: Floats) -> None:
    common = overlaps(boxes, found.boxes)
    assert (common.max(axis=1, initial=0) >= 0.4).all()
    assert len(found) == len(boxes)


def across_tiles(length: int, scale: float) -> list[int]:
    """Where tiles begin, end and overlap along a side of that length which is searched at `scale`, in its pixels."""
    begins = range(0, int(length * scale), stages._TILE - stages._OVERLAP)
    spots = [(start + shift) / scale for start in begins for shift in (0, stages._OVERLAP / 2, stages._OVERLAP)]
    return [round(spot) for spot in spots if 50 < spot < length - 50]


@pytest.mark.parametrize("side", [36, 40])
@pytest.mark.usefixtures("models_home")
def test_small_faces_of_a_large_group_are_found_each_once(side: int, faces: list[tuple[Pixels, Floats]]) -> None:
    """Faces lie on the borders of tiles, too, and where four tiles meet."""
    places = [(x, y) for y in across_tiles(3024, 20 / 32) for x in across_tiles(4032, 20 / 32)]
    group, boxes = composed((3024, 4032), faces, side, places)
    assert len(boxes) == 80
    start = time.perf_counter()
    found = detected(Detect(faces="all", min_face=32), photo(group))
    assert time.perf_counter() - start < 5  # 0.5 s on one core
    assert_each_once(found, boxes)
    assert sides(found.boxes).min() >= 32
    main = detected(Detect(min_face=32), photo(group))
    np.testing.assert_array_equal(main.boxes, found.boxes[:1])


@pytest.mark.usefixtures("models_home")
def test_faces_on_a_grid_that_is_not_the_tiles_are_found_each_once(faces: list[tuple[Pixels, Floats]]) -> None:
    places = [(x, y) for y in range(60, 1900, 97) for x in range(60, 2500, 103)]
    group, boxes = composed((1960, 2560), faces, 36, places)
    assert_each_once(detected(Detect(faces="all", min_face=30), photo(group)), boxes)


@pytest.mark.usefixtures("models_home")
def test_faces_smaller_than_asked_for_are_not_reported_and_the_message_says_what_was(
    faces: list[tuple[Pixels, Floats]],
) -> None:
    group = photo(composed((3024, 4032), faces, 40, [(900, 900), (2000, 1500), (3100, 2100)])[0])
    for least, said in ((None, "81 pixels or more"), (64, "64 pixels or more")):
        for which in ("all", "largest"):
            [rejected] = apply(Detect(faces=which, min_face=least), [group])
            assert isinstance(rejected, Rejected)
            assert f"yunet found none of {said}" in rejected.detail


@pytest.mark.parametrize("detector", ["yunet", "mtcnn"])
@pytest.mark.usefixtures("models_home")
def test_only_the_faces_that_are_large_enough_are_reported(detector: str, faces: list[tuple[Pixels, Floats]]) -> None:
    """And a large one beside the middle is the main one, where a smaller one in it is not asked for."""
    scene, small = composed((600, 900), faces, 60, [(450, 300)])
    large, boxes = composed((600, 900), faces, 80, [(300, 300)])
    scene[:, :385] = large[:, :385]
    everyone = detected(Detect(detector, "all", 40), photo(scene))
    assert iou(everyone.boxes[0], small[0]) > 0.4
    assert len(everyone) == 2
    for which in ("all", "largest"):
        found = detected(Detect(detector, which, 72), photo(scene))
        assert len(found) == 1
        assert iou(found.boxes[0], boxes[0]) > 0.4


@pytest.mark.usefixtures("models_home")
def test_a_panorama_shows_all_its_faces(faces: list[tuple[Pixels, Floats]]) -> None:
    places = [(x, y) for x in range(200, 15900, 523) for y in (120, 700, 1380)]
    panorama, boxes = composed((1500, 16_000), faces, 100, places)
    tracemalloc.start()
    start = time.perf_counter()
    found = detected(Detect(faces="all", min_face=80), photo(panorama))
    seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_each_once(found, boxes)
    assert seconds < 5  # 0.2 s on one core
    assert peak < panorama.nbytes  # 72 MB
    [rejected] = apply(Detect(faces="all"), [photo(panorama)])
    assert isinstance(rejected, Rejected)
    assert "320 pixels or more" in rejected.detail


@pytest.mark.usefixtures("models_home")
def test_faces_too_large_for_the_tiles_are_found_with_the_small_ones(faces: list[tuple[Pixels, Floats]]) -> None:
    scene, boxes = composed((3000, 4000), faces, 40, [(300, 300), (3700, 300), (300, 2700)])
    large, close = composed((3000, 4000), faces, 900, [(2000, 1500)])
    scene[400:2600, 900:3100] = large[400:2600, 900:3100]
    assert_each_once(detected(Detect(faces="all", min_face=32), photo(scene)), np.concatenate([close, boxes]))
    main = detected(Detect(min_face=32), photo(scene))
    assert len(main) == 1
    assert iou(main.boxes[0], close[0]) > 0.5


@pytest.mark.usefixtures("models_home")
def test_the_main_face_alone_is_the_first_of_all(faces: list[tuple[Pixels, Floats]]) -> None:
    for side, least in ((50, None), (120, 32), (200, 90)):
        places = [(300, 300), (900, 450), (1500, 300), (300, 900), (1500, 900)]
        scene = photo(composed((1200, 1800), faces, side, places)[0])
        everyone = detected(Detect(faces="all", min_face=least), scene)
        main = detected(Detect(min_face=least), scene)
        assert len(main) == 1
        assert iou(main.boxes[0], everyone.boxes[0]) > 0.9
        assert iou(main.boxes[0], np.array([900 - side / 2, 450 - side / 2, 900 + side / 2, 450 + side / 2])) > 0.5


@pytest.mark.usefixtures("models_home")
def test_more_pixels_than_the_reduced_photo_has_are_decoded_for_small_faces(
    faces: list[tuple[Pixels, Floats]],
) -> None:
    group, boxes = composed((1600, 2400), faces, 40, [(400, 400), (1200, 800), (2000, 1200)])
    data = encode(group, "jpeg")
    small = decode(data, longest=600, max_megapixels=10)
    assert small.scale == 0.25
    reduced = Photo(Origin("x"), small.pixels, small.width, small.height, small.scale, data)
    assert_each_once(detected(Detect(faces="all", min_face=32), reduced), boxes)


@pytest.mark.parametrize("scale", [0.4, 1, 3])
@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.usefixtures("models_home")
def test_a_photo_on_its_side_has_its_faces_in_its_own_frame(
    quarters: int, scale: float, hopper_photo: Photo, astronaut: bytes
) -> None:
    for picture in (hopper_photo.pixels, pixels(astronaut)):
        upright = detected(Detect(faces="all"), photo(resized(picture, scale)))
        assert upright.turned == 0
        turned = np.ascontiguousarray(np.rot90(upright.photo.pixels, -quarters))
        found = detected(Detect(faces="all"), photo(turned))
        assert found.turned == 90 * quarters
        assert len(found) == len(upright) == 1
        assert iou(found.boxes[0], on_its_side(upright.boxes, upright.photo.pixels.shape, quarters)[0]) > 0.85
        for cut in VIEWS.values():
            [[wanted], [crop]] = (cut_faces(each, [cut])[0] for each in (upright, found))
            assert crop.face.turned == 90 * quarters
            values = [crop.pixels, *(np.rot90(crop.pixels, k) for k in (1, 2, 3))]
            alike = [np.corrcoef(value.ravel(), wanted.pixels.ravel())[0, 1] for value in values]
            assert np.argmax(alike) == 0, cut.name
            assert alike[0] > 0.8, cut.name


@pytest.mark.usefixtures("models_home")
def test_a_reduced_photo_on_its_side_has_boxes_and_landmarks_of_the_full_size(hopper_photo: Photo) -> None:
    turned = np.ascontiguousarray(np.rot90(hopper_photo.pixels, -1))
    full = detected(Detect(), photo(turned))
    half = Photo(Origin("half"), resized(turned, 0.5), turned.shape[1], turned.shape[0], 0.5)
    again = detected(Detect(), half)
    assert full.turned == again.turned == 90
    assert iou(full.boxes[0], again.boxes[0]) > 0.85
    assert full.landmarks is not None
    assert again.landmarks is not None
    np.testing.assert_allclose(full.landmarks, again.landmarks, atol=8)


@pytest.mark.usefixtures("models_home")
def test_a_group_on_its_side_is_found_whole(faces: list[tuple[Pixels, Floats]]) -> None:
    group, boxes = composed((500, 800), faces, 60, [(100, 120), (400, 250), (700, 380), (120, 400)])
    found = detected(Detect(faces="all"), photo(np.ascontiguousarray(np.rot90(group, -1))))
    assert found.turned == 90
    assert_each_once(found, on_its_side(boxes, group.shape, 1))


@pytest.mark.parametrize("detector", ["hog", "haar", "mtcnn"])
@pytest.mark.usefixtures("models_home")
def test_every_detectors_faces_have_landmarks_from_the_second_look(detector: str, astronaut: bytes) -> None:
    faces = detected(Detect(detector), photo(astronaut))
    assert faces.landmarks is not None
    np.testing.assert_allclose(faces.landmarks[0], COLLINS, atol=7)
    assert faces.turned == 0


@pytest.mark.parametrize("detector", ["hog", "haar"])
@pytest.mark.usefixtures("models_home")
def test_without_a_second_look_they_have_none_and_dlibs_points_are_used(
    detector: str, astronaut: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    find = DlibLandmarks.__call__

    def recorded(self: DlibLandmarks, pixels: Pixels, box: Box) -> Floats:
        asked.append(self.name)
        return find(self, pixels, box)

    monkeypatch.setattr(DlibLandmarks, "__call__", recorded)
    for second_look, points in ((True, []), (False, ["dlib-5"])):
        found = detected(Detect(detector, second_look=second_look), photo(astronaut))
        assert (found.landmarks is None) != second_look
        assert len(cut_faces(found, [VIEWS["dlib"]])[0]) == 1
        assert asked == points


@pytest.mark.usefixtures("models_home")
def test_without_a_second_look_mtcnn_answers_as_it_does_alone(hopper_photo: Photo, astronaut: bytes) -> None:
    for picture in (hopper_photo, photo(astronaut)):
        alone = MTCNN()(picture.pixels, largest=True)
        found = detected(Detect("mtcnn", second_look=False), picture)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_array_equal(found.scores, alone.scores)
        turned = photo(np.ascontiguousarray(np.rot90(picture.pixels, 2)))
        [result] = apply(Detect("mtcnn", second_look=False), [turned])
        assert isinstance(result, Rejected) or result.turned == 0


@pytest.mark.usefixtures("models_home")
def test_a_face_that_fills_the_photo_is_found_with_a_border_around_it(astronaut: bytes) -> None:
    cut = np.ascontiguousarray(pixels(astronaut)[75:165, 185:260])
    found = detected(Detect(), photo(cut))
    assert found.turned == 0
    assert sides(found.boxes)[0] > 60
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [75, 90, 75, 90]).all()
    assert found.landmarks is not None
    np.testing.assert_allclose(found.landmarks[0], np.array(COLLINS) - [185, 75], atol=9)


@pytest.mark.usefixtures("models_home")
def test_a_near_miss_of_the_second_look_is_said(astronaut: bytes) -> None:
    blurred = np.asarray(cv2.GaussianBlur(resized(pixels(astronaut), 0.2), (0, 0), 2.5), np.uint8)
    [rejected] = apply(Detect(), [photo(blurred)])
    assert isinstance(rejected, Rejected)
    assert re.fullmatch(
        r"yunet found none of 20 pixels or more; the best candidate scored 0\.[3-5]\d, below the threshold",
        rejected.detail,
    )


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
