"""What is measured of a photo and its faces, and how the cache keeps it."""

from __future__ import annotations

import warnings
from typing import Any

import cv2
import numpy as np
import pytest

from mien.curation.features import THUMB, ImageFeatures, face_quality, grey_thumbnail, pack, pose, unpack, visible_share
from mien.detection import DETECTORS, Detections
from mien.images import decode
from mien.models import IDENTITY_EMBEDDER
from mien.types import Floats, Origin, Pixels, Reason, Rejected

# Figures of how well a face can be seen move as the eye would say.


@pytest.fixture(scope="module")
def face(astronaut: bytes) -> Pixels:
    return np.ascontiguousarray(decode(astronaut, max_megapixels=1).pixels[64:173, 181:266])


def test_a_blurred_face_is_less_sharp(face: Pixels) -> None:
    figures = [face_quality(cv2.GaussianBlur(face, (0, 0), s).astype(np.uint8), 85).sharpness for s in (0.5, 1, 2, 4)]
    assert figures == sorted(figures, reverse=True)
    assert figures[-1] < 50 < figures[0]


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 135])
def test_a_face_that_moved_is_less_sharp_whatever_its_direction(face: Pixels, angle: float) -> None:
    streak = np.zeros((17, 17), np.float32)
    streak[8] = 1 / 17
    turned = cv2.warpAffine(streak, cv2.getRotationMatrix2D((8, 8), angle, 1), (17, 17))
    moved = cv2.filter2D(face, -1, turned / turned.sum()).astype(np.uint8)
    assert face_quality(moved, 85).sharpness < 40 < face_quality(face, 85).sharpness


def test_brightness_follows_the_light(face: Pixels) -> None:
    dark, plain, bright = (
        face_quality(np.clip(face * factor, 0, 255).astype(np.uint8), 85).brightness for factor in (0.3, 1, 1.6)
    )
    assert 0 <= dark < plain < bright <= 1


def test_a_flat_face_has_no_contrast_and_no_sharpness() -> None:
    flat = face_quality(np.full((40, 30, 3), 128, np.uint8), 30)
    assert (flat.contrast, flat.sharpness) == (0, 0)
    assert flat.brightness == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (2000, 1500, 3)])
def test_any_size_can_be_measured(shape: tuple[int, int, int]) -> None:
    assert face_quality(np.zeros(shape, np.uint8), min(shape[:2])).as_json()["brightness"] == 0


