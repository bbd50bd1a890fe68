"""What the tests of this room share: pixels of a file, agreement of boxes, weights that the user would bring."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from mien.detection.detections import overlaps
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


def pixels(source: Path | bytes) -> Pixels:
    return decode(source if isinstance(source, bytes) else source.read_bytes(), max_megapixels=100).pixels


def photo(source: Path | bytes | Pixels, name: str = "photo") -> Photo:
    seen = source if isinstance(source, np.ndarray) else pixels(source)
    return Photo(Origin(name), seen, seen.shape[1], seen.shape[0])


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
