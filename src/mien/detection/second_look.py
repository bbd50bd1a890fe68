"""A second look, by YuNet: at faces that were found, for finer landmarks, and at photos where none was.

Each face is seen again in a picture of its own, at the size at which YuNet's landmarks are best, whatever its size in
the photo; so it is cut alike from a thumbnail and from a group photo. A photo that lies on its side is known by its
faces, which score higher in a picture turned upright; YuNet finds many of them as they lie, too, with wrong landmarks.
"""

from __future__ import annotations

import cv2
import numpy as np

from mien import models
from mien.detection.detections import Detections, overlaps, sides
from mien.detection.single_shot import YuNet, resize, vote, windows_of_batch
from mien.types import Floats, Pixels

WEIGHTS = "yunet"
_SIDE, _FACE = 128, 64
"""Sides of the picture of a face, and of the face in it."""
_AT_ONCE = 16
_SEEN, _OVERLAP = 0.3, 0.3
"""The lowest score of a window, and its lowest overlap with the face's box; otherwise the first look is kept."""
_USUAL = np.array([[0.26, 0.38], [0.72, 0.38], [0.5, 0.58], [0.3, 0.74], [0.7, 0.74]], np.float32)
"""Where landmarks are in a face's box, as fractions of its sides; the median over LFW's faces."""
MOST, _UPRIGHT, _DOUBTFUL, _CLEARLY, _BETTER = 3, 0.9, 0.75, 0.88, 0.03
"""A photo is upright if its main face scores `_UPRIGHT`. It is turned if the mean over its main faces, so many at most,
is `_CLEARLY` when turned, and better by `_BETTER`. Upright faces of LFW score 0.91 and more, and 0.84 upside down."""
_BORDER, _BORDERED_SIDE, _SMALLEST, _LOST = 0.25, 256, 20, 0.7
"""Of the picture where no face was found: the border's width, as a fraction of the longer side, the longer side that it
is reduced to, the smallest face looked for there, and the score above which one counts."""


def refine(pixels: Pixels, faces: Detections) -> tuple[Detections, Floats]:
    """Faces in a picture (h, w, 3) -> the same with finer boxes and landmarks, and how they scored (n,) this time."""
    scale, corners = _frames(faces.boxes)
    pictures = np.stack([_cut(pixels, *frame) for frame in zip(scale, corners, strict=True)])
    boxes, marks, scores = _look(pictures)
    height, width = pixels.shape[:2]
    boxes = np.clip(boxes / scale[:, None] + np.tile(corners, 2), 0, np.array([width, height] * 2, np.float32))
    marks = marks / scale[:, None, None] + corners[:, None]
    lost = scores < _SEEN
    boxes[lost] = faces.boxes[lost]
    usual = boxes[:, None, :2] + _USUAL * (boxes[:, None, 2:] - boxes[:, None, :2])
    marks[lost] = (usual if faces.landmarks is None else faces.landmarks)[lost]
    return Detections(boxes, faces.scores, marks, faces.near_miss), scores


def quarter_turns(pixels: Pixels, boxes: Floats, scores: Floats) -> int | None:
    """By how many quarters, counter-clockwise, to turn a picture and look again; None if it is upright as it is.

    boxes, scores: of its faces on the second look, the main one first. 0 means that a face shows only with a border
    around the picture.
    """
    if len(boxes):
        if scores[0] >= _UPRIGHT:
            return None
        side = sides(boxes)
        first = np.flatnonzero(side >= side[0] / 2)[:MOST]
        means = _turned_scores(pixels, boxes[first[:1]], scores[first[:1]])
        if len(first) > 1 and _is_better(means):  # the others have a say, too
            means = _turned_scores(pixels, boxes[first], scores[first])
        if _is_better(means):
            return int(means.argmax())
        if scores[0] >= _DOUBTFUL:
            return None
    whole = _whole_turned(pixels)
    quarters = int(whole.argmax())
    if len(boxes):
        return quarters if quarters and whole[quarters] >= _CLEARLY else None
    return quarters if whole[quarters] >= _LOST else None


