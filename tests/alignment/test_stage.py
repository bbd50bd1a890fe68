"""Crops of real faces, against dlib's own cutting and OpenFace's formula."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest

from mien import models
from mien.alignment import warp
from mien.alignment.landmarks import DlibLandmarks
from mien.alignment.stage import Align, cut_faces
from mien.alignment.views import OPENFACE_LANDMARKS, VIEWS, View, ViewOptions, view
from mien.detection.stage import Detect
from mien.images import decode, reading
from mien.images import stage as images_stage
from mien.types import Box, Crop, Faces, Floats, Origin, Photo, Pixels, Reason, Rejected

pytestmark = pytest.mark.usefixtures("models_home")

_COLLINS: Box = (170.0, 60.0, 280.0, 200.0)
_EYES_NOSE_MOUTH = [[205, 112], [245, 112], [226, 140], [206, 160], [244, 160]]

# dlib's mean face of five points in the unit square: the corners of the eye on the right of the picture (outer,
# inner), of the other eye (outer, inner), and the base of the nose.
_DLIB_MEAN = (
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)
# dlib measures from the corner of the first pixel, and this program from its middle.
_CHIP = tuple(((x + 0.25) / 1.5 - 0.5 / 150, (y + 0.25) / 1.5 - 0.5 / 150) for x, y in _DLIB_MEAN)
_BY_SHAPE_MODEL = View("dlib", "dlib-5", "similarity", 150, (0, 1, 2, 3, 4), _CHIP)
"""The view as bundles pin it that were trained before YuNet's points served for it."""


def _faces(pixels: Pixels, box: Box = _COLLINS, landmarks: list[list[int]] | None = None) -> Faces:
    height, width = pixels.shape[:2]
    photo = Photo(Origin("collins"), pixels, width, height)
    points = None if landmarks is None else np.array([landmarks], np.float32)
    return Faces(photo, np.array([box], np.float32), np.ones(1, np.float32), points)


@pytest.fixture(scope="module")
def collins(astronaut: bytes) -> Pixels:
    return decode(astronaut, max_megapixels=1).pixels


def _one(stage: Align, faces: Faces) -> Crop:
    (crop,) = stage([faces])
    assert isinstance(crop, Crop)
    return crop


def test_a_view_by_dlibs_points_cuts_as_dlib_does(collins: Pixels) -> None:
    pinned = View.from_json(json.loads(json.dumps(_BY_SHAPE_MODEL.as_json())))
    crop = _one(Align(pinned), _faces(collins, landmarks=_EYES_NOSE_MOUTH))
    x1, y1, x2, y2 = _COLLINS
    half, x, y = (x2 - x1 + y2 - y1) / 4, (x1 + x2) / 2, (y1 + y2) / 2
    square = dlib.rectangle(round(x - half), round(y - half), round(x + half), round(y + half))
    shape = dlib.shape_predictor(str(models.ensure("dlib-landmarks-5")))(collins, square)
    theirs = dlib.get_face_chip(collins, shape, 150, 0.25)
    assert np.abs(crop.pixels.astype(int) - theirs).mean() < 2.0


def _distance(pixels: Pixels, monkeypatch: pytest.MonkeyPatch) -> float:
    """How far apart the dlib view puts a photo's main face from where the same by dlib's points does, in pixels."""
    matrices: list[Floats] = []

    def recorded(pixels: Pixels, matrix: Floats, _: int) -> Pixels:
        matrices.append(matrix)
        return pixels

    monkeypatch.setattr(warp, "warp_crop", recorded)
    (faces,) = Detect()([Photo(Origin("x"), pixels, pixels.shape[1], pixels.shape[0])])
    assert isinstance(faces, Faces)
    cut_faces(faces, [_BY_SHAPE_MODEL, view("dlib")])
    ours, theirs = (np.vstack([matrix, [0, 0, 1]]).astype(np.float64) for matrix in matrices)
    corners = np.array([[25, 25, 1], [125, 25, 1], [25, 125, 1], [125, 125, 1]]).T
    return float(np.linalg.norm((theirs @ np.linalg.inv(ours) @ corners - corners)[:2], axis=0).mean())


