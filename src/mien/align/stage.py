"""The stage Faces -> Crop: which pixels a view needs, and the cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import cv2
import numpy as np

from mien.align import LANDMARKS, warp
from mien.align.views import STAND_IN, View
from mien.images import ImageError, sharper
from mien.stage import Needs
from mien.types import Box, Crop, Detection, Faces, Floats, Photo, Pixels, Reason, Rejected

# The landmark models need no more pixels than this on a face's side: beyond it the points stop moving.
_LANDMARK_SIDE = 200


@dataclass(frozen=True, slots=True)
class Align:
    """Cuts every face of a photo as the view says: Faces -> Crop.

    A crop is cut from the reduced photo where that has pixels enough, and from more of them where it has not. A photo
    none of whose faces can be cut is rejected.
    """

    view: View
    name: str = "align"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[Crop | Rejected]:
        for faces in batch:
            try:
                (crops,) = cuts(faces, [self.view])
            except ImageError as error:
                yield Rejected(faces.origin, self.name, error.reason, error.detail)
                continue
            if crops:
                yield from crops
            else:
                yield Rejected(faces.origin, self.name, Reason.NO_FACE, "its landmarks lie on one line")


def cuts(faces: Faces, views: Sequence[View]) -> list[list[Crop]]:
    """The faces of a photo -> for each view their crops, in their order; a face that one view cannot cut is left out.

    Landmarks are looked for once, and a finer picture is decoded once, however many views want them.

    Raises:
        ImageError: more pixels are wanted than were decoded, and the photo can no longer be read.
    """
    photo, found = faces.photo, [faces.face(i) for i in range(len(faces))]
    wanted = [max(_wanted(view, face) for view in views) for face in found]
    # One finer picture serves all faces that want one; the others have pixels enough as it is.
    finer = sharper(photo, max(wanted, default=0.0))
    sources = [(photo.pixels, photo.scale) if photo.scale >= scale else finer for scale in wanted]
    rows = [_cut(photo, face, source, views) for face, source in zip(found, sources, strict=True)]
    return [[row[i] for row in rows if row] for i in range(len(views))]


def _cut(photo: Photo, face: Detection, source: tuple[Pixels, float], views: Sequence[View]) -> list[Crop] | None:
    points = cache(partial(_points, *source, face.box))
    try:
        matrices = [_matrix(view, source[1], face, points) for view in views]
    except warp.DegenerateError:
        return None
    crops = [warp.cut(source[0], matrix, view.size) for view, matrix in zip(views, matrices, strict=True)]
    return [
        Crop(photo.origin, face, cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.uint8) if view.grey else crop)
        for view, crop in zip(views, crops, strict=True)
    ]


def _wanted(view: View, face: Detection) -> float:
    """Pixels that the crop can use for each pixel of the photo."""
    x1, y1, x2, y2 = face.box
    # A crop is a little larger than the face in every view, so this errs on the sharp side.
    side = max(view.size, _LANDMARK_SIDE if view.points.startswith("dlib") else 0)
    return min(1.0, side / max(x2 - x1, y2 - y1, 1.0))


def _points(pixels: Pixels, scale: float, box: Box, model: str) -> Floats:
    x1, y1, x2, y2 = (value * scale for value in box)
    return LANDMARKS.load(model)(model)(pixels, (x1, y1, x2, y2))


def _matrix(view: View, scale: float, face: Detection, points: Callable[[str], Floats]) -> Floats:
    if view.fit == "box":
        x1, y1, x2, y2 = (value * scale for value in face.box)
        return warp.square((x1, y1, x2, y2), view.size, view.margin)
    target = np.array(view.template, np.float32) * view.size
    if view.points != "detector":
        source = points(view.points)[list(view.indices)]
    elif face.landmarks is not None:
        source = face.landmarks[list(view.indices)] * scale
    else:
        # A detector without landmarks: the middles of the eyes from dlib's corners, which fix a similarity.
        corners = points(STAND_IN)
        source, target = np.stack([corners[2:4].mean(axis=0), corners[0:2].mean(axis=0)]), target[:2]
    return warp.affine(source, target) if view.fit == "affine" else warp.similarity(source, target)
