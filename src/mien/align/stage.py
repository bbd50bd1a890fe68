"""The stage Faces -> Crop: which pixels a view needs, and the cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from mien.align import LANDMARKS, warp
from mien.align.views import STAND_IN, View
from mien.images import ImageError, sharper
from mien.stage import Needs
from mien.types import Box, Crop, Face, Faces, Floats, Photo, Pixels, Reason, Rejected

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
                crops = self._crops(faces)
            except ImageError as error:
                yield Rejected(faces.origin, self.name, error.reason, error.detail)
                continue
            if crops:
                yield from crops
            else:
                yield Rejected(faces.origin, self.name, Reason.NO_FACE, "its landmarks lie on one line")

    def _crops(self, faces: Faces) -> list[Crop]:
        photo, found = faces.photo, [faces.face(i) for i in range(len(faces))]
        wanted = [self._wanted(face) for face in found]
        # One finer picture serves all faces that want one; the others have pixels enough as it is.
        finer = sharper(photo, max(wanted, default=0.0))
        sources = [(photo.pixels, photo.scale) if photo.scale >= scale else finer for scale in wanted]
        crops = [self._cut(photo, face, *source) for face, source in zip(found, sources, strict=True)]
        return [crop for crop in crops if crop]

    def _cut(self, photo: Photo, face: Face, pixels: Pixels, scale: float) -> Crop | None:
        try:
            matrix = self._matrix(pixels, scale, face)
        except warp.DegenerateError:
            return None
        crop = warp.cut(pixels, matrix, self.view.size)
        return Crop(
            photo.origin, face, cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.uint8) if self.view.grey else crop
        )

    def _wanted(self, face: Face) -> float:
        """Pixels that the crop can use for each pixel of the photo."""
        x1, y1, x2, y2 = face.box
        # A crop is a little larger than the face in every view, so this errs on the sharp side.
        side = max(self.view.size, _LANDMARK_SIDE if self.view.points.startswith("dlib") else 0)
        return min(1.0, side / max(x2 - x1, y2 - y1, 1.0))

    def _matrix(self, pixels: Pixels, scale: float, face: Face) -> Floats:
        x1, y1, x2, y2 = (value * scale for value in face.box)
        box: Box = (x1, y1, x2, y2)
        if self.view.fit == "box":
            return warp.square(box, self.view.size, self.view.margin)
        target = np.array(self.view.template, np.float32) * self.view.size
        if self.view.points != "detector":
            source = LANDMARKS.load(self.view.points)(self.view.points)(pixels, box)[list(self.view.indices)]
        elif face.landmarks is not None:
            source = face.landmarks[list(self.view.indices)] * scale
        else:
            # A detector without landmarks: the middles of the eyes from dlib's corners, which fix a similarity.
            corners = LANDMARKS.load(STAND_IN)(STAND_IN)(pixels, box)
            source, target = np.stack([corners[2:4].mean(axis=0), corners[0:2].mean(axis=0)]), target[:2]
        return warp.affine(source, target) if self.view.fit == "affine" else warp.similarity(source, target)
