"""What the detectors find: masked faces in the street, nothing where no face is, photos on their side, tight crops.

    MIEN_DATA=... python benchmarks/detection.py [--detector yunet] [--detector mtcnn]

Pictures without a face are scikit-image's own and the lowest 50 rows of photos of LFW.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

import cv2
import numpy as np
import skimage

from mien.detection.detections import overlaps
from mien.detection.stage import Detect
from mien.images import decode
from mien.types import Faces, Floats, Origin, Photo, Pixels, Rejected

DATA = Path(os.environ["MIEN_DATA"])
LFW = sorted((DATA / "identity" / "lfw").glob("*/*.jpg"))
WITH_FACES = ("astronaut", "camera", "lbpcascade", "multipage", "motorcycle")


def pixels(path: Path) -> Pixels:
    return decode(path.read_bytes(), max_megapixels=100).pixels


def found(stage: Detect, picture: Pixels) -> Faces | Rejected:
    return next(iter(stage([Photo(Origin("picture"), picture, picture.shape[1], picture.shape[0])])))


def street(stage: Detect) -> str:
    boxes: dict[str, list[list[float]]] = {}
    with (DATA / "mask" / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            boxes.setdefault(row["path"], []).append([float(row[k]) for k in ("xmin", "ymin", "xmax", "ymax")])
    hits = total = 0
    spent = 0.0
    for path, rows in boxes.items():
        picture, wanted = pixels(DATA / path), np.array(rows, np.float32)
        wanted = wanted[wanted[:, 2] - wanted[:, 0] >= 24]
        start = time.thread_time()
        faces = found(stage, picture)
        spent += time.thread_time() - start
        total += len(wanted)
        if isinstance(faces, Faces):
            hits += int((overlaps(wanted, faces.boxes).max(axis=1, initial=0) >= 0.4).sum())
    return f"street photos: {hits / total:.1%} of {total} faces, {spent / len(boxes) * 1e3:.1f} ms a photo"


def nobody(stage: Detect) -> str:
    files = sorted(Path(skimage.__file__).with_name("data").glob("*.[pjg][npi][gf]"))
    pictures = [pixels(file) for file in files if not file.name.startswith(WITH_FACES)]
    pictures += [np.ascontiguousarray(pixels(path)[200:]) for path in LFW[::11]]
    faces = (found(stage, picture) for picture in pictures)
    return f"pictures without a face: {sum(len(f) for f in faces if isinstance(f, Faces))} false in {len(pictures)}"


def turned_box(box: Floats, quarters: int, height: int, width: int) -> Floats:
    corners = box.reshape(2, 2)
    for _ in range(quarters):  # counter-clockwise, as np.rot90
        corners = np.stack([corners[:, 1], width - corners[:, 0]], axis=1)
        height, width = width, height
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])[None].astype(np.float32)


def on_their_side(stage: Detect) -> str:
    right = there = 0
    for i, path in enumerate(LFW[::15][:120]):
        upright, quarters = pixels(path), 1 + i % 3
        faces, again = found(stage, upright), found(stage, np.ascontiguousarray(np.rot90(upright, quarters)))
        if isinstance(faces, Faces) and isinstance(again, Faces):
            box = turned_box(faces.boxes[0], quarters, *upright.shape[:2])
            near = overlaps(box, again.boxes[:1])[0, 0] >= 0.5
            there, right = there + near, right + (near and again.turned == 360 - 90 * quarters)
    return f"120 photos turned by 90, 180, 270: right box {there}, and right angle {right}"


def upright(stage: Detect) -> str:
    folders = ("attributes/fairface", "attributes/six_class", "identity/orl", "identity/lfw")
    paths = [path for folder in folders for path in sorted((DATA / folder).rglob("*.*"))]
    faces = [found(stage, pixels(path)) for path in paths]
    lost = sum(isinstance(face, Rejected) for face in faces)
    turned = sum(isinstance(face, Faces) and face.turned != 0 for face in faces)
    return f"{len(paths)} upright photos of faces: {lost} without a face, {turned} called turned"


def tight(stage: Detect) -> str:
    crops = []
    for path in LFW[::31]:
        picture = pixels(path)
        faces = found(Detect(), picture)
        if isinstance(faces, Faces):
            x1, y1, x2, y2 = faces.boxes[0].astype(int)
            crops.append(
                np.asarray(cv2.resize(picture[y1:y2, x1:x2], (96, 96), interpolation=cv2.INTER_AREA), np.uint8)
            )
    return f"tight crops of 96 px: {sum(isinstance(found(stage, crop), Faces) for crop in crops)} of {len(crops)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", action="append")
    cv2.setNumThreads(1)
    for name in parser.parse_args().detector or ["yunet", "mtcnn"]:
        for which, measures in (("all", (street, nobody)), ("largest", (on_their_side, upright, tight))):
            for measure in measures:
                print(f"{name}, {measure(Detect(name, which))}", flush=True)


if __name__ == "__main__":
    main()
