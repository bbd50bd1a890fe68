"""Photos that show one and the same picture: copies, near copies, two labels for one photo, leaks between splits."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from mien.curation.features import THUMB, ImageFeatures
from mien.curation.findings import DROP, KEEP, Finding, Kind
from mien.curation.registration import Pairs, agreement, register, waves
from mien.text import pluralize
from mien.types import Floats, Ints, Pixels


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a better photo: its place in the data, whether it is exact, how sure that is, and how it differs."""

    place: int
    exact: bool
    confidence: float
    detail: str


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Photos that are one: the place of the best of them, and the others, better ones first."""

    best: int
    copies: Sequence[Copy]


def duplicate_findings(photos: Sequence[ImageFeatures]) -> list[Finding]:
    """Photos -> copies, near copies, photos under two labels, and what stands on both sides of a split.

    Of each group of duplicates the best is kept and the others are proposed to be dropped. Where they bear different
    labels, the best of each label is kept, unless more than half of them, and at least two, bear the same.
    """
    findings = [finding for group in duplicate_groups(photos) for finding in _group_findings(photos, group)]
    leaks = {finding.path for finding in findings if finding.kind is Kind.LEAK}
    return [*findings, *_split_groups([photo for photo in photos if photo.key not in leaks])]


def _group_findings(photos: Sequence[ImageFeatures], group: DuplicateGroup) -> Iterator[Finding]:
    places = [group.best, *(copy.place for copy in group.copies)]
    keepers = _keepers([(place, photos[place].origin.label) for place in places])
    main = next(iter(keepers.values()))
    copies = {copy.place: copy for copy in group.copies}
    if main != group.best:
        copies[group.best] = Copy(
            group.best, copies[main].exact, copies[main].confidence, "its copies have a different label"
        )
    for place in places:
        proposed = KEEP if place in keepers.values() else DROP
        if place != main:
            other = main if proposed == KEEP else keepers.get(photos[place].origin.label, main)
            copy = copies[place]
            kind = Kind.COPY if copy.exact else Kind.NEAR_COPY
            yield _finding(kind, photos[place], proposed, copy.confidence, copy.detail, photos[other])
        confidence = copies[place if place != main else next(iter(copies))].confidence
        others = [photos[i] for i in (main, *places)]
        yield from _two_labels(photos[place], others, proposed, confidence)
        yield from _leak(photos[place], others, proposed, confidence)


def _keepers(labelled: Sequence[tuple[int, str | None]]) -> dict[str | None, int]:
    """Places and labels of duplicates, better ones first -> each label that stays, with the place of its photo."""
    named = [(place, label) for place, label in labelled if label is not None] or labelled
    winner, votes = Counter(label for _, label in named).most_common(1)[0]
    decided = votes > 1 and 2 * votes > len(named)
    keepers: dict[str | None, int] = {}
    for place, label in named:
        if not decided or label == winner:
            keepers.setdefault(label, place)
    return keepers


def _two_labels(
    photo: ImageFeatures, others: Sequence[ImageFeatures], proposed: str, confidence: float
) -> Iterator[Finding]:
    """A finding where duplicates bear different labels; others: the main one, then all of the group.

    The confidence is lower the more of them bear the photo's label.
    """
    label = photo.origin.label
    twin = next((other for other in others if other.origin.label not in (None, label)), None)
    if label is None or twin is None:
        return
    counts = Counter(str(other.origin.label) for other in others[1:] if other.origin.label is not None)
    share = counts[label] / counts.total()
    labels = " and ".join(f"{name} ({count})" if count > 1 else name for name, count in sorted(counts.items()))
    detail = f"the same photo is labelled {labels}"
    yield _finding(Kind.LABEL_SUSPECT, photo, proposed, confidence * (1 - share), detail, twin)


def _leak(photo: ImageFeatures, others: Sequence[ImageFeatures], proposed: str, confidence: float) -> Iterator[Finding]:
    """A finding where a photo is on another side of the split than the first of the others that has one."""
    other = next((other for other in others if other.origin.split is not None), photo)
    if photo.origin.split in (None, other.origin.split):
        return
    detail = f"this photo is in {photo.origin.split}, and a copy of it is in {other.origin.split}"
    yield _finding(Kind.LEAK, photo, proposed, confidence, detail, other)


def _split_groups(photos: Sequence[ImageFeatures]) -> Iterator[Finding]:
    """Groups that stand on several sides of a split, each once: at the first photo on its smallest side."""
    groups: dict[str, dict[str, list[ImageFeatures]]] = defaultdict(lambda: defaultdict(list))
    for photo in photos:
        if photo.origin.group is not None and photo.origin.split is not None:
            groups[photo.origin.group][photo.origin.split].append(photo)
    for group, sides in groups.items():
        if len(sides) > 1:
            *_, larger, smallest = sorted(sides, key=lambda side: -len(sides[side]))
            counts = " and ".join(f"{pluralize(len(members), 'photo')} in {side}" for side, members in sides.items())
            detail = f"{group} is on more than one side of the split: {counts}"
            yield _finding(Kind.LEAK, sides[smallest][0], KEEP, 1.0, detail, sides[larger][0])


def _finding(
    kind: Kind, photo: ImageFeatures, proposed: str, confidence: float, detail: str, other: ImageFeatures
) -> Finding:
    return Finding(kind, photo.key, photo.origin.label, proposed, confidence, detail, other.key)


# Which photos are duplicates.

_MIN_CORRELATION = 0.95
_MAX_ERROR = 0.25
"""What two pictures of one shot reach, see `Agreement`; of photos of fewer than `THUMB` pixels, whose compression
changes what is compared, the worst part may differ by as many times more. Copies of 1,500 photos, recompressed at JPEG
quality 40, cropped by 5 % or brightened by 15 %, differ by less than 0.2 in 99 of 100; two photos taken one after the
other by 0.5 or more, unless nothing has moved between them."""
_MIN_SEEN = 1 / 16  # less of a picture that is neither black nor white nor outside the other tells nothing
_CROP_TOLERANCE = 0.015  # of a side: the error of registration
_SHAPE_TOLERANCE = 0.02
"""A copy that was cropped keeps its proportions, and one that was stretched to another shape shows as much of both
sides, to within this and the rounding of a pixel. What is neither is another crop of the same shot, of which there are
some among ORL's ten photos of a person: a variant to learn from, if it bears the same label on the same side of a
split."""


def duplicate_groups(photos: Sequence[ImageFeatures]) -> Iterator[DuplicateGroup]:
    """Photos -> those that are one; each photo is in one group at most.

    The best is the largest, then the one with the sharpest main face, then the first. Every other photo of a group is a
    copy of the best, not of a copy: frames of a film, each like the next, do not all become one.
    """
    order = sorted(range(len(photos)), key=lambda i: (-photos[i].width * photos[i].height, -_sharpness(photos[i]), i))
    rank = {place: i for i, place in enumerate(order)}
    exact = _exact_copies(photos, order)
    leaders = list(exact)
    near = _near_copies([photos[i] for i in leaders])
    taken: set[int] = set()
    for row, best in enumerate(leaders):
        if row in taken:
            continue
        copies = list(exact[best])
        for other, confidence, detail in near[row]:
            if other not in taken:
                taken.add(other)
                place = leaders[other]
                copies.append(Copy(place, False, confidence, detail))
                copies += [Copy(copy.place, True, confidence, f"{copy.detail}, {detail}") for copy in exact[place]]
        if copies:
            yield DuplicateGroup(best, sorted(copies, key=lambda copy: rank[copy.place]))


def _sharpness(photo: ImageFeatures) -> float:
    return float(photo.quality["sharpness"][0]) if len(photo) and "sharpness" in photo.quality else 0.0


def _exact_copies(photos: Sequence[ImageFeatures], order: Sequence[int]) -> dict[int, list[Copy]]:
    """The photos that differ from all better ones, in `order`, each with its exact copies."""
    leader: dict[bytes, int] = {}
    copies: dict[int, list[Copy]] = {}
    for i in order:
        photo = photos[i]
        picture = blake2b(f"{photo.width} {photo.height} ".encode() + photo.thumb.tobytes()).digest()
        best = leader.get(photo.digest, leader.get(picture, i))
        leader.setdefault(photo.digest, best)
        leader.setdefault(picture, best)
        if best == i:
            copies[i] = []
        else:
            what = "file" if photo.digest == photos[best].digest else "picture"
            copies[best].append(Copy(i, True, 1.0, f"the same {what} as {photos[best].key}"))
    return copies


def _near_copies(photos: Sequence[ImageFeatures]) -> dict[int, list[tuple[int, float, str]]]:
    """Photos, better ones first -> for each its worse copies: their row, how sure that is, and how they differ."""
    copies: dict[int, list[tuple[int, float, str]]] = defaultdict(list)
    if len(photos) < 2:
        return copies
    pictures = np.stack([photo.thumb for photo in photos])
    pairs = register(pictures, candidate_pairs(pictures))
    side = np.array([min(photo.width, photo.height) for photo in photos])
    pitch = (THUMB / np.minimum(side[pairs.first], side[pairs.second])).astype(np.float32)
    fit = agreement(pictures, pairs, pitch)
    error = fit.worst / np.maximum(1, pitch)
    same = np.flatnonzero((fit.correlation >= _MIN_CORRELATION) & (error <= _MAX_ERROR) & (fit.seen >= _MIN_SEEN))
    reshaped = _shape_change(photos, pairs) > _SHAPE_TOLERANCE + pitch / THUMB
    seen = set()
    for i in same[np.argsort(-fit.correlation[same], kind="stable")]:  # a symmetric one fits as it is and mirrored
        first, second = int(pairs.first[i]), int(pairs.second[i])
        origins = [photos[row].origin for row in (first, second)]
        is_variant = reshaped[i] and len({(origin.label, origin.split) for origin in origins}) == 1
        if (first, second) not in seen and not is_variant:
            seen.add((first, second))
            detail = _describe(photos[first], photos[second], pairs, int(i))
            copies[first].append((second, float(min(1, 1 - error[i] / 2)), detail))
    for row in copies.values():
        row.sort()
    return copies


def _shape_change(photos: Sequence[ImageFeatures], pairs: Pairs) -> Floats:
    """How much more of one side was cropped, or how far the shape was changed: the smaller of them, as a logarithm."""
    shape = np.log([photo.width / photo.height for photo in photos])
    cropped = pairs.place[:, 0] - pairs.place[:, 1]
    stretched = cropped + shape[pairs.second] - shape[pairs.first]
    return np.asarray(np.minimum(np.abs(cropped), np.abs(stretched)), np.float32)


def _describe(best: ImageFeatures, copy: ImageFeatures, pairs: Pairs, i: int) -> str:
    """How a copy differs, in words."""
    words = [f"a {'mirrored ' if pairs.mirrored[i] else ''}copy of {best.key}"]
    share: Floats = np.exp(-pairs.place[i, :2])
    if share.min() < 1 - _CROP_TOLERANCE:
        words.append(f"cropped to {min(1, share[0]):.0%} of its width and {min(1, share[1]):.0%} of its height")
    elif share.max() > 1 + _CROP_TOLERANCE:
        words.append("showing more of the scene")
    if (best.width, best.height) != (copy.width, copy.height):
        words.append(f"at {copy.width}x{copy.height} pixels instead of {best.width}x{best.height}")
    return ", ".join(words)


# Candidates: pictures whose coarse waves are alike.

_WAVES = 8
_CROPPED = 0.92
"""A photo is described as a whole, and as if so much of each side were left: near to copies that lost 2 to 10 %."""
_MIN_COSINE = 0.7
"""Of 1,500 photos and their copies cropped by 5 % in all, or by 5 % at one corner, 99 % come out at 0.73 or more; two
photos of different people do in one pair of ten thousand."""
_MAX_NEIGHBOURS = 16
_MIN_RANGE = 12  # grey levels from the darkest pixel to the brightest: a blank picture resembles all others, and none
_CELLS = 1 << 23  # similarities at one time: 32 MB


def candidate_pairs(pictures: Pixels) -> Pairs:
    """Pictures (n, THUMB, THUMB) -> pairs that look alike, as they are or mirrored; the first one is the smaller row.

    Each is described by the coarse waves of its DCT, like a perceptual hash, in units of how much they vary among all
    pictures, so that what all photos of a data set have in common, a face in the middle, counts for little.
    """
    rows = np.flatnonzero(np.ptp(pictures, axis=(1, 2)) >= _MIN_RANGE)
    if len(rows) < 2:
        none = np.empty(0, np.int64)
        return Pairs(none, none, none > 0, np.empty((0, 4), np.float32))
    whole, middle = _descriptors(pictures[rows])
    mirror = np.where(np.arange(1, _WAVES**2) % _WAVES % 2, -1, 1).astype(np.float32)
    keys = []
    for queries, is_mirrored in itertools.product((whole, middle), (False, True)):
        pair = near(queries * mirror if is_mirrored else queries, whole, _MIN_COSINE, _MAX_NEIGHBOURS)
        keys.append(np.stack([np.minimum(*pair), np.maximum(*pair), np.full(len(pair[0]), is_mirrored)]))
    first, second, mirrored = np.unique(np.concatenate(keys, axis=1), axis=1)
    return Pairs(rows[first], rows[second], mirrored == 1, np.zeros((len(first), 4), np.float32))


def near(queries: Floats, table: Floats, min_cosine: float, most: int) -> tuple[Ints, Ints]:
    """Unit vectors (n, d) and (m, d) -> rows of both whose cosine is `min_cosine` or more.

    Of each query only the `most` nearest are given, and never the row of its own number.
    """
    blocks = list(_near_blocks(queries, table, min_cosine, most)) or [(np.empty(0, np.int64), np.empty(0, np.int64))]
    return np.concatenate([rows for rows, _ in blocks]), np.concatenate([columns for _, columns in blocks])


def _near_blocks(queries: Floats, table: Floats, min_cosine: float, most: int) -> Iterator[tuple[Ints, Ints]]:
    step = max(1, _CELLS // max(len(table), 1))
    for start in range(0, len(queries), step):
        cosines = queries[start : start + step] @ table.T
        own = np.arange(min(len(cosines), max(len(table) - start, 0)))
        cosines[own, start + own] = -2
        rows, columns = np.divmod(np.flatnonzero(cosines >= min_cosine), len(table))
        crowded = np.flatnonzero(np.bincount(rows, minlength=len(cosines)) > most)
        if len(crowded):
            nearest = np.argpartition(-cosines[crowded], most - 1, axis=1)[:, :most]
            others = ~np.isin(rows, crowded)
            rows = np.concatenate([rows[others], np.repeat(crowded, most)])
            columns = np.concatenate([columns[others], nearest.ravel()])
        yield rows + start, columns


def _descriptors(pictures: Pixels) -> tuple[Floats, Floats]:
    """Pictures as a whole and their middles -> unit vectors (n, 63) of both, in the same units."""
    along = np.arange(_WAVES)
    weight = np.sqrt(1 + np.hypot(along[:, None], along))  # finer waves are weaker, by about their number
    whole, middle = (
        _unit((waves(pictures, _WAVES, window) * weight).reshape(len(pictures), -1)[:, 1:]) for window in (1, _CROPPED)
    )
    even = np.arange(1, _WAVES**2) % _WAVES % 2 == 0  # odd waves change their sign in a mirror: their mean is nought
    spread = whole.std(0) + 0.3 * whole.std()
    return _unit((whole - whole.mean(0) * even) / spread), _unit((middle - whole.mean(0) * even) / spread)


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), np.float32)
