"""The faces that the built-in traits are trained on, cut and labelled.

FairFace (CC BY 4.0) gives age and gender, and what is drawn on its faces gives masks and glasses; street photos (CC0)
give masks as they are really worn. Faces are cut as they are in use: found, and upright by their landmarks, or the
whole of a picture that is a face already.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pyarrow.parquet as pq

from mien.alignment.stage import Align
from mien.alignment.views import view
from mien.data import photos
from mien.detection import DETECTORS, resolve
from mien.detection.stage import Detect
from mien.embedding import EMBEDDERS
from mien.images.stage import Decode
from mien.run.runners import run_stages
from mien.stage import AnyStage
from mien.types import Box, Crop, Floats, Ints, Origin, PhotoRef, Pixels

SIDE = 128
"""Of the crops; the network sees a part of them."""
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")
GENDERS = ("Female", "Male")
MASKS = ("with_mask", "without_mask", "incorrect")
GLASSES = ("none", "glasses", "sunglasses")
IDENTITY = 128
STREET = "andrewmvd"
"""Part of the paths of the street photos that are CC0."""
LABELS = {"age": AGES, "gender": GENDERS, "mask": MASKS, "glasses": GLASSES}

_POINTS = np.array([[0.318, 0.314], [0.682, 0.314], [0.5, 0.55], [0.36, 0.70], [0.64, 0.70]], np.float32)
"""Where landmarks lie in an upright crop, where no detector finds them in it."""
_BOXES, _LEAST = 5, 16  # crops of each box, and the least side of one that is learnt from
_SAME = 0.4  # a found face is that of a box from this overlap on


@dataclass(frozen=True, slots=True, eq=False)
class FaceTable:
    """Faces in columns: `crops` (n, SIDE, SIDE, 3) RGB, `points` (n, 5, 2) in pixels of the crop, and labels.

    labels: trait -> (n,), the number of the label, or -1 where it is not known. identity: what dlib's network says of
    the faces, standardised (n, IDENTITY), or rows of NaN. group: what a face was cut from, so that all cuts of one
    photo stay together. sides: of the face in its photo, in pixels.
    """

    crops: Pixels
    points: Floats
    labels: dict[str, Ints]
    identity: Floats
    group: Ints
    sides: Ints

    def __len__(self) -> int:
        return len(self.crops)

    def only(self, chosen: Ints) -> FaceTable:
        """Some of the rows."""
        labels = {name: values[chosen] for name, values in self.labels.items()}
        identity, group, sides = self.identity[chosen], self.group[chosen], self.sides[chosen]
        return FaceTable(self.crops[chosen], self.points[chosen], labels, identity, group, sides)


def fairface(pool: Path, glasses: Path) -> tuple[FaceTable, FaceTable]:
    """The pool of FairFace, and the table of rows whose glasses were labelled by eye -> upright faces, and whole."""
    table = pq.read_table(pool)
    data = [image["bytes"] for image in table["image"].to_pylist()]
    whole = np.stack([_resized(_decoded(each)) for each in data])
    upright = whole.copy()
    for number, crop in _upright([PhotoRef(Origin(str(i)), data=each) for i, each in enumerate(data)]):
        upright[number] = crop
    labels = {
        "age": _numbers(table["age"].to_pylist(), AGES),
        "gender": _numbers(table["gender"].to_pylist(), GENDERS),
        "mask": np.full(len(data), MASKS.index("without_mask")),
        "glasses": np.full(len(data), -1),
    }
    with glasses.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["label"] in GLASSES:
                labels["glasses"][int(line["row"])] = GLASSES.index(line["label"])
    group, sides = np.arange(len(data)), np.full(len(data), SIDE)
    known = identities(upright)
    made = [FaceTable(crops, landmarks(crops), labels, known, group, sides) for crops in (upright, whole)]
    return made[0], made[1]


def street(folder: Path, boxes: Path, seed: int = 0) -> FaceTable:
    """Street photos and the table of the boxes in them -> each face in several cuts, and upright where it is found.

    The table also has boxes in synthetic photos, whose licence allows no commercial use; these are left out.
    """
    rng = np.random.default_rng(seed)
    by_photo: dict[str, list[dict[str, str]]] = {}
    with boxes.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if STREET not in line["path"]:
                continue
            by_photo.setdefault(line["path"], []).append(line)
    crops, labels, group, sides = [], [], [], []
    found = _found([folder / path for path in by_photo])
    for number, (path, lines) in enumerate(by_photo.items()):
        pixels = _decoded((folder / path).read_bytes())
        for line in lines:
            x1, y1, x2, y2 = (float(line[name]) for name in ("xmin", "ymin", "xmax", "ymax"))
            side = max(x2 - x1, y2 - y1)
            if side < _LEAST:
                continue
            cuts = [_square(pixels, (x1, y1, x2, y2), margin) for margin in (0.0, *rng.uniform(0, 0.5, _BOXES - 1))]
            near = found.get(str(folder / path), [])
            cuts += [crop.pixels for crop in near if _overlap(crop.face.box, (x1, y1, x2, y2)) > _SAME]
            crops += cuts
            labels += [MASKS.index(line["label"])] * len(cuts)
            group += [number] * len(cuts)
            sides += [round(side)] * len(cuts)
    unknown = np.full(len(crops), -1)
    return FaceTable(
        np.stack(crops),
        np.tile(_POINTS * SIDE, (len(crops), 1, 1)),
        {"age": unknown, "gender": unknown, "mask": np.array(labels), "glasses": unknown},
        np.full((len(crops), IDENTITY), np.nan, np.float32),
        np.array(group),
        np.array(sides),
    )


def landmarks(crops: Pixels) -> Floats:
    """Crops (n, s, s, 3) -> five points of each (n, 5, 2) in its pixels, as a detector sees them."""
    detector = DETECTORS.load(resolve("auto"))(min_face=SIDE // 4)
    points = np.tile(_POINTS * crops.shape[1], (len(crops), 1, 1))
    for i, crop in enumerate(crops):
        seen = detector(crop, largest=True)
        if len(seen) and seen.landmarks is not None:
            points[i] = seen.landmarks[0]
    return points.astype(np.float32)


def _upright(refs: Sequence[PhotoRef]) -> Iterator[tuple[int, Pixels]]:
    for made in run_stages(_stages("largest"), refs, keep_going=True):
        if isinstance(made, Crop):
            yield int(made.key), made.pixels


def _found(paths: Sequence[Path]) -> dict[str, list[Crop]]:
    found: dict[str, list[Crop]] = {}
    for made in run_stages(_stages("all"), photos(list(paths)), keep_going=True):
        if isinstance(made, Crop):
            found.setdefault(made.key, []).append(made)
    return found


def identities(crops: Pixels) -> Floats:
    """Upright crops (n, s, s, 3) -> their vectors by dlib's network (n, IDENTITY), standardised over the rows.

    That network has seen a hundred times as many faces: predicting its vectors is a training target of its own.
    """
    network = EMBEDDERS.load("dlib-resnet-int8")("dlib-resnet-int8")
    vectors = []
    for start in range(0, len(crops), 64):
        enlarged = [cv2.resize(crop, (network.size, network.size)) for crop in crops[start : start + 64]]
        vectors.append(network(np.asarray(enlarged, np.uint8)))
    found = np.concatenate(vectors)
    return np.asarray((found - found.mean(axis=0)) / found.std(axis=0), np.float32)


def _stages(faces: Literal["largest", "all"]) -> list[AnyStage]:
    return [Decode(None, 100.0), Detect(resolve("auto"), faces), Align(replace(view("dlib"), size=SIDE))]


def _decoded(data: bytes) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)[..., ::-1]


def _resized(pixels: Pixels) -> Pixels:
    shrunk = cv2.INTER_AREA if pixels.shape[0] > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=shrunk), np.uint8)


def _square(pixels: Pixels, box: Box, margin: float) -> Pixels:
    """The square around a box, its longer side and a margin; what lies outside of the photo repeats its edge."""
    x1, y1, x2, y2 = box
    side = max(x2 - x1, y2 - y1) * (1 + 2 * margin)
    left, top, size = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2), max(round(side), 1)
    more = [max(-top, 0), max(top + size - pixels.shape[0], 0), max(-left, 0), max(left + size - pixels.shape[1], 0)]
    wide = np.pad(pixels, ((more[0], more[1]), (more[2], more[3]), (0, 0)), mode="edge")
    left, top = left + more[2], top + more[0]
    return _resized(wide[top : top + size, left : left + size])


def _overlap(a: Box, b: Box) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(wide, 0.0) * max(high, 0.0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def _numbers(values: Sequence[str], names: Sequence[str]) -> Ints:
    return np.array([names.index(value) for value in values])
