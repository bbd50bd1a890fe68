"""Where a face looks, and how much of it lies in the picture, by its five landmarks; knows no pixels."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mien.types import Floats

_Doubles: TypeAlias = npt.NDArray[np.float64]

# The mean face, in units of the way from between the eyes to between the corners of the mouth: x to the right of the
# picture, y down, z away from the viewer. Fitted to the landmarks of two detectors on LFW, mirror-symmetric: across and
# down by medians, the nose's depth by how eyes draw together as the nose moves aside (0.56 and 0.66 were found).
_FACE = np.array([[-0.48, -0.5, 0], [0.48, -0.5, 0], [0, 0.05, -0.6], [-0.4, 0.5, 0], [0.4, 0.5, 0]])
_CENTRE = _FACE.mean(axis=0)
_FIT = np.linalg.pinv(_FACE - _CENTRE).T
"""(5, 3): landmarks (2, 5) less their mean, times this, are the affine camera that fits them best."""

_LEAST = 1e-3
"""Landmarks that span less of their box than this are one point, and tell nothing."""
_NEAR = 0.03
"""A box that ends within this share of its side from an edge of the picture may have been clipped there."""
_RINGS, _SPOKES = 12, 24
# What detectors box on LFW, in the units of the mean face: half as wide as this, and from hair to chin.
_HALF_WIDTH, _TOP, _BOTTOM = 1.0, -1.5, 1.2
_RECEDES = 0.6
"""How far a face's outline lies behind its middle."""


def pose(landmarks: Floats, boxes: Floats) -> dict[str, Floats]:
    """Landmarks (n, 5, 2) and boxes (n, 4) -> `roll`, `yaw`, `pitch` (n,), in degrees, to within ten or so.

    Roll is positive for a face turned clockwise in the picture, yaw for one that looks to the right of the picture,
    pitch for one that looks up. The camera that shows a mean face so is found by least squares and brought to the
    nearest scaled rotation (weak perspective). NaN where landmarks are missing or lie in one point.
    """
    cameras = _cameras(landmarks, boxes)
    rotation = cameras / np.linalg.norm(cameras, axis=2, keepdims=True)
    across, down = rotation[:, 0], rotation[:, 1]
    away = np.cross(across, down)
    roll = np.arctan2(-across[:, 1], down[:, 1])
    level = np.cos(roll)[:, None] * across + np.sin(roll)[:, None] * down
    # Depth grows away from the viewer, and the nose lies before the face: where it moves, a share of depth is negative.
    yaw = np.arctan2(-level[:, 2], level[:, 0])
    pitch = -np.arctan2(away[:, 1], np.hypot(across[:, 1], down[:, 1]))
    angles = {"roll": roll, "yaw": yaw, "pitch": pitch}
    return {name: np.degrees(angle).astype(np.float32) for name, angle in angles.items()}


def inside(boxes: Floats, landmarks: Floats | None, width: int, height: int) -> Floats:
    """Boxes (n, 4), landmarks (n, 5, 2) in a picture of that size -> (n,): the share of the face that lies in it.

    Detectors end a box where the picture ends, so that it does not say what is missing: where a box reaches an edge,
    the outline of a mean face is laid through the landmarks. Without these it is the share of the box.
    """
    share = _of_box(boxes, width, height)
    if landmarks is None or not len(boxes):
        return share
    side = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).max(axis=1)
    gaps = np.stack([boxes[:, 0], boxes[:, 1], width - boxes[:, 2], height - boxes[:, 3]], axis=1)
    points = _outlined(landmarks, boxes)
    seen = ((points >= 0) & (points <= [width, height])).all(axis=2).mean(axis=1)
    asked = (gaps < _NEAR * side[:, None]).any(axis=1) & ~np.isnan(points).any(axis=(1, 2))
    return np.where(asked, np.minimum(share, seen), share).astype(np.float32)


def _cameras(landmarks: Floats, boxes: Floats) -> _Doubles:
    """(n, 2, 3): scaled rotations from the mean face into the picture; NaN where landmarks do not tell one."""
    points = np.where(np.isfinite(landmarks), landmarks, np.nan).astype(np.float64)
    points = points - points.mean(axis=1, keepdims=True)
    side = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), 1)
    told = np.isfinite(points).all(axis=(1, 2))
    told[told] = np.abs(points[told]).max(axis=(1, 2)) > _LEAST * side[told]
    cameras = np.full((len(points), 2, 3), np.nan)
    affine = points[told].transpose(0, 2, 1) @ _FIT
    left, sizes, right = np.linalg.svd(affine, full_matrices=False)
    cameras[told] = sizes.mean(axis=1)[:, None, None] * (left @ right)
    return cameras


def _outlined(landmarks: Floats, boxes: Floats) -> _Doubles:
    """(n, points, 2): points spread evenly over each face, where they would come to lie in the picture."""
    away = np.sqrt((np.arange(_RINGS) + 0.5) / _RINGS)
    radius, angle = np.meshgrid(away, np.arange(_SPOKES) * (2 * np.pi / _SPOKES))
    middle, half = (_TOP + _BOTTOM) / 2, (_BOTTOM - _TOP) / 2
    x, y = _HALF_WIDTH * radius * np.cos(angle), middle + half * radius * np.sin(angle)
    face = np.stack([x, y, _RECEDES * radius**2], axis=-1).reshape(-1, 3) - _CENTRE
    centres = np.where(np.isfinite(landmarks), landmarks, np.nan).astype(np.float64).mean(axis=1)
    placed: Any = face @ _cameras(landmarks, boxes).transpose(0, 2, 1)
    return np.asarray(placed + centres[:, None], dtype=np.float64)


def _of_box(boxes: Floats, width: int, height: int) -> Floats:
    clipped = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    areas = [np.maximum(each[:, 2:] - each[:, :2], 0).prod(axis=1) for each in (clipped, boxes)]
    return np.asarray(areas[0] / np.maximum(areas[1], 1e-6), dtype=np.float32)
