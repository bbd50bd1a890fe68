"""Where everybody should wear a mask, those who do not are found, and only those that are sure change folders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mien.curate.finding import KEEP, Finding, Kind
from mien.curate.masks import BADLY, NONE, WORN, MaskLimits, mask_findings
from mien.curate.shown import THUMB, ImageFeatures
from mien.errors import DataError
from mien.models import builtin_traits
from mien.types import Origin

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


@pytest.mark.parametrize(("face", "folder"), [(_BARE, NONE), (_SLIPPED, BADLY)])
def test_who_wears_none_or_wears_it_badly_is_proposed_for_its_folder(
    face: tuple[float, float, float], folder: str
) -> None:
    found = _only(_photo(_PROPER), _photo(face, name="b.jpg"))
    assert (found.kind, found.path, found.label, found.proposed) == (Kind.LABEL_SUSPECT, "b.jpg", "staff", folder)
    assert found.confidence == pytest.approx(0.995)


def test_what_is_doubtful_is_shown_and_stays_where_it_is() -> None:
    found = _only(_photo((0.15, 0.8, 0.05)))
    assert (found.proposed, found.other) == (KEEP, NONE)
    assert mask_findings([_photo((0.4, 0.5, 0.1))]) == []


def test_it_counts_that_it_is_not_worn_properly_and_not_which_way() -> None:
    assert _only(_photo((0.02, 0.5, 0.48))).proposed == NONE
    assert _only(_photo((0.02, 0.48, 0.5))).proposed == BADLY


def test_a_face_of_few_pixels_is_never_moved() -> None:
    found = _only(_photo(_BARE, side=16))
    assert found.proposed == KEEP
    assert found.confidence < _only(_photo(_BARE)).confidence
    assert "too small" in found.detail


def test_the_main_face_counts_and_the_others_are_told() -> None:
    assert mask_findings([_photo(_PROPER, _BARE)]) == []
    assert "of 2 other faces, 1 with a mask" in _only(_photo(_BARE, _PROPER, _SLIPPED)).detail
    assert "of 1 other face, 0 with a mask" in _only(_photo(_BARE, _BARE, _SILENT)).detail


def test_what_the_trait_does_not_say_is_not_guessed() -> None:
    assert mask_findings([_photo(_SILENT)]) == []
    assert mask_findings([_photo()]) == []
    assert mask_findings([]) == []


def test_without_the_trait_it_is_an_error_and_not_a_clean_bill() -> None:
    with pytest.raises(DataError, match="built-in trait 'mask'"):
        mask_findings([replace(_photo(_BARE), traits={})])


def test_what_was_filed_before_is_not_found_again() -> None:
    filed = replace(_photo(_BARE), origin=Origin("a.jpg", NONE))
    assert mask_findings([filed]) == []
    assert mask_findings([replace(filed, origin=Origin("a.jpg", BADLY))])[0].proposed == NONE


def test_limits_can_be_others() -> None:
    assert mask_findings([_photo((0.6, 0.3, 0.1))], MaskLimits(sure=0.3, doubtful=0.2))[0].proposed == NONE


def test_folders_are_named_as_the_trait_names_them() -> None:
    assert builtin_traits.get_trait("mask").labels == (WORN, NONE, BADLY)
