"""What single photos show to be wrong (size, light, masks, ...), and what labels show as a whole (balance, colour)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mien.curation.features import SIDE, ImageFeatures
from mien.curation.findings import DROP, KEEP, TURN, Finding, Kind
from mien.errors import DataError
from mien.text import join_names, pluralize
from mien.types import UNKNOWN, Floats, Reason, Rejected

# One photo by itself.

_LIKELY_CUT = 112
"""Pictures whose shorter side is below this are often faces cut already, in which detectors miss every fifth."""

_ENLARGEMENT_POWER = 1.5
"""A face of few pixels is enlarged before its sharpness is measured, which costs about this power of the factor: 2.1
was measured on street photos from 24 to 110 pixels, but pictures that were scaled down well keep far more."""


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """The limits beyond which a photo is worth a look.

    Chosen by eye among the worst of seven data sets (portraits, press and street photos, crops of 48 pixels), with some
    room between them and the photos that are merely poor; measured by `benchmarks/curation_photos.py`.

    small, tiny: pixels of a face's side below which it is small, and too small to learn from. sharpness, detail: a face
    is blurred below both, the variance of the Laplacian, and that as a share of the luma's variance; the first alone
    would blame faces with little contrast, the second those before a busy background. dark: mean plus twice the
    standard deviation of the luma, so that the light is judged and not the skin. bright: its mean. yaw: degrees.
    inside: share of the face. second: side of another face, as a share of the main one's. margin: how far that one is
    from the edges, as a share of its own side; one that the frame nearly cuts is a bystander's. covered: probability.
    masks: whether a mask is a finding, which it is not where everybody is meant to wear one.
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


def photo_findings(photo: ImageFeatures, limits: PhotoLimits = PhotoLimits()) -> list[Finding]:
    """One photo -> what is wrong with its main face, and whether there are others; each kind once.

    `DROP` is proposed only where nothing can be learnt: no face, or hardly any pixels of one.
    """
    if not len(photo):
        return [_no_face(photo)]
    return [finding for check in _CHECKS for finding in check(photo, limits)]


def rejected_finding(rejected: Rejected) -> Finding:
    """A photo that could not be read, as a finding; one without a face could, and has `ImageFeatures`."""
    reason, origin = rejected.reason, rejected.origin
    proposed = KEEP if reason in (Reason.TOO_LARGE, Reason.ERROR) else DROP
    detail = f"{reason.meaning} ({rejected.detail})" if rejected.detail else reason.meaning
    return Finding(Kind.UNREADABLE, origin.uri, origin.label, proposed, 1.0, detail)


def _no_face(photo: ImageFeatures) -> Finding:
    if min(photo.width, photo.height) < _LIKELY_CUT:
        detail = (
            f"no face was found; at {photo.width} x {photo.height} pixels it may be a cropped face: try --faces cut"
        )
        return _finding(photo, Kind.NO_FACE, 0.5, detail)
    return _finding(photo, Kind.NO_FACE, 0.9, "no face was found", DROP)


def _many_faces(photo: ImageFeatures, limits: PhotoLimits) -> Iterator[Finding]:
    sides = photo.sides
    gaps = np.concatenate([photo.boxes[:, :2], [photo.width, photo.height] - photo.boxes[:, 2:]], axis=1).min(axis=1)
    candidates = (sides >= limits.second * sides[0]) & (gaps >= limits.margin * sides)
    candidates[0] = False
    if candidates.any():
        largest = float(sides[candidates].max() / sides[0])
        count = int(candidates.sum()) + 1
        detail = f"{count} faces of similar size: the largest of the others is {largest:.0%} as wide as the main one"
        yield _finding(photo, Kind.MANY_FACES, _confidence(largest, limits.second, 1.0), detail)


_TURNS = {
    90: "the photo lies on its side: turn it 90 degrees counter-clockwise",
    180: "the photo is upside down: turn it 180 degrees",
    270: "the photo lies on its side: turn it 90 degrees clockwise",
}