def _turned_scores(pixels: Pixels, boxes: Floats, scores: Floats) -> Floats:
    """Faces and their scores as they are -> their mean scores turned by 0 to 3 quarters."""
    pictures = [_cut(pixels, *frame) for frame in zip(*_frames(boxes), strict=True)]
    turned = _look(np.stack([np.rot90(picture, k) for picture in pictures for k in (1, 2, 3)]))[2]
    return np.concatenate([[scores.mean()], turned.reshape(-1, 3).mean(axis=0)]).astype(np.float32)


def _is_better(means: Floats) -> bool:
    return bool(means.max() >= max(_CLEARLY, means[0] + _BETTER))


def _whole_turned(pixels: Pixels) -> Floats:
    """A picture, reduced and with a border -> the best score of a face in it, turned by 0 to 3 quarters."""
    scale = min(1.0, _BORDERED_SIDE / max(pixels.shape[:2]))
    reduced = resize(pixels, scale)
    bordered, detector = add_border(reduced)[0], YuNet(_SMALLEST)
    turned = (detector(np.ascontiguousarray(np.rot90(bordered, k))) for k in range(4))
    return np.array([faces.scores.max(initial=0) for faces in turned], np.float32)


def add_border(pixels: Pixels) -> tuple[Pixels, int]:
    """A picture with a black border all around -> it, and the border's width in pixels."""
    width = round(_BORDER * max(pixels.shape[:2]))
    bordered = cv2.copyMakeBorder(pixels, width, width, width, width, cv2.BORDER_CONSTANT)
    return np.asarray(bordered, dtype=np.uint8), width


def _frames(boxes: Floats) -> tuple[Floats, Floats]:
    """Boxes (n, 4) -> scales (n,) of their pictures, and where the upper left corners of these are (n, 2)."""
    scale = np.asarray(_FACE / np.maximum(sides(boxes), 1), dtype=np.float32)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return scale, np.asarray(middle - _SIDE / 2 / scale[:, None], dtype=np.float32)


def _cut(pixels: Pixels, scale: float, corner: Floats) -> Pixels:
    """The picture of `_SIDE` pixels at `scale` whose upper left corner is there, black outside."""
    shrink = int(1 / scale)
    if shrink >= 2:  # bilinear would skip pixels
        left, top = (max(0, int(value)) for value in corner)
        right, bottom = (max(0, int(value + _SIDE / scale) + 1) for value in corner)
        rows, columns = (min(bottom, pixels.shape[0]) - top) // shrink, (min(right, pixels.shape[1]) - left) // shrink
        region = pixels[top : top + rows * shrink, left : left + columns * shrink]
        pixels = np.asarray(cv2.resize(region, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        corner, scale = np.asarray((corner - (left, top)) / shrink, dtype=np.float32), scale * shrink
    shift = -scale * corner + (scale - 1) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    return np.asarray(cv2.warpAffine(pixels, matrix, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR), dtype=np.uint8)


def _look(pictures: Pixels) -> tuple[Floats, Floats, Floats]:
    """Pictures of faces (n, side, side, 3) -> box, landmarks and score of the face in the middle; score 0: none."""
    session = models.session(WEIGHTS)
    middle = np.array([[_SIDE - _FACE, _SIDE - _FACE, _SIDE + _FACE, _SIDE + _FACE]], np.float32) / np.float32(2)
    boxes, marks = np.tile(middle, (len(pictures), 1)), np.zeros((len(pictures), 5, 2), np.float32)
    scores = np.zeros(len(pictures), np.float32)
    for start in range(0, len(pictures), _AT_ONCE):
        for i, windows in enumerate(windows_of_batch(session, pictures[start : start + _AT_ONCE]), start):
            near = np.flatnonzero(overlaps(middle, windows.boxes)[0] >= _OVERLAP)
            if len(near):
                face = vote(windows.take(near[[windows.scores[near].argmax()]]), windows)
                boxes[i], scores[i], marks[i] = face.boxes[0], face.scores[0], face.landmarks
    return boxes, marks, scores
