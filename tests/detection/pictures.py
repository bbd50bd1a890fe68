"""What the tests of this room share: pixels of a file, composed pictures, agreement of boxes, weights of one's own."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.detection.detections import overlaps, sides
from mien.images import decode
from mien.models import inventory
from mien.types import Floats, Origin, Photo, Pixels

EXTERNAL_FILES = {"scrfd": "scrfd_2.5g_bnkps.onnx"}
"""The detectors whose weights come from outside, and the test files of them."""

FACELESS = [
    *("brick.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "color.png", "grass.png", "gravel.png"),
    *("horse.png", "hubble_deep_field.jpg", "ihc.png", "logo.png", "moon.png", "page.png", "retina.jpg"),
    *("rocket.jpg", "text.png"),
]
"""Pictures of scikit-image that show no face: a cat, cups, the moon, and textures."""

COLLINS = [[203, 102], [247, 104], [225, 127], [200, 139], [246, 141]]
"""Eyes, nose and corners of the mouth in the photo of Eileen Collins, as dlib's 68 points have them."""


COLLINS_BOX = np.array([[180, 63, 269, 175]], np.float32)
HOPPER_BOX = np.array([[174, 111, 352, 336]], np.float32)
"""The faces in the photos of Eileen Collins and Grace Hopper, as YuNet boxes them."""


def pixels(source: Path | bytes) -> Pixels:
    return decode(source if isinstance(source, bytes) else source.read_bytes(), max_megapixels=100).pixels


def photo(source: Path | bytes | Pixels, name: str = "photo") -> Photo:
    seen = source if isinstance(source, np.ndarray) else pixels(source)
    return Photo(Origin(name), seen, seen.shape[1], seen.shape[0])


def resized(image: Pixels, scale: float) -> Pixels:
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=way), np.uint8)


def heads(collins: Pixels, hopper: Pixels) -> list[tuple[Pixels, Floats]]:
    """Both photos cut to the head, about twice the face's side, with the box (4,) of the face in it."""
    found = []
    for picture, (box,) in ((collins, COLLINS_BOX), (hopper, HOPPER_BOX)):
        middle, reach = (box[:2] + box[2:]) / 2, 1.1 * sides(box[None])[0]
        left, top = (int(max(0, value)) for value in middle - reach)
        right, bottom = (int(value) for value in middle + reach)
        found.append((np.ascontiguousarray(picture[top:bottom, left:right]), box - np.array([left, top] * 2)))
    return [(head, np.asarray(box, np.float32)) for head, box in found]


def composed(
    shape: tuple[int, int], faces: Sequence[tuple[Pixels, Floats]], side: float, places: Sequence[tuple[int, int]]
) -> tuple[Pixels, Floats]:
    """Faces of that side, in turn, with their middles at the places (x, y) on a grey picture -> it, and their boxes."""
    scene, boxes = np.full((*shape, 3), 110, np.uint8), []
    for i, (x, y) in enumerate(places):
        head, box = faces[i % len(faces)]
        scale = side / float(sides(box[None])[0])
        small = resized(head, scale)
        left = min(max(0, x - small.shape[1] // 2), shape[1] - small.shape[1])
        top = min(max(0, y - small.shape[0] // 2), shape[0] - small.shape[0])
        scene[top : top + small.shape[0], left : left + small.shape[1]] = small
        boxes.append(box * np.float32(scale) + np.array([left, top] * 2))
    return scene, np.array(boxes, np.float32)


def on_its_side(boxes: Floats, shape: Sequence[int], quarters: int) -> Floats:
    """Boxes in a picture of that shape -> where they are when it is turned clockwise by so many quarters."""
    height, width = shape[:2]
    for _ in range(quarters):
        boxes = np.stack([height - boxes[:, 3], boxes[:, 0], height - boxes[:, 1], boxes[:, 2]], axis=1)
        height, width = width, height
    return boxes


def add_weights(name: str, request: pytest.FixtureRequest) -> None:
    """Point MIEN_HOME at a cache that holds the weights of this detector, or skip the test."""
    if name not in EXTERNAL_FILES:
        request.getfixturevalue("models_home")
        return
    folder: Path = request.getfixturevalue("test_models")
    request.getfixturevalue("home")
    inventory.add(folder / EXTERNAL_FILES[name])


def boxes_of(table: Path) -> dict[str, Floats]:
    """A table path,label,xmin,ymin,xmax,ymax -> path: boxes (n, 4)."""
    found = defaultdict(list)
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            found[row["path"]].append([float(row[k]) for k in ("xmin", "ymin", "xmax", "ymax")])
    return {path: np.array(boxes, np.float32) for path, boxes in found.items()}


def share_found(true: Floats, boxes: Floats, least: float = 0.4) -> tuple[int, int]:
    """How many of the true boxes overlap a found one by at least that IoU, and of how many."""
    return int((overlaps(true, boxes).max(axis=1, initial=0) >= least).sum()), len(true)


def iou(one: Floats, other: Floats) -> float:
    return float(overlaps(one.reshape(1, 4), other.reshape(1, 4))[0, 0])
