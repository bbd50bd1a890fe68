"""What is wrong with one photo by itself: figures of its faces in, findings out; knows no other photo and no pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mien.curate.finding import DROP, KEEP, Finding, Kind
from mien.curate.masks import BADLY, NONE, WORN
from mien.curate.quality import SIDE
from mien.curate.shown import ImageFeatures
from mien.types import Floats, Reason, Rejected

_CUT_ALREADY = 112
"""Pictures whose shorter side is below this are often faces cut already, in which detectors miss every fifth."""

_ENLARGED = 1.5
"""A face of few pixels is enlarged before its sharpness is measured, which costs about this power of how much: 2.1 was
measured on street photos from 24 to 110 pixels, but pictures that were made small with care keep far more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is worth a look.

    Chosen by eye among the worst of seven data sets (portraits, press and street photos, crops of 48 pixels), with some
    room between them and the photos that are merely poor; measured by `benchmarks/curation_photos.py`.

    small, tiny: pixels of a face's side below which it is small, and too small to learn from. sharpness, detail: it is
    blurred below both, the variance of the Laplacian, and that as a share of the luma's variance; the first alone would
    blame faces with little contrast, the second those before a busy background. dark: mean and twice the standard
    deviation of the luma, so that it is the light that is judged and not the skin. bright: its mean. yaw: degrees.
    inside: share of the face. second: side of a further face, as a share of the main one's. margin: how far that one
    stands from the edges, as a share of its own side; one that the frame all but cuts is a bystander's. covered:
    probability. masks: whether a mask is worth a finding; it is not where everybody is meant to wear one.
    """

    small: float = 30
    tiny: float = 20
    sharpness: float = 40
    detail: float = 0.025
    dark: float = 0.35
    bright: float = 0.85
    yaw: float = 45
    inside: float = 0.8
    second: float = 0.6
    margin: float = 0.1
    covered: float = 0.8
    masks: bool = True


def photo_findings(shown: ImageFeatures, limits: Limits = Limits()) -> list[Finding]:
    """One photo -> what should be looked at in it, each kind once: of its main face, and whether there are others.

    `DROP` is proposed only where nothing can be learnt: no face, or hardly any pixels of one.
    """
    if not len(shown):
        return [_faceless(shown)]
    return [finding for judge in _JUDGES for finding in judge(shown, limits)]


def rejected_finding(rejected: Rejected) -> Finding:
    """A photo that could not be looked at, as a finding; one without a face could, and is `ImageFeatures`."""
    reason, origin = rejected.reason, rejected.origin
    proposed = KEEP if reason in _NOT_ITS_FAULT else DROP
    detail = f"{reason.meaning} ({rejected.detail})" if rejected.detail else reason.meaning
    return Finding(Kind.UNREADABLE, origin.uri, origin.label, proposed, 1.0, detail)


_NOT_ITS_FAULT = (Reason.TOO_LARGE, Reason.ERROR)


def _faceless(shown: ImageFeatures) -> Finding:
    origin = shown.origin
    if min(shown.width, shown.height) < _CUT_ALREADY:
        detail = f"no face was found; at {shown.width} x {shown.height} pixels it may be one already: --faces cut"
        return Finding(Kind.NO_FACE, origin.uri, origin.label, KEEP, 0.5, detail)
    return Finding(Kind.NO_FACE, origin.uri, origin.label, DROP, 0.9, "no face was found")


def _many(shown: ImageFeatures, limits: Limits) -> Iterator[Finding]:
    sides = shown.sides
    gaps = np.concatenate([shown.boxes[:, :2], [shown.width, shown.height] - shown.boxes[:, 2:]], axis=1).min(axis=1)
    meant = (sides >= limits.second * sides[0]) & (gaps >= limits.margin * sides)
    meant[0] = False
    if meant.any():
        largest = float(sides[meant].max() / sides[0])
        count = int(meant.sum()) + 1
        detail = f"{count} faces of about one size: the largest of the others has {largest:.0%} of the main one's side"
        yield _finding(shown, Kind.MANY_FACES, _beyond(largest, limits.second, 1.0), detail)


def _covered(shown: ImageFeatures, limits: Limits) -> Iterator[Finding]:
    label = (shown.origin.label or "").casefold()
    # In the order of the traits' labels: masks as in `curate.masks`; no glasses, glasses, sunglasses.
    mask, glasses = (_told(shown.traits.get(name), 3) for name in ("mask", "glasses"))
    masked = float(mask[0] + mask[2])
    if masked >= limits.covered and limits.masks and "mask" not in label and label not in (WORN, NONE, BADLY):
        yield _finding(shown, Kind.COVERED, masked, f"a mask covers the face ({masked:.2f})")
    elif (dark := float(glasses[2])) >= limits.covered and "glass" not in label:
        yield _finding(shown, Kind.COVERED, dark, f"sunglasses cover the eyes ({dark:.2f})")


def _cut_off(shown: ImageFeatures, limits: Limits) -> Iterator[Finding]:
    share = _first(shown, "inside")
    if share < limits.inside:
        sure = _beyond(share, limits.inside, limits.inside - 0.25)
        yield _finding(shown, Kind.CUT_OFF, sure, f"{share:.0%} of the face lie in the picture")


def _turned(shown: ImageFeatures, limits: Limits) -> Iterator[Finding]:
    yaw = _first(shown, "yaw")
    if abs(yaw) > limits.yaw:
        aside = "right" if yaw > 0 else "left"
        detail = f"the face is turned by about {abs(yaw):.0f} degrees to the {aside} of the picture"
        yield _finding(shown, Kind.TURNED, _beyond(abs(yaw), limits.yaw, limits.yaw + 25), detail)


def _blurred(shown: ImageFeatures, limits: Limits) -> Iterator[Finding]:
    sharpness, contrast = _first(shown, "sharpness"), 255 * _first(shown, "contrast")
    own = sharpness / min(1.0, _first(shown, "side") / SIDE) ** _ENLARGED
    worse = max(own / limits.sharpness, own / max(contrast, 1.0) ** 2 / limits.detail)
    if worse < 1:
        detail = (
            f"blurred: sharpness {sharpness:.0f}, where {sharpness / worse:.0f} is the least for its size and light"
        )
        yield _finding(shown, Kind.BLURRED, _beyond(worse, 1.0, 0.3), detail)


def _small(shown: ImageFeatures, limits: Limits) -> Iterator[Finding]:
    side = _first(shown, "side")
    if side < limits.small:
        tiny = side < limits.tiny
        detail = f"the face is {side:.0f} pixels wide" + (": too few to learn from" if tiny else "")
        sure = _beyond(side, limits.small, limits.tiny / 2)
        yield _finding(shown, Kind.SMALL, sure, detail, DROP if tiny else KEEP)


def _lit(shown: ImageFeatures, limits: Limits) -> Iterator[Finding]:
    mean, spread = _first(shown, "brightness"), _first(shown, "contrast")
    brightest = mean + 2 * spread
    if brightest < limits.dark:
        detail = f"dark: its light parts reach {brightest:.2f} of full brightness"
        yield _finding(shown, Kind.DARK, _beyond(brightest, limits.dark, limits.dark / 2), detail)
    elif mean > limits.bright:
        detail = f"burnt out: {mean:.2f} of full brightness on average"
        yield _finding(shown, Kind.BRIGHT, _beyond(mean, limits.bright, 1.0), detail)


_JUDGES: tuple[Callable[[ImageFeatures, Limits], Iterator[Finding]], ...] = (
    _many,
    _covered,
    _cut_off,
    _turned,
    _blurred,
    _small,
    _lit,
)


def _finding(shown: ImageFeatures, kind: Kind, sure: float, detail: str, proposed: str = KEEP) -> Finding:
    return Finding(kind, shown.key, shown.origin.label, proposed, sure, detail)


def _first(shown: ImageFeatures, name: str) -> float:
    """A measure of the main face; NaN, which is beyond no limit, where it is missing."""
    values = shown.quality.get(name)
    return float("nan") if values is None else float(values[0])


def _told(rows: Floats | None, count: int) -> Floats:
    """A trait's probabilities for the main face; NaN where nothing is said."""
    return np.full(count, np.nan, np.float32) if rows is None else rows[0]


def _beyond(value: float, limit: float, certain: float) -> float:
    """How sure it is that a value is beyond a limit: 0.5 at the limit, 1 at what is beyond doubt."""
    return float(np.clip(0.5 + 0.5 * (value - limit) / (certain - limit), 0.5, 1.0))
