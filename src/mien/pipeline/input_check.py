"""Whether pictures look as if prepared otherwise than a bundle expects: a look at a few, and a warning."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from mien.config import settings
from mien.detect.stage import Detect
from mien.errors import WeightsError
from mien.images import Decode, ImageError, read, read_header
from mien.pipeline.spec import PipelineSpec
from mien.types import Faces, Photo, PhotoRef

_LOOKED_AT = 6
_SIDE = 320  # pixels on the longer side, enough to see a face that fills a good part of a picture
_TINY = 64  # a picture of no more pixels on its longer side can only be a face already cut
_SMALL = 160  # and up to so many it may be one
_FILLS = 0.55  # of the picture's shorter side; a face that was cut out takes up more


def check_preprocessing(spec: PipelineSpec, refs: Sequence[PhotoRef]) -> str | None:
    """A bundle's chain and the pictures that it is given -> a sentence, where these look prepared otherwise."""
    few = [(ref, side) for ref in islice(refs, _LOOKED_AT) if (side := _longer(ref)) is not None]
    if spec.faces == "cut":
        whole = [ref for ref, side in few if side > _TINY and _is_small(ref, spec.detector)]
        if few and 2 * len(whole) > len(few):
            return (
                "these look like whole photos, and the bundle was trained on faces already cut:"
                " its answers may be wrong; give --faces find, or cut the faces with 'mien align' first"
            )
        return None
    cut = [ref for ref, side in few if side <= _TINY or (side <= _SMALL and _face(ref, spec.detector) is None)]
    if few and 2 * len(cut) > len(few):
        return (
            "these look like faces already cut, and the bundle was trained to find them in photos:"
            " its answers may be wrong; give --faces cut to take the pictures as they are"
        )
    return None


def _longer(ref: PhotoRef) -> int | None:
    """The longer side by the picture's header, since most pictures need no second look; None where there is none."""
    try:
        header = read_header(read(ref, settings().max_megapixels))
    except ImageError:
        return None
    return max(header.width, header.height)


def _face(ref: PhotoRef, detector: str) -> Faces | None:
    """The main face of a picture, where there is one."""
    photo = next(iter(Decode(_SIDE, settings().max_megapixels)([ref])))
    try:
        found = next(iter(Detect(detector, "largest", 12)([photo]))) if isinstance(photo, Photo) else None
    except WeightsError:  # faces already cut need no detector: a look at them must not ask for one
        return None
    return found if isinstance(found, Faces) else None


def _is_small(ref: PhotoRef, detector: str) -> bool:
    """Whether the main face takes up only a small part of the picture."""
    found = _face(ref, detector)
    if found is None:
        return False
    x1, y1, x2, y2 = found.boxes[0]
    return bool(max(x2 - x1, y2 - y1) < _FILLS * min(found.photo.width, found.photo.height))
