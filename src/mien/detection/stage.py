"""The stages Photo -> Faces: by a detector, or the whole picture as one face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np

from mien.detection import DETECTORS, Detections, Detector, second_look
from mien.detection.detections import clip_and_rank, nms, rank_faces, sides
from mien.detection.single_shot import FACE_SCORE, YuNet, resize
from mien.images import ImageError, pixels_at_scale
from mien.stage import Needs
from mien.types import Faces, Floats, Ints, Photo, Pixels, Reason, Rejected

_RELIABLE_SIDE = 20
"""Side in pixels from which on every detector is reliable: photos are looked at so large that the smallest face has it,
and by default the smallest face is this one or, in large photos, a fiftieth of the longer side."""
_FRACTION = 50
_LONGEST, _TILE, _STEP = 1600, 1024, 4
"""Pictures with a longer side than that are searched in tiles, and so are all levels, each a quarter of the one before,
but the last: faces too large for the tiles' overlap are found on the next level."""
_OVERLAP, _EDGE = 256, 2
_SAME_FACE, _NEARLY = 0.3, 0.9
"""Boxes that overlap by so much are of one face; one so near the smallest size may have it on the second look."""
_ENOUGH = 2
"""The main face is found when it is so many times as large as the smallest face of a level: what a finer level could
add is less than half as large (`detections.rank_faces`)."""


@dataclass(frozen=True, slots=True)
class Detect:
    """Photo -> Faces, the main one first; a photo without a face is rejected.

    faces: the main face alone, which is faster, or all of them.
    min_face: side of the smallest face, in pixels of the photo at full size; None: 20, or in photos whose longer side
    has more than 1000 pixels 2 % of that.
    second_look: whether landmarks are found again in a picture of each face, and whether a photo without a face is
    looked at again with a border and turned (`mien.detection.second_look`).
    """

    detector: str = "yunet"
    faces: Literal["largest", "all"] = "largest"
    min_face: int | None = None
    second_look: bool = True
    name: ClassVar[str] = "detect"
    batch_size: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Faces | Rejected]:
        for photo in batch:
            try:
                yield self._detect(photo)
            except ImageError as error:
                yield Rejected(photo.origin, self.name, error.reason, error.detail)

    def _detect(self, photo: Photo) -> Faces | Rejected:
        least = self.min_face or max(_RELIABLE_SIDE, round(max(photo.width, photo.height) / _FRACTION))
        pixels = _pixels(photo, min(1.0, _RELIABLE_SIDE / least))
        # Both sides by themselves: rounding must not move a box over the edge.
        steps = np.array([photo.width / pixels.shape[1], photo.height / pixels.shape[0]], np.float32)
        found, quarters = self._search(pixels, least / float(steps.mean()))
        faces = _turned_back(_moved(found, np.roll(steps, quarters)), quarters, photo)
        # The main one of those that are large enough, which a smaller one may have surpassed.
        faces = self._main(faces.take(np.flatnonzero(sides(faces.boxes) >= least)))
        if not len(faces):
            return Rejected(photo.origin, self.name, Reason.NO_FACE, self._detail(least, faces.near_miss))
        return Faces(photo, faces.boxes, faces.scores, faces.landmarks, turned=90 * quarters)

    def _search(self, pixels: Pixels, least: float) -> tuple[Detections, int]:
        """A picture -> by how many quarters, clockwise, it lies on its side, and its faces when turned back by them."""
        if not self.second_look:
            return self._find(pixels, least), 0
        faces, scores = self._confirmed(pixels, least)
        quarters = second_look.quarter_turns(pixels, faces.boxes, scores)
        if quarters is None:
            return faces, 0
        turned = np.ascontiguousarray(np.rot90(pixels, quarters))
        bordered, border = second_look.add_border(turned)
        again = _moved(self._confirmed(bordered, least)[0], shift=-border)
        again = clip_and_rank(again, turned.shape[1], turned.shape[0], min_face=least, largest=False)
        return (again, quarters) if len(again) else (faces, 0)

    def _main(self, faces: Detections) -> Detections:
        return faces.take(slice(1)) if self.faces == "largest" else faces

    def _confirmed(self, pixels: Pixels, least: float) -> tuple[Detections, Floats]:
        """A picture -> the faces that are left after a second look at each, and their scores (n,) in that."""
        found = self._find(pixels, least)
        found = found.take(np.flatnonzero(sides(found.boxes) >= _NEARLY * least))
        if self.faces == "largest":
            found = found.take(slice(second_look.MOST))
        if not len(found):
            return found, found.scores
        faces, scores = second_look.refine(pixels, found)
        if self.detector != second_look.WEIGHTS:
            return faces, scores
        best = np.maximum(faces.scores, scores)
        kept = np.flatnonzero(best >= FACE_SCORE)
        kept = kept[rank_faces(faces.boxes[kept], pixels.shape[1], pixels.shape[0])]
        near_miss = max(faces.near_miss, float(best[best < FACE_SCORE].max(initial=0)))
        return Detections(faces.boxes, best, faces.landmarks, near_miss).take(kept), scores[kept]

    def _find(self, pixels: Pixels, least: float) -> Detections:
        """A picture of any size, and the smallest face in its pixels -> the faces."""
        scale, largest = min(1.0, _RELIABLE_SIDE / least), self.faces == "largest"
        if max(pixels.shape[:2]) * scale <= _LONGEST:
            faces = self._detector(least)(pixels, largest=largest)
            # Detectors tolerate somewhat smaller faces, and such a one may hide the main one.
            alone = largest and len(faces) == 1 and sides(faces.boxes)[0] < least
            return self._detector(least)(pixels) if alone else faces
        levels = [1]
        while max(pixels.shape[:2]) * scale / levels[-1] > _LONGEST:
            levels.append(levels[-1] * _STEP)
        found: list[Detections] = []
        for level in reversed(levels):
            parts = self._in_tiles(resize(pixels, scale / level), least * scale)
            found += [_moved(part, level / scale) for part in parts]
            faces = _united(found, pixels.shape)
            large = sides(faces.boxes[:1]) >= _ENOUGH * least * level
            if largest and (large & (faces.scores[:1] >= FACE_SCORE)).any():
                break
        return faces

    def _in_tiles(self, pixels: Pixels, least: float) -> Iterator[Detections]:
        """A picture -> for each of its tiles the faces that lie within it; a small picture is one tile."""
        height, width = pixels.shape[:2]
        tile = _LONGEST if max(height, width) <= _LONGEST else _TILE
        detector, size = self._detector(least), np.array([width, height])
        for top in range(0, max(1, height - _OVERLAP), tile - _OVERLAP):
            for left in range(0, max(1, width - _OVERLAP), tile - _OVERLAP):
                corner, end = np.array([left, top]), np.minimum([left + tile, top + tile], size)
                faces = detector(np.ascontiguousarray(pixels[top : end[1], left : end[0]]))
                faces = _moved(faces, shift=corner)
                # What an inner edge cuts off lies whole in the next tile.
                whole = (faces.boxes[:, :2] >= corner + _EDGE * (corner > 0)).all(axis=1)
                whole &= (faces.boxes[:, 2:] <= end - _EDGE * (end < size)).all(axis=1)
                yield faces.take(np.flatnonzero(whole))

    def _detector(self, least: float) -> Detector:
        return _detector(self.detector, max(1, round(least)), self.second_look)

    def _detail(self, least: int, near_miss: float) -> str:
        near = f"; the best candidate scored {near_miss:.2f}, below the threshold" if near_miss > 0 else ""
        return f"{self.detector} found none of {least} pixels or more{near}"


