"""Thinning out boxes that mean the same thing; knows boxes and scores, no detector."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mien.types import Floats, Ints

Measure = Literal["union", "min"]


def overlaps(boxes: Floats, measure: Measure = "union") -> Floats:
    """Boxes (n, 4) -> (n, n): the common area over the area of both ("union") or of the smaller one ("min")."""
    x1, y1, x2, y2 = boxes.T
    width = np.minimum(x2[:, None], x2) - np.maximum(x1[:, None], x1)
    height = np.minimum(y2[:, None], y2) - np.maximum(y1[:, None], y1)
    common = np.maximum(width, 0) * np.maximum(height, 0)
    area = (x2 - x1) * (y2 - y1)
    whole = area[:, None] + area - common if measure == "union" else np.minimum(area[:, None], area)
    return np.asarray(common / np.maximum(whole, 1e-9), dtype=np.float32)


def nms(boxes: Floats, scores: Floats, threshold: float, measure: Measure = "union") -> Ints:
    """Boxes (n, 4) and scores (n,) -> indices of those kept, best first.

    A box is dropped when it overlaps a better one that is kept by more than `threshold`. Equal scores keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order
    hidden = overlaps(boxes[order], measure) > threshold
    alive = np.ones(len(order), dtype=bool)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~hidden[i, i + 1 :]
    return order[alive]
