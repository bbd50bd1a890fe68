"""Who wears no mask, or wears it badly, where everybody should wear one: by what can be seen of nose and mouth.

Knows the trait's probabilities, and no landmark: detectors place noses and mouths under masks as well as on bare faces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mien.curate.finding import KEEP, Finding, Kind
from mien.curate.shown import ImageFeatures
from mien.errors import DataError
from mien.types import Floats

WORN, NONE, BADLY = "with_mask", "without_mask", "incorrect"
"""The labels of the built-in trait `mask`, in the order of its columns."""


@dataclass(frozen=True, slots=True)
class MaskLimits:
    """From where on a mask is missed.

    sure: probability that no mask is worn properly, from which on a photo is proposed for another folder. Where
    everybody should wear one, few do not, and a lower limit would find more masked faces than bare ones; above it are
    all but one in a hundred of the bare faces. doubtful: the same, from which on it is worth a look. side: pixels of
    the smallest face that anything is proposed for; the trait was not measured on smaller ones.
    """

    sure: float = 0.97
    doubtful: float = 0.75
    side: float = 24


def mask_findings(shown: Sequence[ImageFeatures], limits: MaskLimits = MaskLimits()) -> list[Finding]:
    """Photos -> those whose main face wears no mask, or wears it so that nose or mouth can be seen.

    `proposed` is `NONE` or `BADLY`, the folder that it belongs into, or `KEEP` where a person should decide. A photo
    that is labelled so already is in its place. Other faces of a photo are told in the detail.

    Raises:
        DataError: there are faces, and the trait `mask` says nothing of any.
    """
    faces = [one for one in shown if len(one)]
    if faces and not any("mask" in one.traits for one in faces):
        raise DataError("--expect mask needs the built-in trait 'mask', which is missing here or turned off")
    return [finding for one in faces for finding in _judged(one, limits)]


def _judged(shown: ImageFeatures, limits: MaskLimits) -> Iterator[Finding]:
    rows = shown.traits.get("mask")
    if rows is None or np.isnan(rows[0]).any():
        return
    bad = float(1 - rows[0, 0])
    if bad < limits.doubtful:
        return
    seen = BADLY if rows[0, 2] > rows[0, 1] else NONE
    if shown.origin.label == seen:
        return
    tiny = float(shown.quality["side"][0]) < limits.side
    proposed = seen if bad >= limits.sure and not tiny else KEEP
    detail = f"{_WORDS[seen]} ({bad:.2f})" + (", too small a face to be sure" if tiny else "") + _others(rows[1:])
    yield Finding(Kind.LABEL_SUSPECT, shown.key, shown.origin.label, proposed, bad / 2 if tiny else bad, detail, seen)


_WORDS = {NONE: "no mask", BADLY: "a mask above which nose or mouth can be seen"}


def _others(rows: Floats) -> str:
    """What the other faces of a photo wear, in words."""
    told = rows[~np.isnan(rows).any(axis=1)]
    if not len(told):
        return ""
    worn = int((told.argmax(axis=1) == 0).sum())
    return f"; of {len(told)} other face{'s' if len(told) > 1 else ''}, {worn} with a mask"
