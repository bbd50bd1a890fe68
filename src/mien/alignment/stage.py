"""The stage Faces -> Crop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import cv2
import numpy as np

from mien.alignment import LANDMARKS, warp
from mien.alignment.views import FALLBACK_POINTS, View
from mien.images import ImageError, pixels_at_scale
from mien.stage import Needs
from mien.types import Crop, Detection, Faces, Floats, Photo, Pixels, Reason, Rejected

# Beyond so many pixels on a face's side the landmarks do not change.
_LANDMARK_SIDE = 200


@dataclass(frozen=True, slots=True)
class Align:
    """Cuts every face of a photo as the view says: Faces -> Crop.

    A crop is cut from the reduced photo where that has enough pixels, else from a finer one. A photo none of whose
    faces can be cut is rejected.
    """

    view: View
    name: str = "align"
    batch_size: int = 8  # landmarks of several faces in a row stay in the processor's cache
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[Crop | Rejected]:
        for faces in batch:
            try:
                (crops,) = cut_faces(faces, [self.view])
            except ImageError as error:
                yield Rejected(faces.origin, self.name, error.reason, error.detail)
                continue
            if crops:
                yield from crops
            else:
                yield Rejected(faces.origin, self.name, Reason.NO_FACE, "its landmarks lie on one line")


def cut_faces(faces: Faces, views: Sequence[View]) -> list[list[Crop]]:
    """The faces of a photo -> for each view their crops, in order; a face that any view cannot cut is left out.

    Landmarks are found once, and a finer picture is decoded once, however many views need them; ImageError is raised
    where the photo can no longer be read for that.
    """
    photo, detections = faces.photo, [faces.face(i) for i in range(len(faces))]
    scales = [max(_useful_scale(view, face) for view in views) for face in detections]
    # One finer picture serves all faces that need one; the others have enough pixels as it is.
    finer = pixels_at_scale(photo, max(scales, default=0.0))
    sources = [(photo.pixels, photo.scale) if photo.scale >= scale else finer for scale in scales]
    rows = [_cut(photo, face, source, views) for face, source in zip(detections, sources, strict=True)]
    return [[row[i] for row in rows if row] for i in range(len(views))]


def _cut(photo: Photo, face: Detection, source: tuple[Pixels, float], views: Sequence[View]) -> list[Crop] | None:
    points = cache(partial(_points, *source, face))
    try:
        matrices = [_matrix(view, source[1], face, points) for view in views]
    except warp.DegenerateError:
        return None
    crops = [warp.warp_crop(source[0], matrix, view.size) for view, matrix in zip(views, matrices, strict=True)]
    return [
        Crop(photo.origin, face, cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.uint8) if view.grey else crop)
        for view, crop in zip(views, crops, strict=True)
    ]


def _useful_scale(view: View, face: Detection) -> float:
    """The scale of the photo beyond which a crop gains nothing."""
    x1, y1, x2, y2 = face.box
    # A crop is a little larger than the face in every view, so this errs on the sharp side.
    side = max(view.size, _LANDMARK_SIDE if view.points.startswith("dlib") else 0)
    return min(1.0, side / max(x2 - x1, y2 - y1, 1.0))


def _points(pixels: Pixels, scale: float, face: Detection, model: str) -> Floats:
    """A face -> the points (n, 2) of a landmark model, which sees the face upright."""
    find, corners, quarters = LANDMARKS.load(model)(model), np.reshape(face.box, (2, 2)) * scale, face.turned // 90
    if not quarters:
        return find(pixels, (*corners[0], *corners[1]))
    upright, turn = np.ascontiguousarray(np.rot90(pixels, quarters)), warp.quarter_turn(quarters)
    middle, other = (np.array([picture.shape[1], picture.shape[0]]) / 2 for picture in (pixels, upright))
    ends = (corners - middle) @ turn.T + other
    points = find(upright, (*ends.min(axis=0), *ends.max(axis=0)))
    return np.asarray((points + 0.5 - other) @ turn + middle - 0.5, np.float32)


def _matrix(view: View, scale: float, face: Detection, points: Callable[[str], Floats]) -> Floats:
    if view.fit == "box":
        x1, y1, x2, y2 = (value * scale for value in face.box)
        return warp.square_around((x1, y1, x2, y2), view.size, view.margin, face.turned // 90)
    target = np.array(view.template, np.float32) * view.size
    if view.points != "detector":
        source = points(view.points)[list(view.indices)]
    elif face.landmarks is not None:
        source = face.landmarks[list(view.indices)] * scale
    else:
        # A detector without landmarks: the centres of the eyes from dlib's corners, which determine a similarity.
        corners = points(FALLBACK_POINTS)
        source, target = np.stack([corners[2:4].mean(axis=0), corners[0:2].mean(axis=0)]), target[:2]
    return warp.affine(source, target) if view.fit == "affine" else warp.similarity(source, target)
