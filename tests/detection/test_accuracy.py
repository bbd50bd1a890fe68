"""How well the detectors do on labelled photos, at bounds that leave room for other processors' rounding."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage

from mien.detection import DETECTORS
from mien.detection.detections import sides
from mien.detection.stage import Detect
from mien.stage import apply
from mien.types import Faces, Photo, Rejected
from tests.detection.pictures import FACELESS, add_weights, boxes_of, iou, on_its_side, photo, pixels, share_found

NAMES = DETECTORS.names()
ON_PORTRAITS = {"mtcnn": 17, "hog": 17, "haar": 12, "yunet": 18, "scrfd": 18}
"""Of 18 unmasked faces in four photos."""
ON_STREETS = {"mtcnn": 0.78, "hog": 0.3, "haar": 0.22, "yunet": 0.88, "scrfd": 0.93}
"""Share of faces from 24 pixels on, mostly masked."""
ON_GROUPS = {"mtcnn": 0, "hog": 1, "haar": 1, "yunet": 0, "scrfd": 0}
"""Faces too many or too few in a group photo."""
ON_SMALL_GREY = {"mtcnn": 200, "hog": 197, "haar": 170, "yunet": 200, "scrfd": 200}
"""Of 200 portraits of 92 x 112 grey pixels."""


@pytest.mark.parametrize("name", NAMES)
def test_faces_are_where_people_marked_them(name: str, data: Path, request: pytest.FixtureRequest) -> None:
    add_weights(name, request)
    detector = DETECTORS.load(name)(min_face=20)
    truth = boxes_of(data / "detection" / "boxes.csv")
    found = [share_found(boxes, detector(pixels(data / path)).boxes) for path, boxes in truth.items()]
    assert sum(n for _, n in found) == 18
    assert sum(n for n, _ in found) >= ON_PORTRAITS[name]


@pytest.mark.parametrize("name", NAMES)
def test_most_masked_faces_in_the_street_are_found(name: str, data: Path, request: pytest.FixtureRequest) -> None:
    add_weights(name, request)
    detector = DETECTORS.load(name)(min_face=20)
    truth = boxes_of(data / "mask" / "boxes.csv")
    hits = total = 0
    for path in sorted(truth)[::3]:
        large = truth[path][truth[path][:, 2] - truth[path][:, 0] >= 24]
        found, n = share_found(large, detector(pixels(data / path)).boxes)
        hits, total = hits + found, total + n
    assert total > 150
    assert hits / total >= ON_STREETS[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_group_photo_is_counted(name: str, data: Path, request: pytest.FixtureRequest) -> None:
    add_weights(name, request)
    detector = DETECTORS.load(name)(min_face=20)
    with (data / "manifest.csv").open(newline="") as file:
        groups = [(row["path"], int(row["label"])) for row in csv.DictReader(file) if row["task"] == "detection_count"]
    assert len(groups) == 4
    for path, count in groups:
        assert abs(len(detector(pixels(data / path))) - count) <= ON_GROUPS[name]


@pytest.mark.parametrize("name", NAMES)
def test_faces_in_small_grey_portraits_are_found(name: str, data: Path, request: pytest.FixtureRequest) -> None:
    add_weights(name, request)
    photos = [photo(path, str(path)) for path in sorted((data / "identity" / "orl").glob("*/*.pgm"))]
    assert len(photos) == 200
    results = apply(Detect(name), photos)
    assert sum(isinstance(result, Faces) for result in results) >= ON_SMALL_GREY[name]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "haar"])
@pytest.mark.parametrize("picture", FACELESS)
def test_no_face_is_found_where_there_is_none(name: str, picture: str, request: pytest.FixtureRequest) -> None:
    if (name, picture) == ("yunet", "hubble_deep_field.jpg"):
        pytest.skip("YuNet takes one of the galaxies for a face")
    add_weights(name, request)
    file = Path(skimage.__file__).parent / "data" / picture
    found = DETECTORS.load(name)(min_face=20)(pixels(file))
    assert len(found) == 0, found.scores


def test_mtcnn_finds_a_face_in_every_photo_of_a_person(data: Path, models_home: Path) -> None:
    photos = [photo(path, str(path)) for path in sorted((data / "identity" / "lfw").glob("*/*.jpg"))[::9]]
    results = apply(Detect("mtcnn"), photos)
    faces = [result for result in results if isinstance(result, Faces)]
    assert len(faces) == len(photos)
    middles = np.array([result.boxes[0].reshape(2, 2).mean(axis=0) for result in faces])
    # These photos were cut around the person whom they are named after.
    assert (np.abs(middles - 125) < 40).mean() > 0.99


def test_with_all_defaults_nearly_all_masked_faces_in_the_street_are_found(data: Path, models_home: Path) -> None:
    truth = boxes_of(data / "mask" / "boxes.csv")
    hits = total = 0
    for path in sorted(truth)[::3]:
        large = truth[path][truth[path][:, 2] - truth[path][:, 0] >= 24]
        [result] = apply(Detect(faces="all"), [photo(data / path)])
        boxes = result.boxes if isinstance(result, Faces) else np.zeros((0, 4), np.float32)
        found, n = share_found(large, boxes)
        hits, total = hits + found, total + n
    assert total > 150
    assert hits / total >= 0.935


@pytest.mark.parametrize("picture", [name for name in FACELESS if name != "hubble_deep_field.jpg"])
def test_no_second_look_finds_a_face_where_there_is_none(picture: str, models_home: Path) -> None:
    [result] = apply(Detect(faces="all"), [photo(Path(skimage.__file__).parent / "data" / picture)])
    assert isinstance(result, Rejected), result
    assert "yunet found none of " in result.detail


@pytest.fixture(scope="module")
def people(data: Path) -> list[Photo]:
    """120 photos of a person each."""
    return [photo(path, str(path)) for path in sorted((data / "identity" / "lfw").glob("*/*.jpg"))[::15][:120]]


def test_upright_photos_are_not_called_turned_and_turned_ones_are(people: list[Photo], models_home: Path) -> None:
    upright = [result for result in apply(Detect(), people) if isinstance(result, Faces)]
    assert len(upright) == len(people) == 120
    assert not any(faces.turned for faces in upright)
    right = 0
    for i, faces in enumerate(upright):
        quarters = i % 3 + 1
        turned = np.ascontiguousarray(np.rot90(faces.photo.pixels, -quarters))
        [found] = apply(Detect(), [photo(turned)])
        wanted = on_its_side(faces.boxes, faces.photo.pixels.shape, quarters)[0]
        right += isinstance(found, Faces) and found.turned == 90 * quarters and iou(found.boxes[0], wanted) > 0.6
    assert right >= 0.95 * 120


def test_every_face_that_fills_its_picture_is_found(people: list[Photo], models_home: Path) -> None:
    """Crops of 96 pixels, as tight as the face's box."""
    for faces in apply(Detect(), people[::2]):
        assert isinstance(faces, Faces)
        x1, y1, x2, y2 = faces.boxes[0].astype(int)
        tight = cv2.resize(faces.photo.pixels[y1:y2, x1:x2], (96, 96), interpolation=cv2.INTER_AREA)
        [found] = apply(Detect(), [photo(np.asarray(tight, np.uint8))])
        assert isinstance(found, Faces), faces.key
        assert found.turned == 0
        assert sides(found.boxes)[0] > 60
