"""Drawing what was found over a photo: pixels in, pixels out; knows boxes and points, and no detector."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mien.types import Floats, Pixels

_BOX = (64, 224, 128)
_POINT = (255, 210, 63)
_INK, _PAPER = (16, 24, 32), (255, 255, 255)
_SIZE = 0.5  # of OpenCV's font, in a picture of 500 pixels
_SMALLEST = 0.35  # below this its letters run together
_SHADE = 0.35  # of the photo's light is left behind lines of text


def draw(
    pixels: Pixels,
    boxes: Floats,
    landmarks: Floats | None,
    labels: Sequence[str],
    lines: Sequence[Sequence[str]] | None = None,
) -> Pixels:
    """A copy of `pixels` (h, w, 3) with boxes (n, 4), points (n, k, 2) or None, and a line of text over each box.

    `lines` are written under each box, no wider than it is while they can be read, and inside of it where there is no
    room. Text outside of what OpenCV's font has (it is ASCII) is shown as question marks.
    """
    out = np.ascontiguousarray(pixels.copy())
    unit = max(1, round(max(out.shape[:2]) / 500))
    for i, (x1, y1, x2, y2) in enumerate(np.round(boxes).astype(int).tolist()):
        cv2.rectangle(out, (x1, y1), (x2, y2), _BOX, 2 * unit, cv2.LINE_AA)
        for x, y in [] if landmarks is None else np.round(landmarks[i]).astype(int).tolist():
            cv2.circle(out, (x, y), 2 * unit, _POINT, -1, cv2.LINE_AA)
        _over(out, labels[i], x1, y1, unit)
        _under(out, [] if lines is None else lines[i], (x1, y2, x2 - x1), unit)
    return out


def _over(out: Pixels, text: str, x: int, y: int, unit: int) -> None:
    if not text:
        return
    text, size = _ascii(text), _SIZE * unit
    width, height = _extent(text, size, unit)
    top = y if y < height else y - height  # no room above the box: inside it
    cv2.rectangle(out, (x, top), (x + width, top + height), _BOX, -1)
    _write(out, text, (x, top), size, _INK, unit)


def _under(out: Pixels, lines: Sequence[str], place: tuple[int, int, int], unit: int) -> None:
    """Lines of text in white on a shade, from the left, lower corner of a box, whose width is the third number."""
    if not lines:
        return
    x, y, wide = place
    texts = [_ascii(text) for text in lines]
    widest = max(_extent(text, 1.0, 1)[0] for text in texts)
    size = min(_SIZE * unit, max(_SMALLEST, wide / max(widest, 1)))
    width, height = max(_extent(text, size, unit)[0] for text in texts), _extent("Ag", size, unit)[1]
    top = max(0, min(y, out.shape[0] - height * len(texts)))
    part = out[top : top + height * len(texts), max(x, 0) : max(x + max(width, wide), 0)]
    part[:] = (part * _SHADE).astype(np.uint8)
    for i, text in enumerate(texts):
        _write(out, text, (x, top + i * height), size, _PAPER, max(1, round(size * 1.5)))


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def _extent(text: str, size: float, unit: int) -> tuple[int, int]:
    """Width and height of a line, with a little room around it."""
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, unit)
    return width + 4 * unit, height + below + 2 * unit


def _write(out: Pixels, text: str, corner: tuple[int, int], size: float, ink: tuple[int, int, int], thick: int) -> None:
    (_, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
    at = (corner[0] + 2 * thick, corner[1] + height + 2 * thick)
    cv2.putText(out, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, ink, thick, cv2.LINE_AA)
