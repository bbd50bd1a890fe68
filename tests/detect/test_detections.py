from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.detect import Detections
from mien.detect.detections import nothing, ranked, settle, sides


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


def test_nothing_has_columns_of_no_rows() -> None:
    assert len(nothing(landmarks=False)) == 0
    assert nothing(landmarks=False).landmarks is None
    marks = nothing(landmarks=True, missed=0.3).landmarks
    assert marks is not None
    assert marks.shape == (0, 5, 2)
    assert nothing(landmarks=True, missed=0.3).missed == 0.3


def test_taking_some_takes_all_their_columns() -> None:
    three = found((0, 0, 1, 1), (0, 0, 2, 2), (0, 0, 3, 3))
    two = three.take(np.array([2, 0]))
    assert two.boxes[:, 2].tolist() == [3, 1]
    assert two.scores.tolist() == [0.5, 1]
    assert two.landmarks is not None
    assert len(three.take(slice(1))) == 1


def test_a_side_is_that_of_the_square_of_the_same_area() -> None:
    assert sides(boxes((0, 0, 4, 9), (5, 5, 5, 9), (9, 9, 0, 0))).tolist() == [6, 0, 0]


def test_the_main_face_is_the_one_in_the_middle_of_two_alike() -> None:
    assert ranked(boxes((0, 0, 60, 60), (70, 70, 130, 130)), 200, 200).tolist() == [1, 0]


def test_a_bystander_a_little_larger_at_the_edge_is_not_the_main_face() -> None:
    assert ranked(boxes((0, 100, 70, 170), (70, 70, 130, 130)), 200, 200).tolist() == [1, 0]


def test_a_face_under_half_as_large_is_never_the_main_one() -> None:
    assert ranked(boxes((90, 90, 110, 110), (0, 0, 80, 80)), 200, 200).tolist() == [1, 0]


def test_of_two_at_one_distance_the_larger_is_the_main_face() -> None:
    assert ranked(boxes((10, 80, 50, 120), (140, 70, 200, 130)), 200, 200).tolist() == [1, 0]


def test_no_faces_have_an_order_too() -> None:
    assert ranked(boxes(), 10, 10).tolist() == []


def test_settling_clips_to_the_picture() -> None:
    settled = settle(found((-5, -7, 30, 40), (80, 70, 120, 110)), 100, 90, min_face=10, largest=False)
    assert settled.boxes.min() == 0
    assert settled.boxes[:, 2].max() == 100
    assert settled.boxes[:, 3].max() == 90


def test_settling_drops_what_lies_outside() -> None:
    outside = found((-50, 0, -10, 40), (0, 95, 40, 140), (99.5, 0, 140, 40), (20, 20, 60, 60))
    assert settle(outside, 100, 90, min_face=10, largest=False).boxes.tolist() == [[20, 20, 60, 60]]


def test_settling_drops_faces_well_under_the_smallest() -> None:
    three = found((0, 0, 10, 10), (20, 20, 36, 36), (50, 50, 90, 90))
    assert sides(settle(three, 100, 100, min_face=20, largest=False).boxes).tolist() == [40, 16]


def test_a_face_that_sticks_out_is_measured_whole() -> None:
    assert len(settle(found((-38, 0, 2, 40)), 100, 100, min_face=40, largest=False)) == 1


@given(
    arrays(np.float32, (6, 4), elements=st.floats(-200, 300, width=32)),
    st.integers(1, 200),
    st.integers(1, 200),
    st.booleans(),
)
def test_settled_boxes_lie_inside_and_keep_their_columns(
    rows: np.ndarray[tuple[int, int], np.dtype[np.float32]], width: int, height: int, largest: bool
) -> None:
    scores = np.arange(6, dtype=np.float32)
    marks = np.broadcast_to(scores[:, None, None], (6, 5, 2)).astype(np.float32)
    settled = settle(Detections(rows, scores, marks), width, height, min_face=0, largest=largest)
    assert (settled.boxes >= 0).all()
    assert (settled.boxes <= [width, height, width, height]).all()
    assert (settled.boxes[:, 2:] - settled.boxes[:, :2] >= 1).all()
    assert len(settled) <= (1 if largest else 6)
    assert settled.landmarks is not None
    np.testing.assert_array_equal(settled.landmarks[:, 0, 0], settled.scores)
