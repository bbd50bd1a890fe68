"""Angles follow the head that is shown, mirrored and turned pictures included; a share tells how much is cut off."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import pytest

from mien.curate.pose import inside, pose
from mien.detect import DETECTORS, Detections
from mien.images import decode
from mien.types import Floats, Pixels

_SWAPPED = [1, 0, 2, 4, 3]


def _shown(*, roll: float = 0, yaw: float = 0, pitch: float = 0) -> tuple[Floats, Floats]:
    """Landmarks and box of a made-up head, 100 pixels from eyes to mouth, seen under these angles."""
    head = np.array([[-48, -50, 0], [48, -50, 0], [0, 5, -60], [-40, 50, 0], [40, 50, 0]])
    y, p, r = np.radians([yaw, pitch, roll])
    aside = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    up = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    round_ = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    seen = (head @ (round_ @ up @ aside).T)[:, :2] + 300
    return seen[None].astype(np.float32), np.array([[200, 150, 400, 420]], np.float32)


@pytest.fixture(scope="module")
def photo(astronaut: bytes) -> Pixels:
    return decode(astronaut, max_megapixels=1).pixels


def _found(pixels: Pixels, models_home: object) -> Detections:
    found: Detections = DETECTORS.load("mtcnn")(min_face=20)(np.ascontiguousarray(pixels), largest=True)
    return found


@pytest.mark.parametrize("name", ["roll", "yaw", "pitch"])
@pytest.mark.parametrize("angle", [-50, -20, 0, 20, 50])
def test_a_turned_head_is_measured(name: str, angle: float) -> None:
    found = pose(*_shown(**{name: angle}))
    assert {key: round(float(value[0])) for key, value in found.items()} == {
        key: angle if key == name else 0 for key in ("roll", "yaw", "pitch")
    }


def test_the_nose_says_where_a_head_looks() -> None:
    straight, box = _shown()
    right = straight + np.array([[0, 0], [0, 0], [15, 0], [0, 0], [0, 0]], np.float32)
    up = straight - np.array([[0, 0], [0, 0], [0, 15], [0, 0], [0, 0]], np.float32)
    assert pose(right, box)["yaw"][0] > 5
    assert pose(up, box)["pitch"][0] > 5


def test_angles_do_not_depend_on_each_other() -> None:
    both = pose(*_shown(roll=30, yaw=-35, pitch=10))
    assert [round(float(both[name][0])) for name in ("roll", "yaw", "pitch")] == [30, -35, 10]


def test_mirrored_faces_have_mirrored_angles() -> None:
    drawn = np.random.default_rng(0).normal(0, 8, (50, 5, 2))
    landmarks = (_shown(yaw=20, roll=5)[0] + drawn).astype(np.float32)
    boxes = np.tile(_shown()[1], (50, 1))
    mirrored = (landmarks * [-1, 1] + [600, 0]).astype(np.float32)[:, _SWAPPED]
    plain, other = pose(landmarks, boxes), pose(mirrored, boxes)
    for name, sign in (("roll", -1), ("yaw", -1), ("pitch", 1)):
        np.testing.assert_allclose(other[name], sign * plain[name], atol=1e-2)


def test_neither_size_nor_place_changes_angles() -> None:
    landmarks, boxes = _shown(yaw=25, pitch=-10)
    small = pose((landmarks * 0.1 - 7).astype(np.float32), boxes * 0.1)
    for name, values in pose(landmarks, boxes).items():
        np.testing.assert_allclose(small[name], values, atol=1e-2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, 0, np.inf])
def test_landmarks_that_tell_nothing_give_no_angles(value: float) -> None:
    known, box = _shown()
    landmarks = np.concatenate([np.full((1, 5, 2), value, np.float32), known])
    boxes = np.concatenate([box, box])
    found = pose(landmarks, boxes)
    assert all(np.isnan(values[0]) and not np.isnan(values[1]) for values in found.values())
    assert inside(boxes, landmarks, 600, 600).tolist() == [1, 1]


def test_landmarks_on_one_line_raise_no_warning() -> None:
    line = np.stack([np.arange(5), np.zeros(5)], axis=1)[None].astype(np.float32) * 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pose(line, _shown()[1])


def test_no_face_is_no_angle() -> None:
    found = pose(np.zeros((0, 5, 2), np.float32), np.zeros((0, 4), np.float32))
    assert {name: (values.shape, values.dtype) for name, values in found.items()} == dict.fromkeys(
        ("roll", "yaw", "pitch"), ((0,), np.dtype(np.float32))
    )
    assert inside(np.zeros((0, 4), np.float32), None, 10, 10).shape == (0,)


def test_without_landmarks_the_share_is_that_of_the_box() -> None:
    boxes = np.array([[0, 0, 10, 10], [-5, 0, 5, 10], [20, 20, 30, 30]], np.float32)
    assert inside(boxes, None, 20, 20).tolist() == [1, 0.5, 0]


def test_a_face_away_from_the_edges_is_whole_however_its_landmarks_lie() -> None:
    landmarks, boxes = _shown(yaw=40)
    assert inside(boxes, landmarks - 500, 600, 600).tolist() == [1]


@pytest.mark.parametrize("edge", ["left", "right", "top", "bottom"])
@pytest.mark.parametrize("share", [0.2, 0.45])
def test_what_is_cut_off_a_face_is_missing_although_its_box_ends_at_the_edge(edge: str, share: float) -> None:
    landmarks, boxes = _shown()
    x1, y1, x2, y2 = boxes[0]
    wide, high = share * (x2 - x1), share * (y2 - y1)
    left, top, right, bottom = 0.0, 0.0, 600.0, 600.0
    match edge:
        case "left":
            left = x1 + wide
        case "right":
            right = x2 - wide
        case "top":
            top = y1 + high
        case _:
            bottom = y2 - high
    clipped = np.clip(boxes, [left, top, left, top], [right, bottom, right, bottom]) - [left, top, left, top]
    moved = landmarks - np.array([left, top], np.float32)
    shown = inside(clipped.astype(np.float32), moved, round(right - left), round(bottom - top))
    assert shown[0] == pytest.approx(1 - share, abs=0.12)


def test_a_real_face_is_seen_as_it_looks(photo: Pixels, models_home: object) -> None:
    found = _found(photo, models_home)
    mirrored = _found(photo[:, ::-1], models_home)
    turned = cv2.warpAffine(photo, cv2.getRotationMatrix2D((220, 120), -20, 1), photo.shape[1::-1]).astype(np.uint8)
    assert found.landmarks is not None
    assert mirrored.landmarks is not None
    straight, other = pose(found.landmarks, found.boxes), pose(mirrored.landmarks, mirrored.boxes)
    assert all(abs(straight[name][0]) < 25 for name in straight)
    assert other["yaw"][0] == pytest.approx(-straight["yaw"][0], abs=10)
    rolled = _found(turned, models_home)
    assert rolled.landmarks is not None
    assert pose(rolled.landmarks, rolled.boxes)["roll"][0] - straight["roll"][0] == pytest.approx(20, abs=8)


def test_a_real_face_that_is_cut_off_is_found_so(photo: Pixels, models_home: object) -> None:
    whole = _found(photo, models_home)
    x1, _, x2, _ = (float(value) for value in whole.boxes[0])
    cut = photo[:, : round(x1 + 0.6 * (x2 - x1))]
    part = _found(cut, models_home)
    assert inside(whole.boxes, whole.landmarks, photo.shape[1], photo.shape[0]).tolist() == [1]
    assert inside(part.boxes, part.landmarks, cut.shape[1], cut.shape[0])[0] < 0.8
