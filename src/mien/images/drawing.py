"""Drawing what was found over a photo: pixels in, pixels out; knows boxes and points, and no detector."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mien.types import Floats, Pixels

_BOX = (64, 224, 128)
_POINT = (255, 210, 63)
_INK = (16, 24, 32)


def draw(pixels: Pixels, boxes: Floats, landmarks: Floats | None, labels: Sequence[str]) -> Pixels:
    """A copy of `pixels` (h, w, 3) with boxes (n, 4), points (n, k, 2) or None, and a line of text over each box.

    Text outside of what OpenCV's font has (it is ASCII) is shown as question marks.
    """
    out = np.ascontiguousarray(pixels.copy())
    unit = max(1, round(max(out.shape[:2]) / 500))
    for i, (x1, y1, x2, y2) in enumerate(np.round(boxes).astype(int).tolist()):
        cv2.rectangle(out, (x1, y1), (x2, y2), _BOX, 2 * unit, cv2.LINE_AA)
        for x, y in [] if landmarks is None else np.round(landmarks[i]).astype(int).tolist():
            cv2.circle(out, (x, y), 2 * unit, _POINT, -1, cv2.LINE_AA)
        _caption(out, labels[i], x1, y1, unit)
    return out


def _caption(out: Pixels, text: str, x: int, y: int, unit: int) -> None:
    if not text:
        return
    text = text.encode("ascii", "replace").decode()
    scale = 0.5 * unit
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, unit)
    top = y - height - below - 2 * unit
    if top < 0:
        top = y  # no room above the box: inside it
    cv2.rectangle(out, (x, top), (x + width + 4 * unit, top + height + below + 2 * unit), _BOX, -1)
    cv2.putText(
        out, text, (x + 2 * unit, top + height + unit), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, unit, cv2.LINE_AA
    )
