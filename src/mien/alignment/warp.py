"""Crops by an affine map: matrices from points or boxes, and the warp itself."""

from __future__ import annotations

import math

import cv2
import numpy as np

from mien.types import Box, Floats, Pixels


class DegenerateError(ValueError):
    """The points coincide or are collinear, so that no such map exists."""


def similarity(source: Floats, target: Floats) -> Floats:
    """Points -> the (2, 3) matrix that turns, scales and shifts `source` onto `target` with least squared error.

    Both are (n, 2), n >= 2. Umeyama 1991 in closed form for the plane, without reflection.
    """
    a = source.astype(np.float64) - source.mean(axis=0)
    b = target.astype(np.float64) - target.mean(axis=0)
    spread = float((a * a).sum())
    if not spread > 1e-9:
        raise DegenerateError("the landmarks coincide")
    c = float((a * b).sum()) / spread
    s = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    turn = np.array([[c, -s], [s, c]])
    shift = target.mean(axis=0) - turn @ source.mean(axis=0)
    return np.column_stack([turn, shift]).astype(np.float32)


def affine(source: Floats, target: Floats) -> Floats:
    """Three points -> the (2, 3) matrix that maps `source` exactly onto `target`, both (3, 2)."""
    edges = np.diff(source.astype(np.float64), axis=0)
    if abs(float(np.linalg.det(edges))) < 1e-6:
        raise DegenerateError("the landmarks are collinear")
    matrix = cv2.getAffineTransform(source.astype(np.float32), target.astype(np.float32))
    return np.asarray(matrix, np.float32)


def square_around(box: Box, size: int, margin: float, quarters: int = 0) -> Floats:
    """A box -> the (2, 3) matrix that maps the square around it (its longer side plus margins) onto the crop.

    quarters: by how many the photo lies on its side, clockwise; the crop is turned back.
    """
    x1, y1, x2, y2 = box
    side = max(x2 - x1, y2 - y1) * (1 + 2 * margin)
    if not side > 0:
        raise DegenerateError("the box is empty")
    # From the middle of the box to the middle of the crop; coordinates are those of pixels' middles.
    linear = quarter_turn(quarters) * (size / side)
    middle = np.array([(x1 + x2 - 1) / 2, (y1 + y2 - 1) / 2])
    return np.column_stack([linear, (size - 1) / 2 - linear @ middle]).astype(np.float32)


def quarter_turn(quarters: int) -> Floats:
    """By how many quarters, counter-clockwise -> the (2, 2) matrix that turns points (x, y), y downwards."""
    cosine, sine = ((1, 0), (0, -1), (-1, 0), (0, 1))[quarters]
    return np.array([[cosine, -sine], [sine, cosine]], np.float32)


def scale_of(matrix: Floats) -> float:
    """Pixels of the crop for each pixel of the source, geometric mean over both axes."""
    return math.sqrt(abs(float(np.linalg.det(matrix[:, :2].astype(np.float64)))))


def rescale(matrix: Floats, scale: float) -> Floats:
    """The same crop from a source that was resized by `scale` (source pixel centres kept in place)."""
    out = matrix.astype(np.float64)
    out[:, 2] += out[:, :2] @ np.full(2, (1 / scale - 1) / 2)
    out[:, :2] /= scale
    return out.astype(np.float32)


def warp_crop(pixels: Pixels, matrix: Floats, size: int) -> Pixels:
    """Pixels and a matrix -> the crop (size, size, 3); what is outside the picture is black.

    Shrinking by two or more goes through an area average first, because a bilinear warp would skip pixels.
    """
    shrink = int(1 / max(scale_of(matrix), 1e-6))
    if shrink >= 2:
        pixels, matrix = _shrink(pixels, matrix, size, shrink)
    return cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _shrink(pixels: Pixels, matrix: Floats, size: int, shrink: int) -> tuple[Pixels, Floats]:
    # Only the region under the crop is averaged: a face is a small part of a large photo.
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]], np.float64)
    whole = np.vstack([matrix.astype(np.float64), [0, 0, 1]])
    x, y = (np.linalg.inv(whole) @ corners.T)[:2]
    height, width = pixels.shape[:2]
    left, top = max(0, int(x.min()) - shrink), max(0, int(y.min()) - shrink)
    right, bottom = min(width, int(x.max()) + 2 * shrink), min(height, int(y.max()) + 2 * shrink)
    if right - left < shrink or bottom - top < shrink:
        return pixels, matrix
    columns, rows = (right - left) // shrink, (bottom - top) // shrink
    region = pixels[top : top + rows * shrink, left : left + columns * shrink]
    small = cv2.resize(region, (columns, rows), interpolation=cv2.INTER_AREA)
    moved = matrix.astype(np.float64)
    moved[:, 2] += moved[:, :2] @ np.array([left, top], np.float64)
    return small.astype(np.uint8, copy=False), rescale(moved.astype(np.float32), 1 / shrink)
