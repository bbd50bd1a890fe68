"""Thinning out boxes that mean the same thing; knows boxes and scores, no detector."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mien.types import Floats, Ints

Measure = Literal["union", "min"]
_BLOCK = 256
"""Boxes compared with each other at once: bounds the memory however many there are."""


def overlaps(boxes: Floats, others: Floats, measure: Measure = "union") -> Floats:
    """Boxes (n, 4), (m, 4) -> (n, m): the common area over that of both together, or of the smaller ("min")."""
    # Column by column: four times as fast as over a last axis of two.
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = boxes.T[:, :, None], others.T
    width = np.maximum(np.minimum(ax2, bx2) - np.maximum(ax1, bx1), 0)
    common = width * np.maximum(np.minimum(ay2, by2) - np.maximum(ay1, by1), 0)
    area, other = (ax2 - ax1) * (ay2 - ay1), (bx2 - bx1) * (by2 - by1)
    whole = area + other - common if measure == "union" else np.minimum(area, other)
    return np.asarray(common / np.maximum(whole, np.float32(1e-9)), dtype=np.float32)


def nms(boxes: Floats, scores: Floats, threshold: float, measure: Measure = "union") -> Ints:
    """Boxes (n, 4) and scores (n,) -> indices of those kept, best first.

    A box is dropped when it overlaps a better one that is kept by more than `threshold`. Equal scores keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    kept = order[:0]
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        if len(kept):
            block = block[~(overlaps(boxes[block], boxes[kept], measure) > threshold).any(axis=1)]
        hides = np.packbits(overlaps(boxes[block], boxes[block], measure) > threshold, axis=1, bitorder="little")
        # A row as one integer, a bit a box: five times as fast as arrays of so few.
        hidden, alive = 0, []
        for i, row in enumerate(hides):
            if not hidden >> i & 1:
                alive.append(i)
                hidden |= int.from_bytes(row, "little")
        kept = np.concatenate([kept, block[alive]])
    return kept