def _turned_photo(photo: ImageFeatures, limits: PhotoLimits) -> Iterator[Finding]:  # noqa: ARG001 (all checks have them)
    if photo.turned:
        confidence = min(float(photo.scores[0]), 1.0)
        yield _finding(photo, Kind.TURNED_PHOTO, confidence, _TURNS[photo.turned], f"{TURN} {360 - photo.turned}")


def _covered(photo: ImageFeatures, limits: PhotoLimits) -> Iterator[Finding]:
    label = (photo.origin.label or "").casefold()
    # In the order of the traits' labels: masks as below; no glasses, glasses, sunglasses.
    mask, glasses = (_trait(photo, name, 3) for name in ("mask", "glasses"))
    masked = float(mask[0] + mask[2])
    if masked >= limits.covered and limits.masks and "mask" not in label and label not in MASK_LABELS:
        yield _finding(photo, Kind.COVERED, masked, f"a mask covers the face (probability {masked:.2f})")
    elif (dark := float(glasses[2])) >= limits.covered and "glass" not in label:
        yield _finding(photo, Kind.COVERED, dark, f"sunglasses cover the eyes (probability {dark:.2f})")


def _cut_off(photo: ImageFeatures, limits: PhotoLimits) -> Iterator[Finding]:
    share = _measure(photo, "inside")
    if share < limits.inside:
        confidence = _confidence(share, limits.inside, limits.inside - 0.25)
        yield _finding(photo, Kind.CUT_OFF, confidence, f"only {share:.0%} of the face is inside the picture")


def _turned(photo: ImageFeatures, limits: PhotoLimits) -> Iterator[Finding]:
    yaw = _measure(photo, "yaw")
    if abs(yaw) > limits.yaw:
        side = "right" if yaw > 0 else "left"
        detail = f"the face is turned about {abs(yaw):.0f} degrees towards the {side} of the picture"
        yield _finding(photo, Kind.TURNED, _confidence(abs(yaw), limits.yaw, limits.yaw + 25), detail)


def _blurred(photo: ImageFeatures, limits: PhotoLimits) -> Iterator[Finding]:
    sharpness, contrast = _measure(photo, "sharpness"), 255 * _measure(photo, "contrast")
    unscaled = sharpness / min(1.0, _measure(photo, "side") / SIDE) ** _ENLARGEMENT_POWER
    ratio = max(unscaled / limits.sharpness, unscaled / max(contrast, 1.0) ** 2 / limits.detail)
    if ratio < 1:
        detail = (
            f"blurred: sharpness {sharpness:.0f}, expected at least {sharpness / ratio:.0f} for its size and contrast"
        )
        yield _finding(photo, Kind.BLURRED, _confidence(ratio, 1.0, 0.3), detail)


def _small(photo: ImageFeatures, limits: PhotoLimits) -> Iterator[Finding]:
    side = _measure(photo, "side")
    if side < limits.small:
        tiny = side < limits.tiny
        detail = f"the face is only {side:.0f} pixels wide" + (", too small to learn from" if tiny else "")
        confidence = _confidence(side, limits.small, limits.tiny / 2)
        yield _finding(photo, Kind.SMALL, confidence, detail, DROP if tiny else KEEP)


def _badly_lit(photo: ImageFeatures, limits: PhotoLimits) -> Iterator[Finding]:
    mean, deviation = _measure(photo, "brightness"), _measure(photo, "contrast")
    highlights = mean + 2 * deviation
    if highlights < limits.dark:
        detail = f"too dark: even its bright parts reach only {highlights:.0%} of full brightness"
        yield _finding(photo, Kind.DARK, _confidence(highlights, limits.dark, limits.dark / 2), detail)
    elif mean > limits.bright:
        detail = f"overexposed: {mean:.0%} of full brightness on average"
        yield _finding(photo, Kind.BRIGHT, _confidence(mean, limits.bright, 1.0), detail)


