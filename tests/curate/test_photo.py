"""One photo's findings: each fault is found where it is and nowhere else, and only the hopeless is to be dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mien.curate.finding import DROP, KEEP, Finding, Kind
from mien.curate.photo import Limits, photo_findings, rejected_finding
from mien.curate.quality import quality
from mien.curate.shown import THUMB, ImageFeatures
from mien.images import decode
from mien.types import Floats, Origin, Pixels, Reason, Rejected

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
    assert photo_findings(masked, Limits(masks=False)) == []
    assert _kinds(photo_findings(_wearing(masked, glasses=[0, 0, 1]), Limits(masks=False))) == ["covered"]


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
    assert photo_findings(_shown(yaw=40), Limits(yaw=30))[0].kind is Kind.TURNED


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
    measured = quality(face, min(face.shape[:2]))
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
