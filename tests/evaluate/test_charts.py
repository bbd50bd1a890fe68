from __future__ import annotations

import numpy as np

from mien.evaluate.calibration import reliability
from mien.evaluate.charts import heat, reliability_chart, stranger_chart, training_chart
from mien.evaluate.evaluation import Confusion
from mien.evaluate.strangers import open_set

UNKNOWN = open_set(np.array([3.0, 2.0]), np.array([True, True]), np.array([2.5, 1.0]), threshold=1.5)


def test_a_perfect_bin_lies_on_the_diagonal() -> None:
    chart = reliability_chart(reliability(np.full(10, 0.5), np.array([True, False] * 5)))
    (dot,) = chart.dots
    assert (dot.x, dot.y) == (chart.left + chart.side / 2, chart.top + chart.side / 2)
    assert dot.low is not None
    assert dot.high is not None
    assert dot.high < dot.y < dot.low  # downwards on the screen


def test_the_curve_is_a_staircase_that_ends_at_the_right_border() -> None:
    chart = stranger_chart(UNKNOWN, 1.0)
    left, right, middle = chart.left, chart.left + chart.side, chart.left + chart.side / 2
    top, half = chart.top, chart.top + chart.side / 2
    assert chart.paths["named"] == f"M{left} {half}H{left}V{half}H{middle}V{top}H{right}V{top}"


def test_a_cut_curve_still_reaches_the_border_and_drops_a_dot_outside() -> None:
    chart = stranger_chart(UNKNOWN, 0.1)
    assert chart.paths["named"].endswith(f"H{chart.left + chart.side}")
    assert chart.dots == ()
    assert len(stranger_chart(UNKNOWN, 1.0).dots) == 1


def test_the_confusion_picture_holds_only_cells_with_photos() -> None:
    drawn = heat(Confusion(("a", "b"), np.array([[3, 1], [0, 0]])), lettered_up_to=60)
    assert [(c.row, c.column, c.share) for c in drawn.cells] == [(0, 0, 0.75), (0, 1, 0.25)]
    assert drawn.cells[1].title == "a → b: 1 of 4"
    assert drawn.lettered


def test_a_large_picture_has_no_letters_and_stays_small() -> None:
    drawn = heat(Confusion(tuple(map(str, range(200))), np.eye(200, dtype=np.int64)), lettered_up_to=60)
    assert (drawn.lettered, drawn.margin) == (False, 0)
    assert drawn.side <= 720


CURVES: dict[str, list[float | None]] = {
    "loss": [2.0, 1.0, 0.5],
    "stop_loss": [2.0, 1.5, 1.6],
    "accuracy": [0.25, 0.5, 1.0],
    "stop_accuracy": [None, 0.5, 0.5],
}


def test_accuracy_is_drawn_from_nothing_to_all() -> None:
    chart = training_chart("accuracy", CURVES)
    left, right, middle = chart.left, chart.left + chart.side, chart.left + chart.side / 2
    assert chart.paths["learnt"].startswith(f"M{left} ")
    assert chart.paths["learnt"].endswith(f"L{right} {chart.top}")
    assert chart.paths["held-back"] == f"M{middle} {chart.top + chart.side / 2}L{right} {chart.top + chart.side / 2}"
    assert (chart.x_unit, chart.y_unit) == ("", "%")


def test_loss_is_drawn_up_to_its_largest_value() -> None:
    chart = training_chart("loss", CURVES)
    assert chart.paths["learnt"].startswith(f"M{chart.left} {chart.top}")
    assert chart.y_ticks[-1].text == "2"
    assert "at the end: learnt 0.5, held-back 1.6" in chart.summary


def test_a_training_of_one_epoch_and_without_rows_kept_back_is_drawn_too() -> None:
    chart = training_chart("loss", {"loss": [1.0], "stop_loss": [None]})
    assert chart.paths["held-back"] == ""
    assert chart.x_ticks == ()
