from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.detection import Detections
from mien.detection.detections import Measure, clip_and_rank, nms, no_faces, overlaps, rank_faces, sides
from mien.types import Floats

MEASURES: list[Measure] = ["union", "min"]


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(rows, np.float32).reshape(-1, 4)


def found(*rows: tuple[float, float, float, float]) -> Detections:
    n = len(rows)
    return Detections(boxes(*rows), np.linspace(1, 0.5, n, dtype=np.float32), np.zeros((n, 5, 2), np.float32))


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ((np.zeros((2, 5), np.float32), np.zeros(2, np.float32), None), "boxes"),
        ((np.zeros((2, 4), np.float64), np.zeros(2, np.float32), None), "float64"),
        ((np.zeros((2, 4), np.float32), np.zeros(3, np.float32), None), "scores"),
        ((np.zeros((2, 4), np.float32), np.zeros(2, np.float64), None), "scores"),
        ((np.zeros((2, 4), np.float32), np.zeros(2, np.float32), np.zeros((2, 10), np.float32)), "landmarks"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: tuple[object, ...], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Detections(*columns)  # type: ignore[arg-type]


def test_no_faces_have_columns_without_rows() -> None:
    assert len(no_faces(landmarks=False)) == 0
    assert no_faces(landmarks=False).landmarks is None
    marks = no_faces(landmarks=True, near_miss=0.3).landmarks
    assert marks is not None
    assert marks.shape == (0, 5, 2)
    assert no_faces(landmarks=True, near_miss=0.3).near_miss == 0.3


def test_taking_faces_takes_all_their_columns() -> None:
    three = found((0, 0, 1, 1), (0, 0, 2, 2), (0, 0, 3, 3))
    two = three.take(np.array([2, 0]))
    assert two.boxes[:, 2].tolist() == [3, 1]
    assert two.scores.tolist() == [0.5, 1]
    assert two.landmarks is not None
    assert len(three.take(slice(1))) == 1


def test_a_side_is_that_of_the_square_of_the_same_area() -> None:
    assert sides(boxes((0, 0, 4, 9), (5, 5, 5, 9), (9, 9, 0, 0))).tolist() == [6, 0, 0]


def test_the_main_face_is_the_one_in_the_middle_of_two_alike() -> None:
    assert rank_faces(boxes((0, 0, 60, 60), (70, 70, 130, 130)), 200, 200).tolist() == [1, 0]


def test_a_bystander_a_little_larger_at_the_edge_is_not_the_main_face() -> None:
    assert rank_faces(boxes((0, 100, 70, 170), (70, 70, 130, 130)), 200, 200).tolist() == [1, 0]


def test_a_face_under_half_as_large_is_never_the_main_one() -> None:
    assert rank_faces(boxes((90, 90, 110, 110), (0, 0, 80, 80)), 200, 200).tolist() == [1, 0]


def test_of_two_at_one_distance_the_larger_is_the_main_face() -> None:
    assert rank_faces(boxes((10, 80, 50, 120), (140, 70, 200, 130)), 200, 200).tolist() == [1, 0]


def test_an_empty_set_of_faces_can_be_ranked() -> None:
    assert rank_faces(boxes(), 10, 10).tolist() == []


def test_boxes_are_clipped_to_the_picture() -> None:
    settled = clip_and_rank(found((-5, -7, 30, 40), (80, 70, 120, 110)), 100, 90, min_face=10, largest=False)
    assert settled.boxes.min() == 0
    assert settled.boxes[:, 2].max() == 100
    assert settled.boxes[:, 3].max() == 90


def test_faces_outside_the_picture_are_dropped() -> None:
    outside = found((-50, 0, -10, 40), (0, 95, 40, 140), (99.5, 0, 140, 40), (20, 20, 60, 60))
    assert clip_and_rank(outside, 100, 90, min_face=10, largest=False).boxes.tolist() == [[20, 20, 60, 60]]


def test_faces_well_under_the_smallest_are_dropped() -> None:
    three = found((0, 0, 10, 10), (20, 20, 36, 36), (50, 50, 90, 90))
    assert sides(clip_and_rank(three, 100, 100, min_face=20, largest=False).boxes).tolist() == [40, 16]


def test_a_face_that_is_cut_off_is_measured_whole() -> None:
    assert len(clip_and_rank(found((-38, 0, 2, 40)), 100, 100, min_face=40, largest=False)) == 1


@given(
    arrays(np.float32, (6, 4), elements=st.floats(-200, 300, width=32)),
    st.integers(1, 200),
    st.integers(1, 200),
    st.booleans(),
)
def test_clipped_boxes_are_inside_and_keep_their_columns(
    rows: np.ndarray[tuple[int, int], np.dtype[np.float32]], width: int, height: int, largest: bool
) -> None:
    scores = np.arange(6, dtype=np.float32)
    marks = np.broadcast_to(scores[:, None, None], (6, 5, 2)).astype(np.float32)
    settled = clip_and_rank(Detections(rows, scores, marks), width, height, min_face=0, largest=largest)
    assert (settled.boxes >= 0).all()
    assert (settled.boxes <= [width, height, width, height]).all()
    assert (settled.boxes[:, 2:] - settled.boxes[:, :2] >= 1).all()
    assert len(settled) <= (1 if largest else 6)
    assert settled.landmarks is not None
    np.testing.assert_array_equal(settled.landmarks[:, 0, 0], settled.scores)


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
def test_nms_keeps_what_its_definition_keeps(crowd: tuple[Floats, Floats], measure: Measure, threshold: float) -> None:
    assert nms(*crowd, threshold, measure).tolist() == plainly(*crowd, threshold, measure)


@given(crowds(), st.sampled_from(MEASURES))
def test_kept_boxes_are_best_first_and_do_not_overlap(crowd: tuple[Floats, Floats], measure: Measure) -> None:
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
def test_nms_is_idempotent(crowd: tuple[Floats, Floats], measure: Measure) -> None:
    boxes, scores = crowd
    kept = nms(boxes, scores, 0.5, measure)
    assert nms(boxes[kept], scores[kept], 0.5, measure).tolist() == list(range(len(kept)))


@given(crowds(least=1), st.sampled_from(MEASURES))
def test_a_box_overlaps_itself_fully(crowd: tuple[Floats, Floats], measure: Measure) -> None:
    boxes, _ = crowd
    np.testing.assert_allclose(np.diag(overlaps(boxes, boxes, measure)), 1, rtol=1e-5)


@given(crowds(), crowds(), st.sampled_from(MEASURES))
def test_overlaps_are_between_0_and_1(
    one: tuple[Floats, Floats], other: tuple[Floats, Floats], measure: Measure
) -> None:
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
def test_many_boxes_are_suppressed_like_few(n: int) -> None:
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