_CHECKS = (_many_faces, _turned_photo, _covered, _cut_off, _turned, _blurred, _small, _badly_lit)


def _finding(photo: ImageFeatures, kind: Kind, confidence: float, detail: str, proposed: str = KEEP) -> Finding:
    return Finding(kind, photo.key, photo.origin.label, proposed, confidence, detail)


def _measure(photo: ImageFeatures, name: str) -> float:
    """A measure of the main face; NaN, which is beyond no limit, where it is missing."""
    values = photo.quality.get(name)
    return float("nan") if values is None else float(values[0])


def _trait(photo: ImageFeatures, name: str, count: int) -> Floats:
    """A trait's probabilities for the main face; NaN where there is no answer."""
    rows = photo.traits.get(name)
    return np.full(count, np.nan, np.float32) if rows is None else rows[0]


def _confidence(value: float, limit: float, certain: float) -> float:
    """How sure it is that a value is beyond a limit: 0.5 at the limit, 1 at `certain` and beyond."""
    return float(np.clip(0.5 + 0.5 * (value - limit) / (certain - limit), 0.5, 1.0))


# Masks, where everybody should wear one. Landmarks do not help: detectors place noses and mouths under masks, too.

WITH_MASK, WITHOUT_MASK, INCORRECT_MASK = MASK_LABELS = ("with_mask", "without_mask", "incorrect")
"""The labels of the built-in trait `mask`, in the order of its columns."""


@dataclass(frozen=True, slots=True)
class MaskLimits:
    """The limits beyond which a mask is taken for missing or badly worn.

    sure: the probability that no mask is worn properly from which another folder is proposed. Where everybody should
    wear one, few do not, and a lower limit would find more masked faces than bare ones; all but one in a hundred of the
    bare faces are above it. doubtful: the same, from which a photo is worth a look. side: pixels of the smallest face
    that anything is proposed for; the trait was not measured on smaller ones.
    """

    sure: float = 0.97
    doubtful: float = 0.75
    side: float = 24


def mask_findings(photos: Sequence[ImageFeatures], limits: MaskLimits = MaskLimits()) -> list[Finding]:
    """Photos -> those whose main face wears no mask, or wears it so that nose or mouth can be seen.

    `proposed` is the label (and folder) where it belongs, or `KEEP` where a person should decide. A photo that has that
    label already is no finding. Other faces of a photo are counted in the detail.

    Raises:
        DataError: there are faces, and the trait `mask` is missing.
    """
    with_faces = [photo for photo in photos if len(photo)]
    if with_faces and not any("mask" in photo.traits for photo in with_faces):
        raise DataError("--expect mask needs the built-in trait 'mask', which is missing or turned off (MIEN_TRAITS)")
    return [finding for photo in with_faces if (finding := _mask_finding(photo, limits)) is not None]


def _mask_finding(photo: ImageFeatures, limits: MaskLimits) -> Finding | None:
    rows = photo.traits.get("mask")
    if rows is None or np.isnan(rows[0]).any():
        return None
    unmasked = float(1 - rows[0, 0])
    label = INCORRECT_MASK if rows[0, 2] > rows[0, 1] else WITHOUT_MASK
    if unmasked < limits.doubtful or photo.origin.label == label:
        return None
    tiny = float(photo.quality["side"][0]) < limits.side
    proposed = label if unmasked >= limits.sure and not tiny else KEEP
    words = "no mask" if label == WITHOUT_MASK else "a mask that leaves the nose or mouth uncovered"
    detail = f"{words} (probability {unmasked:.2f})" + (", but the face is too small to be sure" if tiny else "")
    others = rows[1:][~np.isnan(rows[1:]).any(axis=1)]
    if len(others):
        detail += f"; {(others.argmax(axis=1) == 0).sum()} of {pluralize(len(others), 'other face')} with a mask"
    confidence = unmasked / 2 if tiny else unmasked
    return Finding(Kind.LABEL_SUSPECT, photo.key, photo.origin.label, proposed, confidence, detail, label)


