"""What is measured of a photo and its faces: quality, pose, colours and a thumbnail, and how all that is cached."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mien.types import Floats, Origin, Pixels, Rejected

THUMB = 64
"""The side of a photo's small grey thumbnail, in pixels."""

SIDE = 112
"""All faces are measured at this size, in pixels, so that sharpness compares across photos."""

COLOUR_BANDS = 3
"""Forehead and eyes, nose, mouth and chin: a mask covers the last, a hood the first."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageFeatures:
    """A photo that could be read, and its n faces in columns; the main face, large and near the middle, comes first.

    digest: SHA-256 of its bytes. width, height: of the whole photo, in pixels. thumb: (THUMB, THUMB) grey uint8, the
    whole photo squeezed into a square. colour: `colour_statistics` of the main face, empty without a face.
    boxes (n, 4), scores (n,), landmarks (n, 5, 2) or None: as in `Faces`. quality: names of measures -> (n,) float32:
    `side`, `sharpness`, `brightness`, `contrast` as in `Quality`; `roll`, `yaw`, `pitch` as in `pose`; and `inside`,
    the share of the face that lies in the picture. vectors: names of embedders -> (n, d) float32 of unit length.
    traits: names of built-in traits -> (n, k) probabilities in the order of the trait's labels. Rows of vectors and
    traits are NaN where there is no answer. turned: as in `Faces`; what is measured is that of the face turned upright.
    """

    origin: Origin
    digest: bytes
    width: int
    height: int
    thumb: Pixels
    colour: Floats
    boxes: Floats
    scores: Floats
    landmarks: Floats | None
    quality: Mapping[str, Floats]
    vectors: Mapping[str, Floats]
    traits: Mapping[str, Floats]
    turned: int = 0

    @property
    def key(self) -> str:
        return self.origin.uri

    @property
    def sides(self) -> Floats:
        """The side of a square with the area of each face's box (n,), in pixels."""
        return np.asarray(np.sqrt(np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 0).prod(axis=1)), np.float32)

    def __len__(self) -> int:
        """How many faces were found."""
        return len(self.boxes)


# The whole photo.


def grey_thumbnail(pixels: Pixels) -> Pixels:
    """A photo (h, w, 3) RGB or (h, w) grey -> (THUMB, THUMB) grey uint8, all of it squeezed into a square.

    A side that shrinks is averaged over areas, so that a photo and its smaller copy come out the same.
    """
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if height > THUMB or width > THUMB:
        grey = cv2.resize(grey, (min(width, THUMB), min(height, THUMB)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_LINEAR), np.uint8)


def colour_statistics(crop: Pixels) -> Floats:
    """A crop (h, w, 3) RGB or (h, w) grey -> (18,): mean and deviation of L, a and b in each of three bands, 0 to 1.

    L, a, b are those of CIE 1976: lightness is one figure of the three, colour the other two.
    """
    colours = crop if crop.ndim == 3 else np.repeat(crop[:, :, None], 3, axis=2)
    lab = cv2.cvtColor(np.ascontiguousarray(colours), cv2.COLOR_RGB2LAB)
    bands = [band.reshape(-1, 3) for band in np.array_split(lab.astype(np.float32) / 255, COLOUR_BANDS)]
    means = [band.mean(axis=0) if len(band) else np.zeros(3) for band in bands]
    deviations = [band.std(axis=0) if len(band) else np.zeros(3) for band in bands]
    return np.concatenate([*means, *deviations]).astype(np.float32)


# The quality of a face.

