"""Drawing what was found over a photo: pixels in, pixels out; knows boxes and points, and no detector."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mien.types import Floats, Pixels

_BOX = (64, 224, 128)
_POINT = (255, 210, 63)
_INK = (16, 24, 32)
_SIZE = 0.5  # of OpenCV's font, in a picture of 500 pixels


def draw(
    pixels: Pixels,
    boxes: Floats,
    landmarks: Floats | None,
    labels: Sequence[str],
    lines: Sequence[Sequence[str]] | None = None,
) -> Pixels:
    """A copy of `pixels` (h, w, 3) with boxes (n, 4), points (n, k, 2) or None, and a line of text over each box.

    `lines` are written under each box, smaller, and inside of it where there is no room. Text outside of what OpenCV's
    font has (it is ASCII) is shown as question marks.
    """
    out = np.ascontiguousarray(pixels.copy())
    unit = max(1, round(max(out.shape[:2]) / 500))
    for i, (x1, y1, x2, y2) in enumerate(np.round(boxes).astype(int).tolist()):
        cv2.rectangle(out, (x1, y1), (x2, y2), _BOX, 2 * unit, cv2.LINE_AA)
        for x, y in [] if landmarks is None else np.round(landmarks[i]).astype(int).tolist():
            cv2.circle(out, (x, y), 2 * unit, _POINT, -1, cv2.LINE_AA)
        _over(out, labels[i], x1, y1, unit)
        _under(out, [] if lines is None else lines[i], x1, y2, unit)
    return out


def _over(out: Pixels, text: str, x: int, y: int, unit: int) -> None:
    height = _height(_SIZE, unit)
    _line(out, text, (x, y if y < height else y - height), _SIZE, unit)  # no room above the box: inside it


def _under(out: Pixels, lines: Sequence[str], x: int, y: int, unit: int) -> None:
    size = _SIZE * 0.75
    height = _height(size, unit)
    top = min(y, out.shape[0] - height * len(lines))
    for i, text in enumerate(lines):
        _line(out, text, (x, top + i * height), size, unit)


def _height(size: float, unit: int) -> int:
    (_, height), below = cv2.getTextSize("Ag", cv2.FONT_HERSHEY_SIMPLEX, size * unit, unit)
    return int(height + below + 2 * unit)


def _line(out: Pixels, text: str, corner: tuple[int, int], size: float, unit: int) -> None:
    """A line of text on a ground of its own, whose corner is the upper left one."""
    if not text:
        return
    text = text.encode("ascii", "replace").decode()
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size * unit, unit)
    x, top = corner
    cv2.rectangle(out, (x, top), (x + width + 4 * unit, top + height + below + 2 * unit), _BOX, -1)
    at = (x + 2 * unit, top + height + unit)
    cv2.putText(out, text, at, cv2.FONT_HERSHEY_SIMPLEX, size * unit, _INK, unit, cv2.LINE_AA)