@dataclass(frozen=True, slots=True)
class WholeImage:
    """Photo -> Faces for pictures of cut faces: one face, as large as the picture, without landmarks."""

    name: ClassVar[str] = "whole"
    batch_size: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Faces | Rejected]:
        for photo in batch:
            box = np.array([[0, 0, photo.width, photo.height]], np.float32)
            yield Faces(photo, box, np.ones(1, np.float32))


@lru_cache(maxsize=64)
def _detector(name: str, min_face: int, candidates: bool) -> Detector:
    if name == second_look.WEIGHTS:
        return YuNet(min_face, candidates=candidates)
    return DETECTORS.load(name)(min_face=min_face)


def _pixels(photo: Photo, scale: float) -> Pixels:
    """The photo's pixels at that scale or somewhat finer; ImageError where more are wanted and cannot be had."""
    pixels, have = pixels_at_scale(photo, scale)
    step = int(have / scale)
    return pixels if step < 2 else resize(pixels, 1 / step)


def _moved(faces: Detections, scale: Floats | float = 1.0, shift: Ints | int = 0) -> Detections:
    """Faces in a picture that is larger by `scale`, and then moved by `shift`; each is (x, y) or one for both."""
    factors, more = (np.broadcast_to(np.asarray(values, np.float32), 2) for values in (scale, shift))
    marks = None if faces.landmarks is None else faces.landmarks * factors + more
    boxes = faces.boxes * np.tile(factors, 2) + np.tile(more, 2)
    return Detections(boxes, faces.scores, marks, faces.near_miss)


def _united(parts: Sequence[Detections], shape: Sequence[int]) -> Detections:
    """Faces found in parts of a picture of that shape -> each once, the main one first."""
    marks = [part.landmarks for part in parts if part.landmarks is not None]
    faces = Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate(marks) if len(marks) == len(parts) else None,
        max(part.near_miss for part in parts),
    )
    faces = faces.take(nms(faces.boxes, faces.scores, _SAME_FACE))
    return faces.take(rank_faces(faces.boxes, shape[1], shape[0]))


def _turned_back(faces: Detections, quarters: int, photo: Photo) -> Detections:
    """Faces in a photo turned counter-clockwise by that many quarters -> where they are in the photo as it is."""
    corners, marks = faces.boxes.reshape(-1, 2, 2), faces.landmarks
    for i in range(quarters, 0, -1):
        width = photo.width if i % 2 else photo.height
        corners = np.stack([width - corners[..., 1], corners[..., 0]], axis=-1)
        # Landmarks are counted from the middle of the first pixel, boxes from its edge.
        marks = None if marks is None else np.stack([width - 1 - marks[..., 1], marks[..., 0]], axis=-1)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    boxes = np.clip(boxes, 0, np.array([photo.width, photo.height] * 2, np.float32))
    return Detections(boxes, faces.scores, marks, faces.near_miss)
