"""What colour alone tells: white masks against dark ones, and nothing where nothing is to be told."""

from __future__ import annotations

import numpy as np

from mien.curate.colour import colour_advice, statistics
from mien.curate.shown import ImageFeatures
from mien.images import decode
from mien.types import Pixels
from tests.curate.shows import shown


def _face(rng: np.random.Generator, lower: int) -> Pixels:
    """A crop with skin above and one brightness below, in any light."""
    crop = np.zeros((30, 30, 3), np.float64)
    crop[:20] = (190, 150, 130)
    crop[20:] = lower
    light = rng.uniform(0.8, 1.1)
    return np.asarray(np.clip(crop * light + rng.normal(0, 12, crop.shape), 0, 255), np.uint8)


def _photos(lower: dict[str, int], n: int = 30) -> list[ImageFeatures]:
    rng = np.random.default_rng(0)
    row = np.ones((1, 4), np.float32)
    return [
        shown(f"{label}{i}", label, row, colour=statistics(_face(rng, value)))
        for label, value in lower.items()
        for i in range(n)
    ]


def test_white_masks_against_dark_ones_are_told_by_colour_and_said_so() -> None:
    advice = colour_advice(_photos({"worn": 230, "loose": 40}))
    assert advice.accuracy is not None
    assert advice.accuracy > 0.95
    assert (advice.chance, advice.labels) == (0.5, ("loose", "worn"))
    assert advice.sentence is not None
    assert "--colour grey" in advice.sentence


def test_one_label_of_several_that_stands_out_is_named() -> None:
    advice = colour_advice(_photos({"a": 230, "b": 40, "c": 90, "d": 91}, n=60))
    assert {"a", "b"} <= set(advice.labels)
    assert not {"c", "d"} & set(advice.labels)


def test_where_all_classes_look_alike_nothing_is_said() -> None:
    advice = colour_advice(_photos({"a": 120, "b": 120, "c": 120}))
    assert advice.accuracy is not None
    assert advice.accuracy < 0.6
    assert (advice.labels, advice.sentence) == ((), None)


def test_too_little_is_no_answer() -> None:
    assert colour_advice([]).accuracy is None
    assert colour_advice(_photos({"a": 230})).accuracy is None
    assert colour_advice(_photos({"a": 230, "b": 40}, n=5)).sentence is None
    row = np.ones((1, 4), np.float32)
    assert colour_advice([shown(str(i), "ab"[i % 2], row) for i in range(40)]).accuracy is None


def test_statistics_are_means_and_deviations_of_three_bands(hopper: bytes) -> None:
    pixels = decode(hopper, max_megapixels=10).pixels
    found = statistics(pixels)
    assert found.shape == (18,)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()
    white = np.full((9, 9, 3), 255, np.uint8)
    white[6:] = 0
    np.testing.assert_allclose(statistics(white)[[0, 3, 6]], [1, 1, 0], atol=0.01)
    assert not statistics(white)[9:].any()


def test_grey_crops_and_tiny_ones_have_statistics_too(hopper: bytes) -> None:
    grey = np.asarray(decode(hopper, max_megapixels=10).pixels[:, :, 1])
    found = statistics(grey)
    np.testing.assert_allclose(found[[1, 2, 4, 5, 7, 8]], 0.5, atol=0.01)
    assert np.isfinite(statistics(np.zeros((1, 1, 3), np.uint8))).all()