# Second differences along rows, columns and both diagonals. The variance of the Laplacian, their sum (Pech-Pacheco et
# al. 2000), stays high for a face that moved, which is blurred in one direction only: at a false alarm rate of 1 % on
# sharp photos it finds 44 to 94 % of those smeared over a tenth of the face, and the least of the four 88 % or more
# (LFW, ORL, CK+, UTKFace; both as shares of the luma's variance).
_SECOND_DIFFERENCES = [np.array(rows, np.float32) for rows in ([[1, -2, 1]], [[1], [-2], [1]])]
_SECOND_DIFFERENCES += [np.diag([0.5, -1, 0.5]).astype(np.float32)[:, ::step] for step in (1, -1)]
_LAPLACIAN_SCALE = 4.5
"""Scales the least of them to the Laplacian's variance of sharp faces, a figure that people know."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be seen in its photo.

    side: pixels of the box's shorter side in the photo. sharpness: of the face at 112 pixels, the variance of its
    second difference in the direction where that is least (a face below about 50 looks blurred). brightness, contrast:
    mean and standard deviation of the luma, 0 to 1.
    """

    side: int
    sharpness: float
    brightness: float
    contrast: float

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien look` prints."""
        return {
            "side": self.side,
            "sharpness": round(self.sharpness, 1),
            "brightness": round(self.brightness, 3),
            "contrast": round(self.contrast, 3),
        }


def face_quality(face: Pixels, side: int) -> Quality:
    """The pixels inside a face's box (h, w, 3), and that box's side in the photo -> its quality."""
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA if grey.shape[0] > SIDE else cv2.INTER_LINEAR)
    variances = [float(cv2.filter2D(small, cv2.CV_32F, kernel).var()) for kernel in _SECOND_DIFFERENCES]
    return Quality(side, _LAPLACIAN_SCALE * min(variances), float(np.mean(small)) / 255, float(np.std(small)) / 255)


# Pose, and how much of a face lies in the picture.

_Doubles: TypeAlias = npt.NDArray[np.float64]

# The mean face, in units of the distance from between the eyes to between the corners of the mouth: x to the right of
# the picture, y down, z away from the viewer. Fitted to the landmarks of two detectors on LFW, mirror-symmetric: x and
# y by medians, the nose's depth by how the eyes draw together as the nose moves aside (0.56 and 0.66 were found).
_FACE = np.array([[-0.48, -0.5, 0], [0.48, -0.5, 0], [0, 0.05, -0.6], [-0.4, 0.5, 0], [0.4, 0.5, 0]])
_CENTRE = _FACE.mean(axis=0)
_FIT = np.linalg.pinv(_FACE - _CENTRE).T
"""(5, 3): landmarks (2, 5) less their mean, times this, are the affine camera that fits them best."""

_MIN_SPREAD = 1e-3
"""Landmarks that span less than this share of their box are one point, and tell nothing."""
_EDGE = 0.03
"""A box that ends within this share of its side from an edge of the picture may have been clipped there."""
_RINGS, _SPOKES = 12, 24
# What detectors box on LFW, in the units of the mean face: half as wide as this, and from hair to chin.
_HALF_WIDTH, _TOP, _BOTTOM = 1.0, -1.5, 1.2
_OUTLINE_DEPTH = 0.6
"""How far a face's outline lies behind its middle."""


def pose(landmarks: Floats, boxes: Floats, turned: int = 0) -> dict[str, Floats]:
    """Landmarks (n, 5, 2) and boxes (n, 4) -> `roll`, `yaw`, `pitch` (n,), in degrees, to within ten or so.

    turned: degrees clockwise by which the photo lies on its side; the pose is that in the photo turned upright.

    Roll is positive for a face turned clockwise in the picture, yaw for one that looks to the right of the picture,
    pitch for one that looks up. The camera that maps the mean face onto the landmarks is found by least squares and
    brought to the nearest scaled rotation (weak perspective). NaN where landmarks are missing or lie in one point.
    """
    for _ in range(turned // 90):  # by 90 degrees back, about the corner
        landmarks = np.stack([landmarks[..., 1], -landmarks[..., 0]], axis=-1)
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


def visible_share(boxes: Floats, landmarks: Floats | None, width: int, height: int) -> Floats:
    """Boxes (n, 4), landmarks (n, 5, 2) in a picture of that size -> (n,): the share of the face that lies in it.

    Detectors end a box where the picture ends, so a box does not tell what is missing: where it reaches an edge, the
    outline of the mean face is laid through the landmarks. Without these it is the share of the box.
    """
    share = _visible_share_of_box(boxes, width, height)
    if landmarks is None or not len(boxes):
        return share
    side = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).max(axis=1)
    gaps = np.stack([boxes[:, 0], boxes[:, 1], width - boxes[:, 2], height - boxes[:, 3]], axis=1)
    points = _outline(landmarks, boxes)
    visible = ((points >= 0) & (points <= [width, height])).all(axis=2).mean(axis=1)
    at_edge = (gaps < _EDGE * side[:, None]).any(axis=1) & ~np.isnan(points).any(axis=(1, 2))
    return np.where(at_edge, np.minimum(share, visible), share).astype(np.float32)


def _cameras(landmarks: Floats, boxes: Floats) -> _Doubles:
    """(n, 2, 3): scaled rotations from the mean face into the picture; NaN where landmarks do not determine one."""
    points = np.where(np.isfinite(landmarks), landmarks, np.nan).astype(np.float64)
    points = points - points.mean(axis=1, keepdims=True)
    side = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), 1)
    valid = np.isfinite(points).all(axis=(1, 2))
    valid[valid] = np.abs(points[valid]).max(axis=(1, 2)) > _MIN_SPREAD * side[valid]
    cameras = np.full((len(points), 2, 3), np.nan)
    affine = points[valid].transpose(0, 2, 1) @ _FIT
    left, sizes, right = np.linalg.svd(affine, full_matrices=False)
    cameras[valid] = sizes.mean(axis=1)[:, None, None] * (left @ right)
    return cameras


def _outline(landmarks: Floats, boxes: Floats) -> _Doubles:
    """(n, points, 2): points spread evenly over each face, where they would lie in the picture."""
    away = np.sqrt((np.arange(_RINGS) + 0.5) / _RINGS)
    radius, angle = np.meshgrid(away, np.arange(_SPOKES) * (2 * np.pi / _SPOKES))
    middle, half = (_TOP + _BOTTOM) / 2, (_BOTTOM - _TOP) / 2
    x, y = _HALF_WIDTH * radius * np.cos(angle), middle + half * radius * np.sin(angle)
    face = np.stack([x, y, _OUTLINE_DEPTH * radius**2], axis=-1).reshape(-1, 3) - _CENTRE
    centres = np.where(np.isfinite(landmarks), landmarks, np.nan).astype(np.float64).mean(axis=1)
    projected: Any = face @ _cameras(landmarks, boxes).transpose(0, 2, 1)
    return np.asarray(projected + centres[:, None], dtype=np.float64)


def _visible_share_of_box(boxes: Floats, width: int, height: int) -> Floats:
    clipped = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    areas = [np.maximum(corners[:, 2:] - corners[:, :2], 0).prod(axis=1) for corners in (clipped, boxes)]
    return np.asarray(areas[0] / np.maximum(areas[1], 1e-6), dtype=np.float32)


# In the cache.

_BYTES, _FLOATS = "|u1", "<f4"


def pack(results: Sequence[ImageFeatures | Rejected]) -> bytes | None:
    """All results of one photo -> bytes; None for one that was rejected, as it may be readable tomorrow."""
    if len(results) != 1 or isinstance(results[0], Rejected):
        return None
    photo = results[0]
    groups = {"quality": photo.quality, "vectors": photo.vectors, "traits": photo.traits}
    arrays = list(_arrays(photo))
    header = {
        "digest": photo.digest.hex(),
        "size": [photo.width, photo.height],
        "pointed": photo.landmarks is not None,
        "turned": photo.turned,
        "groups": {name: list(columns) for name, columns in groups.items()},
        "arrays": [[_dtype(array), array.shape] for array in arrays],
    }
    data = b"".join(array.astype(_dtype(array)).tobytes() for array in arrays)
    return json.dumps(header, separators=(",", ":")).encode() + b"\n" + data


def unpack(data: bytes, origin: Origin) -> list[ImageFeatures | Rejected]:
    """Bytes -> the features of the photo at `origin`; the arrays are views of the bytes.

    Raises:
        ValueError, KeyError, TypeError: the bytes were not written by `pack`.
    """
    end = data.index(b"\n")
    header = json.loads(data[:end])
    thumb, colour, boxes, scores, landmarks, quality, *columns = _read_arrays(data, end + 1, header["arrays"])
    width, height = header["size"]
    names = header["groups"]
    split = len(names["vectors"])
    return [
        ImageFeatures(
            origin,
            bytes.fromhex(header["digest"]),
            int(width),
            int(height),
            thumb=thumb,
            colour=colour,
            boxes=boxes,
            scores=scores,
            landmarks=landmarks if header["pointed"] else None,
            quality=dict(zip(names["quality"], quality, strict=True)),
            vectors=dict(zip(names["vectors"], columns[:split], strict=True)),
            traits=dict(zip(names["traits"], columns[split:], strict=True)),
            turned=int(header["turned"]),
        )
    ]


def _arrays(photo: ImageFeatures) -> Iterator[npt.NDArray[Any]]:
    """All arrays, in the order in which they are read; the measures, one number per face each, as one."""
    empty = np.empty(0, np.float32)
    yield from (photo.thumb, photo.colour, photo.boxes, photo.scores)
    yield empty if photo.landmarks is None else photo.landmarks
    yield np.stack(list(photo.quality.values())) if photo.quality else empty
    yield from photo.vectors.values()
    yield from photo.traits.values()


def _dtype(array: npt.NDArray[Any]) -> str:
    return _BYTES if array.dtype == np.uint8 else _FLOATS


def _read_arrays(data: bytes, start: int, layout: Sequence[tuple[str, list[int]]]) -> Iterator[npt.NDArray[Any]]:
    for dtype, shape in layout:
        if dtype not in (_BYTES, _FLOATS):
            raise ValueError(f"unknown number type {dtype!r}")
        count = math.prod(shape)
        array = np.frombuffer(data, dtype, count, start) if count else np.empty(0, dtype)
        yield array.reshape(shape)
        start += array.nbytes
