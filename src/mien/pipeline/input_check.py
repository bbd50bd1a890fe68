"""Whether pictures look as if prepared otherwise than a bundle expects: a look at the first few, and a warning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from mien.config import settings
from mien.detection.stage import Detect
from mien.errors import WeightsError
from mien.images import Decode, ImageError, read, read_header
from mien.pipeline.spec import PipelineSpec
from mien.types import Faces, Photo, PhotoRef

_SAMPLE = 6
_SIDE = 320  # pixels on the longer side, enough to see a face that fills a good part of a picture
_TINY = 64  # a picture with no more pixels on its longer side can only be a face already cut
_SMALL = 160  # and up to this many it may be one
_FILLS = 0.55  # of the picture's shorter side; a face that was cut out takes up more


def check_preprocessing(spec: PipelineSpec, refs: Sequence[PhotoRef]) -> tuple[Sequence[PhotoRef], str | None]:
    """A bundle's pipeline and the pictures that it is given -> the pictures, and a warning if they look wrong for it.

    The first few come back with their bytes, so that no file is read twice.
    """
    sample = [_with_bytes(ref) for ref in islice(refs, _SAMPLE)]
    if isinstance(refs, list):
        refs = [*sample, *refs[_SAMPLE:]]
    sized = [(ref, side) for ref in sample if (side := _longer_side(ref)) is not None]
    if spec.faces == "cut":
        whole = [ref for ref, side in sized if side > _TINY and _has_small_face(ref, spec.detector)]
        if 2 * len(whole) > len(sized):
            return refs, (
                "these look like whole photos, but the bundle was trained on faces already cut: its answers may be"
                " wrong; give --faces find, or cut the faces with 'mien align' first"
            )
        return refs, None
    cut = [ref for ref, side in sized if side <= _TINY or (side <= _SMALL and _face(ref, spec.detector) is None)]
    if 2 * len(cut) > len(sized):
        return refs, (
            "these look like faces already cut, but the bundle was trained to find them in photos: its answers may be"
            " wrong; give --faces cut to take the pictures as they are"
        )
    return refs, None


def _with_bytes(ref: PhotoRef) -> PhotoRef:
    if ref.pixels is not None or ref.data is not None:
        return ref
    try:
        return replace(ref, data=read(ref, settings().max_megapixels))
    except ImageError:
        return ref


def _longer_side(ref: PhotoRef) -> int | None:
    """The longer side by the picture's header, since most pictures need no closer look; None if it cannot be read."""
    if ref.pixels is not None:
        return int(max(ref.pixels.shape[0], ref.pixels.shape[1]))
    if ref.data is None:
        return None
    try:
        header = read_header(ref.data)
    except ImageError:
        return None
    return max(header.width, header.height)


def _face(ref: PhotoRef, detector: str) -> Faces | None:
    """The main face of a picture, if there is one."""
    photo = next(iter(Decode(_SIDE, settings().max_megapixels)([ref])))
    try:
        faces = next(iter(Detect(detector, "largest", 12)([photo]))) if isinstance(photo, Photo) else None
    except WeightsError:  # faces already cut need no detector: this check must not ask for one
        return None
    return faces if isinstance(faces, Faces) else None


def _has_small_face(ref: PhotoRef, detector: str) -> bool:
    """Whether the main face takes up only a small part of the picture."""
    faces = _face(ref, detector)
    if faces is None:
        return False
    x1, y1, x2, y2 = faces.boxes[0]
    return bool(max(x2 - x1, y2 - y1) < _FILLS * min(faces.photo.width, faces.photo.height))
