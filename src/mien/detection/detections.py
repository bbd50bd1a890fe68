"""The result of a detector, non-maximum suppression, and which of several faces is the main one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mien.types import Floats, Ints

Measure = Literal["union", "min"]
_BLOCK = 256
"""Boxes compared with each other at once, which bounds the memory."""

_SIDE_TOLERANCE = 0.7
"""Detectors differ by that factor in how tightly they box the same face."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Faces of one picture, the main one first, as columns: boxes (n, 4), scores (n,), landmarks (n, 5, 2) or None.

    All float32, in pixels of the picture that the detector was given. A box is x1, y1, x2, y2, where x2 and y2 are
    exclusive; it is always inside the picture. Landmarks are ordered as in `mien.types.Detection`.
    `near_miss` is the best score that was too low for a face, where the detector knows it, else 0.
    """

    boxes: Floats
    scores: Floats
    landmarks: Floats | None = None
    near_miss: float = 0.0

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
        return Detections(self.boxes[index], self.scores[index], landmarks, self.near_miss)


def no_faces(*, landmarks: bool, near_miss: float = 0.0) -> Detections:
    """No face; `landmarks` says whether the detector would have given any."""
    marks = np.zeros((0, 5, 2), np.float32) if landmarks else None
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), marks, near_miss)


def sides(boxes: Floats) -> Floats:
    """Boxes (n, 4) -> (n,): the side of a square of the same area."""
    width, height = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).T
    return np.asarray(np.sqrt(width * height), dtype=np.float32)


def rank_faces(boxes: Floats, width: int, height: int) -> Ints:
    """Boxes (n, 4) in a picture of that size -> their order, the main face first.

    The subject of a photo is large and near its middle: faces are ordered by their side minus their centre's distance
    from the middle, in pixels; those under half the largest face's side come last. Ordering by size alone picked
    bystanders more often, which cost a full point of verification accuracy on LFW.
    """
    side = sides(boxes)
    away = np.hypot((boxes[:, 0] + boxes[:, 2] - width) / 2, (boxes[:, 1] + boxes[:, 3] - height) / 2)
    return np.lexsort([away - side, side < side.max(initial=0) / 2])


def clip_and_rank(faces: Detections, width: int, height: int, *, min_face: float, largest: bool) -> Detections:
    """Raw detections -> boxes clipped to the picture, the main face first, and with `largest` only that one.

    Faces well under `min_face` pixels are dropped, and those of which less than a pixel is inside.
    """
    boxes = np.clip(faces.boxes, 0, np.array([width, height, width, height], np.float32))
    inside = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1) & (sides(faces.boxes) >= _SIDE_TOLERANCE * min_face)
    index = np.flatnonzero(inside)
    order = index[rank_faces(boxes[index], width, height)][: 1 if largest else None]
    return Detections(boxes, faces.scores, faces.landmarks, faces.near_miss).take(order)


def overlaps(boxes: Floats, others: Floats, measure: Measure = "union") -> Floats:
    """Boxes (n, 4), (m, 4) -> (n, m): the common area over the union's, or over the smaller box's ("min")."""
    # Column by column: four times as fast as over a last axis of two.
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = boxes.T[:, :, None], others.T
    width = np.maximum(np.minimum(ax2, bx2) - np.maximum(ax1, bx1), 0)
    common = width * np.maximum(np.minimum(ay2, by2) - np.maximum(ay1, by1), 0)
    area, other = (ax2 - ax1) * (ay2 - ay1), (bx2 - bx1) * (by2 - by1)
    total = area + other - common if measure == "union" else np.minimum(area, other)
    return np.asarray(common / np.maximum(total, np.float32(1e-9)), dtype=np.float32)


def nms(boxes: Floats, scores: Floats, threshold: float, measure: Measure = "union") -> Ints:
    """Boxes (n, 4) and scores (n,) -> indices of those to keep, best first.

    A box is dropped if it overlaps a better one that is kept by more than `threshold`. Equal scores keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    best = order[:0]
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        if len(best):  # only in the second block and after
            block = block[~(overlaps(boxes[block], boxes[best], measure) > threshold).any(axis=1)]
        overlapping = np.packbits(overlaps(boxes[block], boxes[block], measure) > threshold, axis=1, bitorder="little")
        # Each row as one integer, one bit per box: five times as fast as small arrays.
        hidden, visible = 0, []
        for i, row in enumerate(overlapping):
            if not hidden >> i & 1:
                visible.append(i)
                hidden |= int.from_bytes(row, "little")
        best = np.concatenate([best, block[visible]])
    return best
