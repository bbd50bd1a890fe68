"""What photos that are one mean for a data set: copies, two labels, leaks between splits; knows no pixels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from mien.curate.finding import DROP, KEEP, Finding, Kind
from mien.curate.shown import ImageFeatures
from mien.curate.twins import Copy, Lot, lots


def copies(shown: Sequence[ImageFeatures]) -> list[Finding]:
    """Photos -> copies, near-copies, photos under two labels, and what stands on both sides of a split.

    Of photos that are one the best is kept and the others are proposed to be dropped. Where they bear different labels,
    the best of each label is kept, unless more than half of them, and at least two, bear the same.
    """
    found = [finding for lot in lots(shown) for finding in _told(shown, lot)]
    leaks = {finding.path for finding in found if finding.kind is Kind.LEAK}
    return [*found, *_groups([photo for photo in shown if photo.key not in leaks])]


def _told(shown: Sequence[ImageFeatures], lot: Lot) -> Iterator[Finding]:
    """The findings about photos that are one."""
    places = [lot.best, *(copy.place for copy in lot.copies)]
    kept = _kept([(place, shown[place].origin.label) for place in places])
    middle = next(iter(kept.values()))
    how = {copy.place: copy for copy in lot.copies}
    if middle != lot.best:
        how[lot.best] = Copy(lot.best, how[middle].exact, how[middle].confidence, "its copies have another label")
    for place in places:
        proposed = KEEP if place in kept.values() else DROP
        if place != middle:
            other = middle if proposed == KEEP else kept.get(shown[place].origin.label, middle)
            kind = Kind.COPY if how[place].exact else Kind.NEAR_COPY
            yield _finding(kind, shown[place], proposed, how[place].confidence, how[place].detail, shown[other])
        sure = how[place if place != middle else next(iter(how))].confidence
        yield from _two_labels([shown[each] for each in (place, middle, *places)], proposed, sure)
        yield from _leak([shown[each] for each in (place, middle, *places)], proposed, sure)


def _kept(labelled: Sequence[tuple[int, str | None]]) -> dict[str | None, int]:
    """Places and labels of photos that are one, better ones first -> of each label that stands, the photo to keep."""
    named = [(place, label) for place, label in labelled if label is not None] or labelled
    label, most = Counter(label for _, label in named).most_common(1)[0]
    decided = most > 1 and 2 * most > len(named)
    kept: dict[str | None, int] = {}
    for place, each in named:
        if not decided or each == label:
            kept.setdefault(each, place)
    return kept


def _two_labels(photos: Sequence[ImageFeatures], proposed: str, confidence: float) -> Iterator[Finding]:
    """A photo, the one that stands for all, and all -> that some of them bear another label, if so.

    The confidence is lower the more of them bear the same label.
    """
    photo, *others = photos
    label = photo.origin.label
    twin = next((each for each in others if each.origin.label not in (None, label)), None)
    if label is None or twin is None:
        return
    counts = Counter(str(each.origin.label) for each in photos[2:] if each.origin.label is not None)
    share = counts[label] / counts.total()
    said = " and ".join(f"{each} ({count})" if count > 1 else each for each, count in sorted(counts.items()))
    detail = f"the same photo stands under {said}"
    yield _finding(Kind.LABEL_SUSPECT, photo, proposed, confidence * (1 - share), detail, twin)


def _leak(photos: Sequence[ImageFeatures], proposed: str, confidence: float) -> Iterator[Finding]:
    """A photo, the one that stands for all, and all -> that it stands on another side of a split, if so."""
    photo, *others = photos
    side = next((each for each in others if each.origin.split is not None), photo)
    if photo.origin.split in (None, side.origin.split):
        return
    detail = f"a copy of a photo of {side.origin.split} stands in {photo.origin.split}"
    yield _finding(Kind.LEAK, photo, proposed, confidence, detail, side)


def _groups(shown: Sequence[ImageFeatures]) -> Iterator[Finding]:
    """Groups that stand on several sides of a split, each once: at the first photo on its smallest side."""
    groups: dict[str, dict[str, list[ImageFeatures]]] = defaultdict(lambda: defaultdict(list))
    for photo in shown:
        if photo.origin.group is not None and photo.origin.split is not None:
            groups[photo.origin.group][photo.origin.split].append(photo)
    for group, sides in groups.items():
        if len(sides) > 1:
            *_, larger, smallest = sorted(sides, key=lambda side: -len(sides[side]))
            counts = " and ".join(f"{len(photos)} in {side}" for side, photos in sides.items())
            detail = f"{group} stands on both sides of the split: photos {counts}"
            yield _finding(Kind.LEAK, sides[smallest][0], KEEP, 1.0, detail, sides[larger][0])


def _finding(
    kind: Kind, photo: ImageFeatures, proposed: str, confidence: float, detail: str, other: ImageFeatures
) -> Finding:
    return Finding(kind, photo.key, photo.origin.label, proposed, confidence, detail, other.key)