def test_the_same_face_larger_is_about_as_sharp(face: Pixels) -> None:
    large = cv2.resize(face, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    assert face_quality(large, 255).sharpness == pytest.approx(face_quality(face, 85).sharpness, rel=0.5)


# Angles follow the head that is shown, mirrored and turned pictures included; a share tells how much is cut off.


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


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_photo_on_its_side_does_not_turn_the_heads_in_it(turned: int) -> None:
    landmarks, boxes = _shown(roll=10, yaw=-35, pitch=10)
    lying = landmarks
    for _ in range(turned // 90):
        lying = np.stack([400 - lying[..., 1], lying[..., 0]], axis=-1)
    wanted = pose(landmarks, boxes)
    for name, value in pose(lying, boxes, turned).items():
        assert value == pytest.approx(wanted[name], abs=0.01), name


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
    assert visible_share(boxes, landmarks, 600, 600).tolist() == [1, 1]


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
    assert visible_share(np.zeros((0, 4), np.float32), None, 10, 10).shape == (0,)


def test_without_landmarks_the_share_is_that_of_the_box() -> None:
    boxes = np.array([[0, 0, 10, 10], [-5, 0, 5, 10], [20, 20, 30, 30]], np.float32)
    assert visible_share(boxes, None, 20, 20).tolist() == [1, 0.5, 0]


def test_a_face_away_from_the_edges_is_whole_however_its_landmarks_lie() -> None:
    landmarks, boxes = _shown(yaw=40)
    assert visible_share(boxes, landmarks - 500, 600, 600).tolist() == [1]


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
    shown = visible_share(clipped.astype(np.float32), moved, round(right - left), round(bottom - top))
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
    assert visible_share(whole.boxes, whole.landmarks, photo.shape[1], photo.shape[0]).tolist() == [1]
    assert visible_share(part.boxes, part.landmarks, cut.shape[1], cut.shape[0])[0] < 0.8


# A photo's small grey picture is one size, and the same for its smaller copies.


def test_every_photo_becomes_the_same_square(astronaut: bytes, hopper: bytes) -> None:
    for data in (astronaut, hopper):
        small = grey_thumbnail(decode(data, max_megapixels=1).pixels)
        assert small.shape == (THUMB, THUMB)
        assert small.dtype == np.uint8
        assert small.std() > 30


def test_pictures_of_any_size_have_one(hopper: bytes) -> None:
    pixels = decode(hopper, max_megapixels=1).pixels
    for height, width in ((1, 1), (1, 500), (500, 1), (48, 48), (64, 64), (48, 300)):
        small = grey_thumbnail(pixels[:height, :width])
        assert small.shape == (THUMB, THUMB)


def test_a_smaller_copy_has_nearly_the_same(hopper: bytes) -> None:
    pixels = decode(hopper, max_megapixels=1).pixels
    smaller = np.asarray(cv2.resize(pixels, (250, 300), interpolation=cv2.INTER_AREA), np.uint8)
    apart = grey_thumbnail(pixels).astype(int) - grey_thumbnail(smaller).astype(int)
    assert np.abs(apart).mean() < 3


def test_grey_and_colour_give_the_same_picture() -> None:
    grey = np.arange(100 * 80, dtype=np.uint32).reshape(100, 80).astype(np.uint8)
    assert np.array_equal(grey_thumbnail(grey), grey_thumbnail(np.repeat(grey[:, :, None], 3, axis=2)))


# What a photo shows, as the cache keeps it.


MEASURES = ("side", "sharpness", "brightness", "contrast", "roll", "yaw", "pitch", "inside")


def photo_record(n: int, *, landmarks: bool = True) -> ImageFeatures:
    """A photo with n faces of random figures."""
    rng = np.random.default_rng(n)

    def column(*shape: int) -> Any:
        return rng.normal(size=(n, *shape)).astype(np.float32)

    return ImageFeatures(
        origin=Origin("a/b.jpg", "a"),
        digest=bytes(range(32)),
        width=640,
        height=480,
        thumb=rng.integers(0, 256, (THUMB, THUMB)).astype(np.uint8),
        colour=rng.normal(size=12).astype(np.float32),
        boxes=column(4),
        scores=column(),
        landmarks=column(5, 2) if landmarks else None,
        quality={name: column() for name in MEASURES},
        vectors={IDENTITY_EMBEDDER: column(128), "traits": column(256)},
        traits={"mask": column(3), "glasses": column(3)},
        turned=90,
    )


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype != np.uint8))
    return bool(one == other)


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("landmarks", [True, False])
def test_what_is_packed_comes_back(n: int, landmarks: bool) -> None:
    before = photo_record(n, landmarks=landmarks)
    data = pack([before])
    assert data is not None
    (after,) = unpack(data, before.origin)
    for name in ImageFeatures.__slots__:
        assert same(getattr(before, name), getattr(after, name)), name


def test_figures_that_are_missing_stay_missing() -> None:
    before = photo_record(2)
    before.vectors["traits"][1] = np.nan
    data = pack([before])
    assert data is not None
    (after,) = unpack(data, before.origin)
    assert isinstance(after, ImageFeatures)
    assert np.isnan(after.vectors["traits"][1]).all()
    assert np.isfinite(after.vectors["traits"][0]).all()


def test_it_comes_back_under_the_name_that_the_photo_has_now() -> None:
    data = pack([photo_record(1)])
    assert data is not None
    (after,) = unpack(data, Origin("elsewhere.jpg", "b", "test"))
    assert after.key == "elsewhere.jpg"
    assert after.origin.label == "b"


def test_a_photo_takes_up_little() -> None:
    data = pack([photo_record(1)])
    assert data is not None
    assert len(data) < 8192


def test_what_could_not_be_looked_at_is_not_remembered() -> None:
    assert pack([Rejected(Origin("a"), "decode", Reason.UNREADABLE)]) is None
    assert pack([Rejected(Origin("a"), "detect", Reason.NO_FACE)]) is None


def test_what_comes_back_cannot_be_written_to() -> None:
    data = pack([photo_record(1)])
    assert data is not None
    (after,) = unpack(data, Origin("a"))
    assert isinstance(after, ImageFeatures)
    with pytest.raises(ValueError, match="read-only"):
        after.thumb[0, 0] = 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no line",
        b"[]\n",
        b"{}\n",
        b"\xff\xfe\n",
        b'{"arrays":[["|O",[1]]],"groups":{},"size":[1,1]}\n' + bytes(8),
        b'{"arrays":[["<f4",[1000]]],"groups":{},"size":[1,1]}\n' + bytes(8),
    ],
)
def test_bytes_of_something_else_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        unpack(data, Origin("a"))


def test_a_record_that_was_cut_short_is_refused() -> None:
    data = pack([photo_record(1)])
    assert data is not None
    for length in (len(data) - 1, len(data) // 2, 50):
        with pytest.raises((ValueError, KeyError, TypeError)):
            unpack(data[:length], Origin("a"))
