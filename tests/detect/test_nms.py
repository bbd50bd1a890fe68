from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.detect.nms import Measure, nms, overlaps
from mien.types import Floats

MEASURES: list[Measure] = ["union", "min"]


@st.composite
def crowds(draw: st.DrawFn, least: int = 0) -> tuple[Floats, Floats]:
    n = draw(st.integers(least, 30))
    numbers = st.integers(0, 60).map(float)
    corners = draw(arrays(np.float32, (n, 2), elements=numbers))
    sizes = draw(arrays(np.float32, (n, 2), elements=st.integers(1, 40).map(float)))
    scores = draw(arrays(np.float32, n, elements=st.integers(0, 10).map(lambda i: i / 10), unique=False))
    return np.concatenate([corners, corners + sizes], axis=1), scores


def plainly(boxes: Floats, scores: Floats, threshold: float, measure: Measure) -> list[int]:
    """The definition, one pair at a time."""
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(one_overlap(boxes[i], boxes[j], measure) <= threshold for j in kept):
            kept.append(i)
    return kept


def one_overlap(a: Floats, b: Floats, measure: Measure) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, np.float32(0)) * max(height, np.float32(0))
    one, other = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return float(common / (one + other - common if measure == "union" else min(one, other)))


@given(crowds(), st.sampled_from(MEASURES), st.sampled_from([0.3141, 0.4142, 0.7071]))
def test_it_keeps_what_the_definition_keeps(crowd: tuple[Floats, Floats], measure: Measure, threshold: float) -> None:
    assert nms(*crowd, threshold, measure).tolist() == plainly(*crowd, threshold, measure)


@given(crowds(), st.sampled_from(MEASURES))
def test_kept_boxes_come_best_first_and_are_apart(crowd: tuple[Floats, Floats], measure: Measure) -> None:
    boxes, scores = crowd
    kept = nms(boxes, scores, 0.4142, measure)
    assert (np.diff(scores[kept]) <= 0).all()
    between = overlaps(boxes[kept], boxes[kept], measure) - np.eye(len(kept))
    assert (between <= 0.4142).all()


@given(crowds(), st.sampled_from(MEASURES))
def test_a_dropped_box_overlaps_a_better_one(crowd: tuple[Floats, Floats], measure: Measure) -> None:
    boxes, scores = crowd
    kept = nms(boxes, scores, 0.4142, measure)
    for i in set(range(len(boxes))) - set(kept.tolist()):
        better = kept[scores[kept] >= scores[i]]
        assert overlaps(boxes[i : i + 1], boxes[better], measure).max() > 0.4142


@given(crowds(), st.sampled_from(MEASURES))
def test_once_is_enough(crowd: tuple[Floats, Floats], measure: Measure) -> None:
    boxes, scores = crowd
    kept = nms(boxes, scores, 0.5, measure)
    assert nms(boxes[kept], scores[kept], 0.5, measure).tolist() == list(range(len(kept)))


@given(crowds(least=1), st.sampled_from(MEASURES))
def test_a_box_covers_itself(crowd: tuple[Floats, Floats], measure: Measure) -> None:
    boxes, _ = crowd
    np.testing.assert_allclose(np.diag(overlaps(boxes, boxes, measure)), 1, rtol=1e-5)


@given(crowds(), crowds(), st.sampled_from(MEASURES))
def test_overlaps_are_shares(one: tuple[Floats, Floats], other: tuple[Floats, Floats], measure: Measure) -> None:
    shares = overlaps(one[0], other[0], measure)
    assert shares.shape == (len(one[0]), len(other[0]))
    assert shares.dtype == np.float32
    assert (shares >= 0).all()
    assert (shares <= 1 + 1e-5).all()
    np.testing.assert_allclose(shares, overlaps(other[0], one[0], measure).T, rtol=1e-5)


def test_a_box_inside_another_is_wholly_covered_by_the_smaller_measure() -> None:
    boxes = np.array([[0, 0, 10, 10], [2, 2, 4, 4]], np.float32)
    assert overlaps(boxes[:1], boxes[1:], "min")[0, 0] == 1
    assert overlaps(boxes[:1], boxes[1:], "union")[0, 0] == pytest.approx(0.04)


def test_boxes_side_by_side_do_not_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [10, 0, 20, 10], [0, 10, 10, 20], [30, 30, 40, 40]], np.float32)
    np.testing.assert_array_equal(overlaps(boxes, boxes), np.eye(4))


def test_boxes_without_area_overlap_nothing() -> None:
    boxes = np.array([[5, 5, 5, 5], [0, 0, 10, 10]], np.float32)
    assert not overlaps(boxes, boxes)[0].any()


def test_of_equal_boxes_the_first_is_kept() -> None:
    boxes = np.array([[0, 0, 10, 10]] * 3, np.float32)
    assert nms(boxes, np.ones(3, np.float32), 0.5).tolist() == [0]


@pytest.mark.parametrize("n", [255, 256, 257, 700])
def test_a_crowd_is_thinned_as_a_few_are(n: int) -> None:
    random = np.random.default_rng(n)
    corners = random.integers(0, 400, (n, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + random.integers(10, 60, (n, 2)).astype(np.float32)], axis=1)
    scores = random.random(n, np.float32)
    assert nms(boxes, scores, 0.3141).tolist() == plainly(boxes, scores, 0.3141, "union")


def test_thousands_of_boxes_take_well_under_a_second() -> None:
    random = np.random.default_rng(0)
    corners = random.random((5000, 2), np.float32) * 2000
    boxes, scores = np.concatenate([corners, corners + 40], axis=1), random.random(5000, np.float32)
    began = time.thread_time()
    nms(boxes, scores, 0.5)
    assert time.thread_time() - began < 1