def test_the_dlib_view_cuts_nearly_as_dlib_does(
    collins: Pixels, hopper: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pixels in (collins, decode(hopper, max_megapixels=1).pixels):
        assert _distance(pixels, monkeypatch) < 11


def test_the_dlib_view_cuts_photos_of_people_nearly_as_dlib_does(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = sorted((data / "identity" / "lfw").glob("*/*.jpg"))[::18]
    away = [_distance(decode(path.read_bytes(), max_megapixels=1).pixels, monkeypatch) for path in photos]
    assert len(away) > 100
    assert np.median(away) < 6  # of 150 pixels
    assert np.quantile(away, 0.95) < 13


def test_several_views_share_the_landmarks_of_a_face(collins: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    views = [view("dlib"), view("dlib", ViewOptions(size=112)), view("box"), view("dlib", ViewOptions(grey=True))]
    alone = [_one(Align(each), _faces(collins)) for each in views]
    looked: list[str] = []
    find = DlibLandmarks.__call__

    def counted(self: DlibLandmarks, pixels: Pixels, box: Box) -> Floats:
        looked.append(self.name)
        return find(self, pixels, box)

    monkeypatch.setattr(DlibLandmarks, "__call__", counted)
    together = cut_faces(_faces(collins), views)
    assert looked == ["dlib-5"]
    for (crop,), same in zip(together, alone, strict=True):
        assert np.array_equal(crop.pixels, same.pixels)


def test_a_face_that_any_view_cannot_cut_is_left_out_of_all(collins: Pixels) -> None:
    one_spot = [[100, 100]] * 5
    assert cut_faces(_faces(collins, landmarks=one_spot), [view("dlib"), view("arcface")]) == [[], []]
    assert [len(column) for column in cut_faces(_faces(collins, landmarks=one_spot), [_BY_SHAPE_MODEL])] == [1]


@pytest.mark.parametrize("landmarks", list(OPENFACE_LANDMARKS))
def test_the_openface_view_is_the_affine_map_of_its_three_landmarks(collins: Pixels, landmarks: str) -> None:
    crop = _one(Align(view("openface", ViewOptions(landmarks=landmarks))), _faces(collins))
    points = DlibLandmarks("dlib-68")(collins, _COLLINS)
    indices, template = OPENFACE_LANDMARKS[landmarks]
    matrix = cv2.getAffineTransform(points[list(indices)], np.array(template, np.float32) * 96)
    theirs = cv2.warpAffine(collins, matrix, (96, 96))
    assert crop.pixels.shape == (96, 96, 3)
    assert np.abs(crop.pixels.astype(int) - theirs).mean() < 3.0


def test_the_arcface_view_brings_the_eyes_to_their_places(collins: Pixels) -> None:
    marked = collins.copy()
    for x, y in _EYES_NOSE_MOUTH[:2]:
        cv2.circle(marked, (x, y), 3, (255, 0, 255), -1)
    crop = _one(Align(view("arcface")), _faces(marked, landmarks=_EYES_NOSE_MOUTH))
    purple = (crop.pixels[..., 0] > 200) & (crop.pixels[..., 1] < 80) & (crop.pixels[..., 2] > 200)
    rows, columns = np.nonzero(purple)
    assert abs(columns[columns < 56].mean() - 38.3) < 4
    assert abs(columns[columns > 56].mean() - 73.5) < 4
    assert abs(rows.mean() - 51.6) < 4


@pytest.mark.parametrize("name", ["arcface", "dlib", "fer"])
def test_without_the_detectors_landmarks_dlibs_eyes_are_used(name: str, collins: Pixels) -> None:
    with_points = _one(Align(view(name)), _faces(collins, landmarks=_EYES_NOSE_MOUTH)).pixels
    without = _one(Align(view(name)), _faces(collins)).pixels
    assert np.corrcoef(with_points.ravel(), without.ravel())[0, 1] > 0.6


@pytest.mark.parametrize("name", ["arcface", "dlib", "fer"])
def test_with_the_detectors_landmarks_no_other_model_is_asked(
    name: str, collins: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DlibLandmarks, "__call__", lambda *_: pytest.fail("dlib's model was asked"))
    assert _one(Align(view(name)), _faces(collins, landmarks=_EYES_NOSE_MOUTH)).pixels.any()


def _on_its_side(faces: Faces, quarters: int) -> Faces:
    """The same photo, turned clockwise by so many quarters."""
    pixels, boxes, marks = faces.photo.pixels, faces.boxes.reshape(-1, 2, 2), faces.landmarks
    for _ in range(quarters):
        boxes = np.stack([pixels.shape[0] - boxes[..., 1], boxes[..., 0]], axis=-1)
        marks = None if marks is None else np.stack([pixels.shape[0] - 1 - marks[..., 1], marks[..., 0]], axis=-1)
        pixels = np.rot90(pixels, -1)
    photo = Photo(Origin("x"), np.ascontiguousarray(pixels), pixels.shape[1], pixels.shape[0])
    boxes = np.concatenate([boxes.min(axis=1), boxes.max(axis=1)], axis=1)
    return Faces(photo, boxes, faces.scores, marks, turned=90 * quarters)


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("cut", [*VIEWS.values(), _BY_SHAPE_MODEL], ids=[*VIEWS, "dlib-5"])
@pytest.mark.parametrize("landmarks", [_EYES_NOSE_MOUTH, None], ids=["landmarks", "box"])
def test_a_photo_on_its_side_gives_the_same_crops(
    cut: View, quarters: int, landmarks: list[list[int]] | None, collins: Pixels
) -> None:
    upright = _faces(np.ascontiguousarray(collins[:400]), landmarks=landmarks)
    wanted = _one(Align(cut), upright).pixels
    found = _one(Align(cut), _on_its_side(upright, quarters))
    assert found.face.turned == 90 * quarters
    # Where many pixels make one of the crop, they are counted from another corner of the photo.
    assert np.abs(found.pixels.astype(int) - wanted).mean() < (4 if cut.size < 50 else 1.5)


def test_the_box_view_can_be_grey(collins: Pixels) -> None:
    crop = _one(Align(view("box", ViewOptions(size=48, margin=0.0, grey=True))), _faces(collins))
    assert crop.pixels.shape == (48, 48)
    assert crop.pixels.dtype == np.uint8


def test_a_crop_of_a_reduced_photo_is_cut_from_more_pixels(hopper: bytes) -> None:
    pixels = decode(hopper, max_megapixels=1).pixels
    big = cv2.resize(pixels, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    data = cv2.imencode(".jpg", big[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    height, width = big.shape[:2]
    small = decode(data, longest=400, max_megapixels=10)
    assert small.scale < 0.5
    reduced = Photo(Origin("h"), small.pixels, width, height, small.scale, data)
    box = np.array([[540, 348, 1059, 1014]], np.float32)
    score = np.ones(1, np.float32)
    ours = _one(Align(view("dlib")), Faces(reduced, box, score)).pixels
    full = _one(Align(view("dlib")), Faces(Photo(Origin("h"), big, width, height), box, score)).pixels
    # The landmarks are whole pixels of what they were found in, so that the crops differ by a hair.
    assert np.corrcoef(ours.ravel(), full.ravel())[0, 1] > 0.95


def _reduced(hopper: bytes) -> Photo:
    """A large JPEG of a face, decoded at a quarter or less."""
    big = cv2.resize(decode(hopper, max_megapixels=1).pixels, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", big[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    small = decode(data, longest=300, max_megapixels=10)
    assert small.scale <= 0.25
    return Photo(Origin("h"), small.pixels, small.width, small.height, small.scale, data)


def test_a_photo_is_decoded_again_once_for_all_faces(hopper: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, asked = _reduced(hopper), []

    def counted(data: bytes, scale: float) -> object:
        asked.append(scale)
        return reading.decode_at(data, scale)

    monkeypatch.setattr(images_stage, "decode_at", counted)
    boxes = np.array([[720, 464, 1412, 1352], [800, 500, 1000, 700], [1000, 500, 1100, 620], [10, 10, 90, 90]])
    crops = list(Align(view("box"))([Faces(photo, boxes.astype(np.float32), np.ones(4, np.float32))]))
    assert [crop.face.index for crop in crops if isinstance(crop, Crop)] == [0, 1, 2, 3]
    assert asked == [1.0]


def test_a_face_with_enough_pixels_is_not_affected_by_one_that_needs_more(hopper: bytes) -> None:
    photo = _reduced(hopper)
    boxes = np.array([[720, 464, 1412, 1372], [800, 500, 900, 600]], np.float32)
    stage = Align(view("box"))
    alone = [_one(stage, Faces(photo, boxes[i : i + 1], np.ones(1, np.float32))).pixels for i in (0, 1)]
    together = [crop.pixels for crop in stage([Faces(photo, boxes, np.ones(2, np.float32))]) if isinstance(crop, Crop)]
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))


def test_a_photo_that_cannot_be_decoded_again_does_not_affect_the_others(hopper: bytes) -> None:
    photo = _reduced(hopper)
    assert photo.data is not None
    broken = replace(photo, data=photo.data[: len(photo.data) // 2])
    box = np.array([[10, 10, 90, 90]], np.float32)
    (result,) = Align(view("box"))([Faces(broken, box, np.ones(1, np.float32))])
    assert isinstance(result, Rejected)
    assert (result.key, result.reason) == ("h", Reason.UNREADABLE)


def test_a_face_whose_landmarks_coincide_is_rejected_with_a_reason(collins: Pixels) -> None:
    (result,) = Align(view("arcface"))([_faces(collins, landmarks=[[5, 5]] * 5)])
    assert isinstance(result, Rejected)
    assert result.reason is Reason.NO_FACE


def test_one_crop_per_face_in_the_order_of_the_faces(collins: Pixels) -> None:
    faces = _faces(collins)
    two = Faces(faces.photo, np.repeat(faces.boxes, 2, 0), np.array([0.9, 0.8], np.float32))
    crops = list(Align(view("box"))([two]))
    assert [crop.face.index for crop in crops if isinstance(crop, Crop)] == [0, 1]


def test_the_stage_pickles_as_configuration() -> None:
    stage = Align(view("dlib"))
    assert pickle.loads(pickle.dumps(stage)) == stage
    assert len(pickle.dumps(stage)) < 2000
