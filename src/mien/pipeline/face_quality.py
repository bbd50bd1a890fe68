"""How well the faces of a photo can be seen, in figures: brings pixels and boxes together; knows no verb."""

from __future__ import annotations

from mien.curate.features import SIDE, Quality, face_quality
from mien.images import pixels_at_scale
from mien.types import Detection, Faces, Pixels


def measure_quality(faces: Faces) -> list[Quality]:
    """Faces of a photo -> the quality of each.

    Raises:
        ImageError: more pixels are wanted than were decoded, and the photo can no longer be read.
    """
    photo, found = faces.photo, [faces.face(i) for i in range(len(faces))]
    wanted = [min(1.0, SIDE / max(_side(face), 1)) for face in found]
    # One finer picture serves all faces that want one; the others have pixels enough as it is.
    finer = pixels_at_scale(photo, max(wanted, default=0.0))
    sources = [(photo.pixels, photo.scale) if photo.scale >= scale else finer for scale in wanted]
    return [face_quality(inside(*source, face), _side(face)) for face, source in zip(found, sources, strict=True)]


def inside(pixels: Pixels, scale: float, face: Detection) -> Pixels:
    """A photo at some scale (h, w, 3) -> what of it lies in the face's box, one pixel at least."""
    x1, y1, x2, y2 = (round(value * scale) for value in face.box)
    x1, y1 = max(0, min(x1, pixels.shape[1] - 1)), max(0, min(y1, pixels.shape[0] - 1))
    return pixels[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


def _side(face: Detection) -> int:
    return round(min(face.box[2] - face.box[0], face.box[3] - face.box[1]))
