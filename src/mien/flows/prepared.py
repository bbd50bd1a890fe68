"""Whether pictures look as if prepared otherwise than a bundle expects: a look at a few, and a warning."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from mien.config import settings
from mien.detect.stage import Detect
from mien.errors import WeightsError
from mien.flows.chain import Chain
from mien.images import Decode
from mien.types import Faces, Photo, PhotoRef

_LOOKED_AT = 6
_SIDE = 320  # pixels on the longer side, enough to see a face that fills a good part of a picture
_TINY = 64  # a picture of no more pixels on its longer side can only be a face already cut
_SMALL = 160  # and up to so many it may be one
_FILLS = 0.55  # of the picture's shorter side; a face that was cut out takes up more


def warning(chain: Chain, refs: Sequence[PhotoRef]) -> str | None:
    """A bundle's chain and the pictures that it is given -> a sentence, where these look prepared otherwise."""
    decoded = Decode(_SIDE, settings().max_megapixels)(list(islice(refs, _LOOKED_AT)))
    photos = [photo for photo in decoded if isinstance(photo, Photo)]
    if chain.faces == "cut":
        whole = [photo for photo in photos if _longer(photo) > _TINY and _is_small_in(photo, chain.detector)]
        if photos and 2 * len(whole) > len(photos):
            return (
                "these look like whole photos, and the bundle was trained on faces already cut:"
                " its answers may be wrong; give --faces find, or cut the faces with 'mien align' first"
            )
        return None
    small = [photo for photo in photos if _longer(photo) <= _SMALL]
    cut = [photo for photo in small if _longer(photo) <= _TINY or _face(photo, chain.detector) is None]
    if photos and 2 * len(cut) > len(photos):
        return (
            "these look like faces already cut, and the bundle was trained to find them in photos:"
            " its answers may be wrong; give --faces cut to take the pictures as they are"
        )
    return None


def _longer(photo: Photo) -> int:
    return max(photo.width, photo.height)


def _face(photo: Photo, detector: str) -> Faces | None:
    try:
        found = next(iter(Detect(detector, "largest", 12)([photo])))
    except WeightsError:  # faces already cut need no detector: a look at them must not ask for one
        return None
    return found if isinstance(found, Faces) else None


def _is_small_in(photo: Photo, detector: str) -> bool:
    """Whether the main face takes up only a small part of the picture."""
    found = _face(photo, detector)
    if found is None:
        return False
    x1, y1, x2, y2 = found.boxes[0]
    return bool(max(x2 - x1, y2 - y1) < _FILLS * min(photo.width, photo.height))
