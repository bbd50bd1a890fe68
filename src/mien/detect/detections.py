"""What a detector hands back, and which of several faces is the main one; knows no detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.types import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Faces of one picture, the main one first, as columns: boxes (n, 4), scores (n,), landmarks (n, 5, 2) or None.

    All float32, in pixels of the picture that the detector was given. A box is x1, y1, x2, y2, where x2 and y2 lie
    outside; it never sticks out of the picture. Landmarks are ordered as in `mien.types.Face`.
    `missed` is the best score that was too low for a face, where the detector knows it, else 0.
    """

    boxes: Floats
    scores: Floats
    landmarks: Floats | None = None
    missed: float = 0.0

    def __post_init__(self) -> None:
        n = len(self.boxes)
        for name, column, shape in (
            ("boxes", self.boxes, (n, 4)),
            ("scores", self.scores, (n,)),
            ("landmarks", self.landmarks, (n, 5, 2)),
        ):
            if column is not None and (column.shape != shape or column.dtype != np.float32):
                raise ValueError(f"{name} must be float32 {shape}, not {column.dtype} {column.shape}")

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, index: Ints | slice) -> Detections:
        """Some of the faces, in the order of `index`."""
        landmarks = None if self.landmarks is None else self.landmarks[index]
        return Detections(self.boxes[index], self.scores[index], landmarks, self.missed)


def nothing(*, landmarks: bool, missed: float = 0.0) -> Detections:
    """No face; `landmarks` says whether the detector would have given any."""
    marks = np.zeros((0, 5, 2), np.float32) if landmarks else None
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), marks, missed)


_SLACK = 0.7
"""Detectors differ by as much in how tightly they box the same face."""


def sides(boxes: Floats) -> Floats:
    """Boxes (n, 4) -> (n,): the side of a square of the same area."""
    width, height = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).T
    return np.asarray(np.sqrt(width * height), dtype=np.float32)


def ranked(boxes: Floats, width: int, height: int) -> Ints:
    """Boxes (n, 4) in a picture of that size -> their order, the main face first.

    Whom a photo shows stands large and near the middle: what counts is a face's side less its centre's distance from
    the middle, in pixels, and a face under half as large as the largest comes after those above. Chosen by size alone
    it was a bystander's more often, which cost a full point of verification accuracy on LFW.
    """
    side = sides(boxes)
    away = np.hypot((boxes[:, 0] + boxes[:, 2] - width) / 2, (boxes[:, 1] + boxes[:, 3] - height) / 2)
    return np.lexsort([away - side, side < side.max(initial=0) / 2])


def settle(found: Detections, width: int, height: int, *, min_face: float, largest: bool) -> Detections:
    """Raw detections -> boxes clipped to the picture, the main face first, and with `largest` only that one.

    A face well under `min_face` pixels is dropped, and one of which less than a pixel lies inside.
    """
    boxes = np.clip(found.boxes, 0, np.array([width, height, width, height], np.float32))
    inside = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1) & (sides(found.boxes) >= _SLACK * min_face)
    index = np.flatnonzero(inside)
    order = index[ranked(boxes[index], width, height)][: 1 if largest else None]
    return Detections(boxes, found.scores, found.landmarks, found.missed).take(order)
