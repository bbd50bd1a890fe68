"""Which photos show one and the same picture, and the best of each such lot; proposes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from mien.curate.agreeing import agreement
from mien.curate.registering import Pairs, register
from mien.curate.resembling import resembling
from mien.curate.shown import THUMB, ImageFeatures
from mien.types import Floats

_ALIKE = 0.95
_WORST = 0.25
"""How alike two pictures of one shot are, see `Agreement`; of photos of fewer than `THUMB` pixels, whose compression
changes what is compared, the worst part may differ by as many times more. Copies of 1,500 photos, recompressed at JPEG
quality 40, cropped by 5 % or brightened by 15 %, differ by less than 0.2 in 99 of 100; two photos taken one after the
other by 0.5 or more, unless nothing has moved between them."""
_SEEN = 1 / 16  # less of a picture that is neither black nor white nor outside the other tells nothing
_CUT = 0.015  # of a side: what registering is off by
_UNEVEN = 0.02
"""A copy that was cropped keeps its proportions, and one that was stretched to another shape shows as much of both
sides, to within this and the rounding of a pixel. What is neither is another cut of the same shot, as there are some
among ORL's ten photos of a person: a variant to learn from, where it bears the same label on the same side of a split.
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """A photo that is one with a better one: its place in the data, whether exactly, how sure that is, and how so."""

    place: int
    exact: bool
    confidence: float
    detail: str


@dataclass(frozen=True, slots=True)
class Lot:
    """Photos that are one: the place of the best of them, and the others, better ones first."""

    best: int
    copies: Sequence[Copy]


def lots(shown: Sequence[ImageFeatures]) -> Iterator[Lot]:
    """Photos -> those that are one; each photo is in one lot at most.

    The best is the largest, then the one with the sharpest main face, then the first. Every other photo of a lot is a
    copy of the best, not of a copy: frames of a film, each like the next, do not all become one.
    """
    order = sorted(range(len(shown)), key=lambda i: (-shown[i].width * shown[i].height, -_sharpness(shown[i]), i))
    rank = {place: i for i, place in enumerate(order)}
    same = _exact(shown, order)
    leaders = list(same)
    near = _near([shown[i] for i in leaders])
    taken: set[int] = set()
    for row, best in enumerate(leaders):
        if row in taken:
            continue
        found = list(same[best])
        for other, confidence, detail in near[row]:
            if other not in taken:
                taken.add(other)
                place = leaders[other]
                found.append(Copy(place, False, confidence, detail))
                found += [Copy(copy.place, True, confidence, f"{copy.detail}, {detail}") for copy in same[place]]
        if found:
            yield Lot(best, sorted(found, key=lambda copy: rank[copy.place]))


def _sharpness(photo: ImageFeatures) -> float:
    return float(photo.quality["sharpness"][0]) if len(photo) and "sharpness" in photo.quality else 0.0


def _exact(shown: Sequence[ImageFeatures], order: Sequence[int]) -> dict[int, list[Copy]]:
    """The photos that differ from all better ones, in `order`, each with those that are exactly the same."""
    leader: dict[bytes, int] = {}
    made: dict[int, list[Copy]] = {}
    for i in order:
        photo = shown[i]
        picture = blake2b(f"{photo.width} {photo.height} ".encode() + photo.thumb.tobytes()).digest()
        best = leader.get(photo.digest, leader.get(picture, i))
        leader.setdefault(photo.digest, best)
        leader.setdefault(picture, best)
        if best == i:
            made[i] = []
        else:
            how = "the same file as" if photo.digest == shown[best].digest else "the same picture, in another file, as"
            made[best].append(Copy(i, True, 1.0, f"{how} {shown[best].key}"))
    return made


def _near(photos: Sequence[ImageFeatures]) -> dict[int, list[tuple[int, float, str]]]:
    """Photos, better ones first -> for each, the worse ones that show the same: their row, how sure that is, how so."""
    made: dict[int, list[tuple[int, float, str]]] = defaultdict(list)
    if len(photos) < 2:
        return made
    pictures = np.stack([photo.thumb for photo in photos])
    pairs = register(pictures, resembling(pictures))
    side = np.array([min(photo.width, photo.height) for photo in photos])
    pitch = (THUMB / np.minimum(side[pairs.first], side[pairs.second])).astype(np.float32)
    found = agreement(pictures, pairs, pitch)
    error = found.worst / np.maximum(1, pitch)
    sure = np.flatnonzero((found.alike >= _ALIKE) & (error <= _WORST) & (found.seen >= _SEEN))
    uneven = _uneven(photos, pairs) > _UNEVEN + pitch / THUMB
    told = set()
    for i in sure[np.argsort(-found.alike[sure], kind="stable")]:  # of one that is symmetric, as it is or mirrored
        first, second = int(pairs.first[i]), int(pairs.second[i])
        variant = uneven[i] and _side(photos[first]) == _side(photos[second])
        if (first, second) not in told and not variant:
            told.add((first, second))
            detail = _how(photos[first], photos[second], pairs, int(i))
            made[first].append((second, float(min(1, 1 - error[i] / 2)), detail))
    for row in made.values():
        row.sort()
    return made


def _side(photo: ImageFeatures) -> tuple[str | None, str | None]:
    return photo.origin.label, photo.origin.split


def _uneven(photos: Sequence[ImageFeatures], pairs: Pairs) -> Floats:
    """How much more of one side was cropped, or how far the shape was changed: the smaller of them, as a logarithm."""
    shape = np.log([photo.width / photo.height for photo in photos])
    cropped = pairs.place[:, 0] - pairs.place[:, 1]
    stretched = cropped + shape[pairs.second] - shape[pairs.first]
    return np.asarray(np.minimum(np.abs(cropped), np.abs(stretched)), np.float32)


def _how(best: ImageFeatures, copy: ImageFeatures, pairs: Pairs, i: int) -> str:
    """What became of a photo, in words."""
    words = [f"a {'mirrored ' if pairs.mirrored[i] else ''}copy of {best.key}"]
    share: Floats = np.exp(-pairs.place[i, :2])
    if share.min() < 1 - _CUT:
        words.append(f"cropped to {min(1, share[0]):.0%} by {min(1, share[1]):.0%}")
    elif share.max() > 1 + _CUT:
        words.append("of which more can be seen")
    if (best.width, best.height) != (copy.width, copy.height):
        words.append(f"at {copy.width}x{copy.height} pixels instead of {best.width}x{best.height}")
    return ", ".join(words)
