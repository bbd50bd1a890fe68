"""What single photos and whole labels show to be wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mien.curation.checks import (
    FEW,
    INCORRECT_MASK,
    WITH_MASK,
    WITHOUT_MASK,
    MaskLimits,
    PhotoLimits,
    class_findings,
    colour_advice,
    mask_findings,
    photo_findings,
    rejected_finding,
)
from mien.curation.features import THUMB, ImageFeatures, colour_statistics, face_quality
from mien.curation.findings import DROP, KEEP, Finding, Kind
from mien.errors import DataError
from mien.images import decode
from mien.models import builtin_traits
from mien.types import Floats, Origin, Pixels, Reason, Rejected
from tests.curation.samples import vector_photo

# One photo's findings: each fault is found where it is and nowhere else, and only the hopeless is to be dropped.


_GOOD = {
    "side": 100.0,
    "sharpness": 150.0,
    "brightness": 0.5,
    "contrast": 0.17,
    "roll": 0.0,
    "yaw": 5.0,
    "pitch": 0.0,
    "inside": 1.0,
}


def _columns(*values: float) -> Floats:
    return np.array(values, np.float32)


def _shown(label: str = "ann", **measures: float) -> ImageFeatures:
    """A good photo of one face, with some of its measures otherwise."""
    return _with(measures, label)


def _with(measures: Mapping[str, float], label: str = "ann") -> ImageFeatures:
    return ImageFeatures(
        Origin("a.jpg", label),
        digest=b"",
        width=400,
        height=400,
        thumb=np.zeros((THUMB, THUMB), np.uint8),
        colour=_columns(),
        boxes=np.array([[150, 130, 250, 260]], np.float32),
        scores=_columns(0.9),
        landmarks=None,
        quality={name: _columns(value) for name, value in {**_GOOD, **measures}.items()},
        vectors={},
        traits={"mask": np.array([[0.01, 0.98, 0.01]], np.float32), "glasses": np.array([[1, 0, 0]], np.float32)},
    )


def _beside(shown: ImageFeatures, *boxes: tuple[float, float, float, float]) -> ImageFeatures:
    """The same photo with further faces."""
    count = 1 + len(boxes)
    return replace(
        shown,
        boxes=np.array([*shown.boxes.tolist(), *boxes], np.float32),
        scores=np.ones(count, np.float32),
        quality={name: np.repeat(value, count) for name, value in shown.quality.items()},
        traits={name: np.repeat(rows, count, axis=0) for name, rows in shown.traits.items()},
    )


def _wearing(shown: ImageFeatures, **traits: list[float]) -> ImageFeatures:
    return replace(shown, traits={**shown.traits, **{k: np.array([v], np.float32) for k, v in traits.items()}})


def _kinds(findings: list[Finding]) -> list[str]:
    return [str(finding.kind) for finding in findings]


@pytest.mark.parametrize(
    ("turned", "proposed", "detail"),
    [
        (90, "turn 270", "the photo lies on its side: turn it 90 degrees counter-clockwise"),
        (180, "turn 180", "the photo is upside down: turn it 180 degrees"),
        (270, "turn 90", "the photo lies on its side: turn it 90 degrees clockwise"),
    ],
)
def test_a_photo_on_its_side_is_to_be_turned_and_nothing_else(turned: int, proposed: str, detail: str) -> None:
    (found,) = photo_findings(replace(_shown(), turned=turned))
    assert (found.kind, found.proposed, found.detail) == (Kind.TURNED_PHOTO, proposed, detail)
    assert found.confidence == pytest.approx(0.9)


def test_nothing_is_wrong_with_a_good_photo() -> None:
    assert photo_findings(_shown()) == []


@pytest.mark.parametrize(
    ("measures", "kind", "proposed"),
    [
        ({"sharpness": 12}, Kind.BLURRED, KEEP),
        ({"brightness": 0.12, "contrast": 0.05}, Kind.DARK, KEEP),
        ({"brightness": 0.92}, Kind.BRIGHT, KEEP),
        ({"yaw": -60}, Kind.TURNED, KEEP),
        ({"yaw": 60}, Kind.TURNED, KEEP),
        ({"inside": 0.5}, Kind.CUT_OFF, KEEP),
        ({"side": 25}, Kind.SMALL, KEEP),
        ({"side": 15}, Kind.SMALL, DROP),
    ],
)
def test_each_fault_is_found_once_and_only_the_hopeless_is_dropped(
    measures: dict[str, float], kind: Kind, proposed: str
) -> None:
    (found,) = photo_findings(_with(measures))
    assert (found.kind, found.path, found.label, found.proposed) == (kind, "a.jpg", "ann", proposed)
    assert 0.5 <= found.confidence <= 1
    assert found.detail


def test_the_worse_a_fault_the_surer_the_finding() -> None:
    sure = [photo_findings(_shown(yaw=angle))[0].confidence for angle in (46, 55, 65, 80)]
    assert sure == sorted(sure)
    assert sure[0] < 0.55
    assert sure[-1] == 1


def test_a_small_sharp_face_is_not_blurred_as_a_large_one_would_be() -> None:
    assert photo_findings(_shown(side=40, sharpness=25)) == []
    assert _kinds(photo_findings(_shown(side=110, sharpness=25))) == ["blurred"]


def test_little_contrast_and_a_busy_background_are_no_blur() -> None:
    assert photo_findings(_shown(sharpness=30, contrast=0.09)) == []
    assert photo_findings(_shown(sharpness=60, contrast=0.3)) == []


def test_dark_skin_in_good_light_is_not_a_dark_photo() -> None:
    assert photo_findings(_shown(brightness=0.22, contrast=0.12)) == []


def test_what_was_not_measured_is_not_a_fault() -> None:
    assert photo_findings(_shown(yaw=float("nan"), inside=float("nan"))) == []
    assert photo_findings(replace(_shown(), quality={}, traits={})) == []


def test_a_second_face_as_large_is_told_and_a_small_or_cut_one_is_not() -> None:
    shown = _shown()
    assert _kinds(photo_findings(_beside(shown, (30, 130, 120, 250)))) == ["many-faces"]
    assert photo_findings(_beside(shown, (30, 130, 70, 180))) == []
    assert photo_findings(_beside(shown, (0, 130, 90, 250))) == []  # the frame all but cuts it: a bystander
    (three,) = photo_findings(_beside(shown, (30, 130, 120, 250), (280, 130, 370, 250)))
    assert three.detail.startswith("3 faces")


def test_only_the_main_face_of_several_is_judged() -> None:
    shown = _beside(_shown(), (30, 130, 70, 180))
    blurred = replace(shown, quality={**shown.quality, "sharpness": _columns(150, 1)})
    assert photo_findings(blurred) == []


def test_a_mask_or_sunglasses_cover_a_face() -> None:
    masked, shaded = _wearing(_shown(), mask=[0.9, 0.05, 0.05]), _wearing(_shown(), glasses=[0, 0.1, 0.9])
    slipped = _wearing(_shown(), mask=[0.45, 0.1, 0.45])
    assert [_kinds(photo_findings(each)) for each in (masked, shaded, slipped)] == [["covered"]] * 3
    assert "mask" in photo_findings(masked)[0].detail
    assert len(photo_findings(_wearing(masked, glasses=[0, 0.1, 0.9]))) == 1


@pytest.mark.parametrize("label", ["with_mask", "incorrect", "Masks", "unmasked"])
def test_a_mask_is_no_fault_where_labels_are_about_masks(label: str) -> None:
    assert photo_findings(_wearing(_shown(label), mask=[0.9, 0.05, 0.05])) == []


def test_a_mask_is_no_fault_where_everybody_should_wear_one() -> None:
    masked = _wearing(_shown(), mask=[0.9, 0.05, 0.05])
    assert photo_findings(masked, PhotoLimits(masks=False)) == []
    assert _kinds(photo_findings(_wearing(masked, glasses=[0, 0, 1]), PhotoLimits(masks=False))) == ["covered"]


def test_a_trait_that_says_nothing_covers_nothing() -> None:
    unknown = [float("nan")] * 3
    assert photo_findings(_wearing(_shown(), mask=unknown, glasses=unknown)) == []


def test_no_face_is_to_be_dropped_but_a_tiny_picture_may_be_a_face() -> None:
    none = replace(_shown(), boxes=np.zeros((0, 4), np.float32), scores=_columns(), quality={}, traits={})
    (large,), (tiny,) = photo_findings(none), photo_findings(replace(none, width=48, height=48))
    assert (large.kind, large.proposed) == (Kind.NO_FACE, DROP)
    assert (tiny.kind, tiny.proposed) == (Kind.NO_FACE, KEEP)
    assert "--faces cut" in tiny.detail
    assert tiny.confidence < large.confidence


def test_limits_can_be_others() -> None:
    assert photo_findings(_shown(yaw=40), PhotoLimits(yaw=30))[0].kind is Kind.TURNED


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_becomes_a_finding_that_says_it(reason: Reason) -> None:
    found = rejected_finding(Rejected(Origin("b.jpg", "bob"), "decode", reason, "truncated"))
    assert (found.path, found.label) == ("b.jpg", "bob")
    assert reason.meaning in found.detail
    assert "truncated" in found.detail


def test_what_cannot_be_read_is_dropped_and_what_a_setting_forbids_is_kept() -> None:
    def proposed(reason: Reason) -> tuple[Kind, str]:
        found = rejected_finding(Rejected(Origin("b.jpg"), "decode", reason))
        return found.kind, found.proposed

    assert proposed(Reason.UNREADABLE) == (Kind.UNREADABLE, DROP)
    assert proposed(Reason.EMPTY) == (Kind.UNREADABLE, DROP)
    assert proposed(Reason.TOO_LARGE) == (Kind.UNREADABLE, KEEP)
    assert proposed(Reason.ERROR) == (Kind.UNREADABLE, KEEP)


@pytest.fixture(scope="module")
def face(astronaut: bytes) -> Pixels:
    return np.ascontiguousarray(decode(astronaut, max_megapixels=1).pixels[64:173, 181:266])


def _photographed(face: Pixels) -> ImageFeatures:
    measured = face_quality(face, min(face.shape[:2]))
    return _with(measured.as_json())


@pytest.mark.parametrize("size", [1.0, 0.4, 3.0])
def test_a_real_face_is_without_fault_at_any_size_until_it_is_damaged(face: Pixels, size: float) -> None:
    way = cv2.INTER_AREA if size < 1 else cv2.INTER_CUBIC
    sized = cv2.resize(face, None, fx=size, fy=size, interpolation=way).astype(np.uint8)
    soft = cv2.GaussianBlur(sized, (0, 0), 0.05 * sized.shape[1]).astype(np.uint8)
    streak = np.full((1, max(round(0.3 * sized.shape[1]), 3)), 1.0, np.float32)
    moved = cv2.filter2D(sized, -1, streak / streak.sum()).astype(np.uint8)
    dim = np.asarray(sized * 0.2, np.uint8)
    burnt = np.asarray(np.clip(sized * 3.0 + 90, 0, 255), np.uint8)
    found = [_kinds(photo_findings(_photographed(each))) for each in (sized, soft, moved, dim, burnt)]
    assert found == [[], ["blurred"], ["blurred"], ["dark"], ["bright"]]


# Where everybody should wear a mask, those who do not are found, and only those that are sure change folders.


_PROPER, _BARE, _SLIPPED = (0.99, 0.005, 0.005), (0.005, 0.99, 0.005), (0.005, 0.005, 0.99)
_SILENT = (float("nan"),) * 3


def _photo(*faces: tuple[float, float, float], side: float = 100, name: str = "a.jpg") -> ImageFeatures:
    """A photo whose faces have these probabilities."""
    count = len(faces)
    return ImageFeatures(
        Origin(name, "staff"),
        digest=b"",
        width=400,
        height=400,
        thumb=np.zeros((THUMB, THUMB), np.uint8),
        colour=np.zeros(0, np.float32),
        boxes=np.tile(np.array([[100, 100, 200, 220]], np.float32), (count, 1)),
        scores=np.ones(count, np.float32),
        landmarks=None,
        quality={"side": np.full(count, side, np.float32)},
        vectors={},
        traits={"mask": np.array(faces, np.float32).reshape(count, 3)},
    )


def _only(*photos: ImageFeatures) -> Finding:
    (finding,) = mask_findings(photos)
    return finding


def test_a_mask_that_is_worn_is_no_finding() -> None:
    assert mask_findings([_photo(_PROPER)]) == []


@pytest.mark.parametrize(("face", "folder"), [(_BARE, WITHOUT_MASK), (_SLIPPED, INCORRECT_MASK)])
def test_who_wears_none_or_wears_it_badly_is_proposed_for_its_folder(
    face: tuple[float, float, float], folder: str
) -> None:
    found = _only(_photo(_PROPER), _photo(face, name="b.jpg"))
    assert (found.kind, found.path, found.label, found.proposed) == (Kind.LABEL_SUSPECT, "b.jpg", "staff", folder)
    assert found.confidence == pytest.approx(0.995)


def test_what_is_doubtful_is_shown_and_stays_where_it_is() -> None:
    found = _only(_photo((0.15, 0.8, 0.05)))
    assert (found.proposed, found.other) == (KEEP, WITHOUT_MASK)
    assert mask_findings([_photo((0.4, 0.5, 0.1))]) == []


def test_it_counts_that_it_is_not_worn_properly_and_not_which_way() -> None:
    assert _only(_photo((0.02, 0.5, 0.48))).proposed == WITHOUT_MASK
    assert _only(_photo((0.02, 0.48, 0.5))).proposed == INCORRECT_MASK


def test_a_face_of_few_pixels_is_never_moved() -> None:
    found = _only(_photo(_BARE, side=16))
    assert found.proposed == KEEP
    assert found.confidence < _only(_photo(_BARE)).confidence
    assert "too small" in found.detail


def test_the_main_face_counts_and_the_others_are_told() -> None:
    assert mask_findings([_photo(_PROPER, _BARE)]) == []
    assert "; 1 of 2 other faces with a mask" in _only(_photo(_BARE, _PROPER, _SLIPPED)).detail
    assert "; 0 of 1 other face with a mask" in _only(_photo(_BARE, _BARE, _SILENT)).detail


def test_what_the_trait_does_not_say_is_not_guessed() -> None:
    assert mask_findings([_photo(_SILENT)]) == []
    assert mask_findings([_photo()]) == []
    assert mask_findings([]) == []


def test_without_the_trait_it_is_an_error_and_not_a_clean_bill() -> None:
    with pytest.raises(DataError, match="built-in trait 'mask'"):
        mask_findings([replace(_photo(_BARE), traits={})])


def test_what_was_filed_before_is_not_found_again() -> None:
    filed = replace(_photo(_BARE), origin=Origin("a.jpg", WITHOUT_MASK))
    assert mask_findings([filed]) == []
    assert mask_findings([replace(filed, origin=Origin("a.jpg", INCORRECT_MASK))])[0].proposed == WITHOUT_MASK


def test_limits_can_be_others_masks() -> None:
    assert mask_findings([_photo((0.6, 0.3, 0.1))], MaskLimits(sure=0.3, doubtful=0.2))[0].proposed == WITHOUT_MASK


def test_folders_are_named_as_the_trait_names_them() -> None:
    assert builtin_traits.get_trait("mask").labels == (WITH_MASK, WITHOUT_MASK, INCORRECT_MASK)


# Classes that are too small or too large beside others.


def _photos(split: str | None = None, faces: int = 1, **counts: int) -> list[ImageFeatures]:
    rows = np.ones((faces, 4), np.float32)
    return [
        vector_photo(f"{label}-{split}-{faces}-{i}", label, rows, split=split)
        for label, n in counts.items()
        for i in range(n)
    ]


def _found(photos: list[ImageFeatures]) -> set[tuple[Kind, str | None]]:
    return {(one.kind, one.label) for one in class_findings(photos)}


def test_classes_under_twenty_photos_are_few() -> None:
    assert _found(_photos(a=FEW, b=FEW - 1)) == {(Kind.FEW, "b")}


def test_a_class_that_another_has_five_times_is_uneven() -> None:
    photos = _photos(a=150, b=30, c=31)
    (one,) = class_findings(photos)
    assert (one.kind, one.path, one.label, one.other, one.proposed) == (Kind.IMBALANCE, None, "b", "a", KEEP)
    assert one.detail.startswith("30 photos, while a has 150, 5.0 times as many")


def test_only_photos_to_learn_from_that_show_a_face_count() -> None:
    photos = _photos("train", a=25) + _photos("test", a=300, b=300) + _photos("train", b=25)
    assert _found(photos) == set()
    assert _found(_photos(a=25, b=25) + _photos(faces=0, a=200)) == set()


def test_a_class_without_any_photo_to_learn_from_is_named() -> None:
    found = class_findings(_photos("train", a=25) + _photos("test", b=25))
    assert [(one.kind, one.label) for one in found] == [(Kind.FEW, "b"), (Kind.IMBALANCE, "b")]
    assert "0 photos" in found[0].detail


def test_strangers_and_photos_without_a_label_are_no_class() -> None:
    assert class_findings(_photos(unknown=3)) == []
    assert class_findings([vector_photo("x", None, np.ones((1, 4), np.float32))]) == []
    assert class_findings([]) == []


# What colour alone tells: white masks against dark ones, and nothing where nothing is to be told.


def _face(rng: np.random.Generator, lower: int) -> Pixels:
    """A crop with skin above and one brightness below, in any light."""
    crop = np.zeros((30, 30, 3), np.float64)
    crop[:20] = (190, 150, 130)
    crop[20:] = lower
    light = rng.uniform(0.8, 1.1)
    return np.asarray(np.clip(crop * light + rng.normal(0, 12, crop.shape), 0, 255), np.uint8)


def _photos_colour(lower: dict[str, int], n: int = 30) -> list[ImageFeatures]:
    rng = np.random.default_rng(0)
    row = np.ones((1, 4), np.float32)
    return [
        vector_photo(f"{label}{i}", label, row, colour=colour_statistics(_face(rng, value)))
        for label, value in lower.items()
        for i in range(n)
    ]


def test_white_masks_against_dark_ones_are_told_by_colour_and_said_so() -> None:
    advice = colour_advice(_photos_colour({"worn": 230, "loose": 40}))
    assert advice is not None
    assert re.match(r"colour and light alone predict (9[5-9]|100)% of the labels \(chance: 50%\): a network", advice)
    assert "--colour grey" in advice


def test_one_label_of_several_that_stands_out_is_named() -> None:
    advice = colour_advice(_photos_colour({"a": 230, "b": 0, "c": 90, "d": 105}, n=60))
    assert advice is not None
    assert ", especially a, b:" in advice


def test_where_all_classes_look_alike_nothing_is_said() -> None:
    assert colour_advice(_photos_colour({"a": 120, "b": 120, "c": 120})) is None


def test_too_little_is_no_answer() -> None:
    assert colour_advice([]) is None
    assert colour_advice(_photos_colour({"a": 230})) is None
    assert colour_advice(_photos_colour({"a": 230, "b": 40}, n=5)) is None
    row = np.ones((1, 4), np.float32)
    assert colour_advice([vector_photo(str(i), "ab"[i % 2], row) for i in range(40)]) is None


def test_statistics_are_means_and_deviations_of_three_bands(hopper: bytes) -> None:
    pixels = decode(hopper, max_megapixels=10).pixels
    found = colour_statistics(pixels)
    assert found.shape == (18,)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()
    white = np.full((9, 9, 3), 255, np.uint8)
    white[6:] = 0
    np.testing.assert_allclose(colour_statistics(white)[[0, 3, 6]], [1, 1, 0], atol=0.01)
    assert not colour_statistics(white)[9:].any()


def test_grey_crops_and_tiny_ones_have_statistics_too(hopper: bytes) -> None:
    grey = np.asarray(decode(hopper, max_megapixels=10).pixels[:, :, 1])
    found = colour_statistics(grey)
    np.testing.assert_allclose(found[[1, 2, 4, 5, 7, 8]], 0.5, atol=0.01)
    assert np.isfinite(colour_statistics(np.zeros((1, 1, 3), np.uint8))).all()