# Labels as a whole.

FEW = 20
"""Fewer photos than this say little about a class, and leave only a handful to measure it by."""

UNEVEN = 5.0
"""Where another class has so many times the photos, training sees the smaller one too rarely to weigh it properly."""


def class_findings(photos: Sequence[ImageFeatures]) -> list[Finding]:
    """Labelled photos -> `few` for each class under 20 photos, `imbalance` for each that another has five times.

    Photos that show no face do not count, and where the data names splits, only those to learn from do.
    "unknown" is no class.
    """
    names = {photo.origin.label for photo in photos} - {None, UNKNOWN}
    learnt = Counter(photo.origin.label for photo in photos if photo.origin.split in (None, "train") and len(photo))
    counts = {label: learnt[label] for label in names if label is not None}
    if not counts:
        return []
    largest, most = max(counts.items(), key=lambda pair: (pair[1], pair[0]))
    findings = []
    for label, n in sorted(counts.items()):
        if n < FEW:
            detail = f"{pluralize(n, 'photo')} with a face; at least {FEW} are recommended"
            findings.append(Finding(Kind.FEW, None, label, KEEP, 1.0, detail))
        if most >= UNEVEN * max(n, 1):
            times = f", {most / n:.1f} times as many" if n else ""
            detail = (
                f"{pluralize(n, 'photo')}, while {largest} has {most}{times}: add photos here, or remove some there"
            )
            findings.append(Finding(Kind.IMBALANCE, None, label, KEEP, 1.0, detail, largest))
    return findings


_FOLDS = 3
_MIN_PHOTOS = 10  # of a class, to be judged
_MAX_PHOTOS = 4000  # more would not change the answer

_ACCURATE = 0.8
"""With this recall, averaged over classes, eighteen colour figures without any shape do most of the work."""


def colour_advice(photos: Sequence[ImageFeatures], seed: int = 0) -> str | None:
    """Labelled photos -> advice where a tiny model tells their labels apart by colour and light alone, else None.

    A network takes the shortest way there is: where all masks of one class are white, white is what it learns. The
    share that is told is the recall averaged over classes, on photos that the model has not seen.
    """
    labelled = [photo for photo in photos if photo.origin.label not in (None, UNKNOWN) and len(photo.colour)]
    counts = Counter(photo.origin.label for photo in labelled)
    judged = [photo for photo in labelled if counts[photo.origin.label] >= _MIN_PHOTOS]
    names, y = np.unique([photo.origin.label or "" for photo in judged], return_inverse=True)
    if len(names) < 2:
        return None
    rows = np.sort(np.random.default_rng(seed).permutation(len(judged))[:_MAX_PHOTOS])
    x, y = np.stack([judged[i].colour for i in rows]), y[rows]
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=300))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    correct = cross_val_predict(model, x, y, cv=folds) == y
    recall, chance = (
        np.mean([correct[y == j].mean() if (y == j).any() else 0.0 for j in range(len(names))]),
        1 / len(names),
    )
    recognised = [str(name) for j, name in enumerate(names) if _is_recognised(correct[y == j], chance)]
    if recall < _ACCURATE or not recognised:
        return None
    which = "" if len(recognised) == len(names) else f", especially {join_names(recognised)}"
    return (
        f"colour and light alone predict {recall:.0%} of the labels (chance: {chance:.0%}){which}: a network may learn"
        " those instead of what you mean; try training in grey (--colour grey), or add photos with other colours"
    )


def _is_recognised(correct: npt.NDArray[np.bool_], chance: float) -> bool:
    """Whether most photos of a class are recognised, and not by luck."""
    if not len(correct) or correct.mean() < _ACCURATE:
        return False
    return bool(binomtest(int(correct.sum()), len(correct), min(chance, 0.5), alternative="greater").pvalue < 0.01)
