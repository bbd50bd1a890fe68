"""Our MTCNN against the `mtcnn` package that its weights come from: what each finds, how alike the boxes are, how fast.

Needs what mien does not: `pip install mtcnn tensorflow-cpu`, in an environment of its own. Run as

    MIEN_DATA=... python benchmarks/mtcnn_agreement.py
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import mtcnn
import numpy as np
import tensorflow as tf

from mien.detection.detections import overlaps
from mien.detection.mtcnn import MTCNN
from mien.images import decode
from mien.types import Floats, Pixels

Finder = Callable[[Pixels], Floats]


def boxes_of(table: Path) -> dict[str, Floats]:
    """A table path,label,xmin,ymin,xmax,ymax -> path: boxes (n, 4)."""
    found: dict[str, list[list[float]]] = {}
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["path"], []).append([float(row[k]) for k in ("xmin", "ymin", "xmax", "ymax")])
    return {path: np.array(boxes, np.float32) for path, boxes in found.items()}


def pixels(path: Path) -> Pixels:
    return decode(path.read_bytes(), max_megapixels=100).pixels


def theirs() -> Finder:
    """The package's detector as boxes (n, 4)."""
    detector = mtcnn.MTCNN(device="CPU:0")

    def find(image: Pixels) -> Floats:
        rows = [face["box"] for face in detector.detect_faces(image) or []]
        boxes = np.array(rows, np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes

    return find


def ours(image: Pixels) -> Floats:
    return MTCNN(min_face=20)(image).boxes


def recall(find: Finder, data: Path, table: str, least: float, every: int) -> tuple[int, int]:
    """Faces of the table, from `least` pixels on, that a box covers by IoU 0.4; and how many there are."""
    hits = total = 0
    for path, boxes in sorted(boxes_of(data / table).items())[::every]:
        wanted = boxes[boxes[:, 2] - boxes[:, 0] >= least]
        covered = overlaps(wanted, find(pixels(data / path))).max(axis=1, initial=0)
        hits, total = hits + int((covered >= 0.4).sum()), total + len(wanted)
    return hits, total


def agreement(find: Finder, images: Sequence[Pixels]) -> tuple[float, float, int]:
    """Of the package's boxes: the share that ours meet by IoU 0.5, the mean IoU of those; and how many more we find."""
    shares: list[float] = []
    more = 0
    for image in images:
        their_boxes, our_boxes = find(image), ours(image)
        shares += overlaps(their_boxes, our_boxes).max(axis=1, initial=0).tolist()
        more += len(our_boxes) - len(their_boxes)
    met = np.array(shares)
    return float((met >= 0.5).mean()), float(met[met >= 0.5].mean()), more


def milliseconds(finders: Sequence[Finder], images: Sequence[Pixels]) -> list[float]:
    """The median for each finder, taken in turns."""
    taken: list[list[float]] = [[] for _ in finders]
    for image in images:
        for find, times in zip(finders, taken, strict=True):
            began = time.perf_counter()
            find(image)
            times.append((time.perf_counter() - began) * 1e3)
    return [float(np.median(times)) for times in taken]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("MIEN_DATA"), required="MIEN_DATA" not in os.environ
    )
    data: Path = Path(parser.parse_args().data)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    cv2.setNumThreads(1)
    package = theirs()
    for name, table, least, every in (
        ("18 portraits", "detection/boxes.csv", 0, 1),
        ("masked, from 24 px", "mask/boxes.csv", 24, 4),
    ):
        for who, find in (("mtcnn", package), ("mien", ours)):
            hits, total = recall(find, data, table, least, every)
            print(f"{name:20} {who:6} finds {hits} of {total}")
    images = [pixels(path) for path in sorted((data / "identity" / "lfw").glob("*/*.jpg"))[::18]]
    share, mean, more = agreement(package, images)
    print(
        f"{len(images)} portraits of 250 px: {share:.1%} of its boxes met, mean IoU {mean:.3f}, {more:+d} boxes of ours"
    )
    names = ("mtcnn", "mien, all faces", "mien, main face")
    times = milliseconds((package, ours, lambda image: MTCNN()(image, largest=True).boxes), images)
    for who, taken in zip(names, times, strict=True):
        print(f"{who:16} {taken:7.2f} ms a photo, {times[0] / taken:5.1f} times the package's speed")


if __name__ == "__main__":
    main()
