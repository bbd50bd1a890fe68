"""The charts of pages: where their lines lie, in which colours, and that they can be read by everybody."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from mien.evaluation.charts import duration, reliability_chart, stranger_chart, study_chart, training_chart
from mien.evaluation.comparison import VariantScore
from mien.evaluation.metrics import open_set, reliability
from tests.evaluation.factories import score

UNKNOWN = open_set(np.array([3.0, 2.0]), np.array([True, True]), np.array([2.5, 1.0]), threshold=1.5)
LEFT, TOP, SIDE = 46, 12, 260  # of a square chart
BOTTOM, RIGHT, MIDDLE = TOP + SIDE, LEFT + SIDE, LEFT + SIDE / 2
WIDE = (56, 12, 616, 312)  # left, top, right and bottom of the axes of a study
THREE = [score("none", 0.80, 5.0), score("gentle", 0.821, 9.0), score("extreme", 0.803, 11.0)]
CURVES: dict[str, list[float | None]] = {
    "loss": [2.0, 1.0, 0.5],
    "stop_loss": [2.0, 1.5, 1.6],
    "accuracy": [0.25, 0.5, 1.0],
    "stop_accuracy": [None, 0.5, 0.5],
}


def groups(svg: str, name: str) -> list[ElementTree.Element]:
    return [g for g in ElementTree.fromstring(svg).iter("g") if g.get("class") == name]


def points(svg: str, name: str) -> list[list[tuple[float, float]]]:
    """The corners of each line of that name, in pixels from the top left."""
    paths = [path.get("d", "") for g in groups(svg, name) for path in g.iter("path")]
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)] for path in paths]


def dots(svg: str) -> list[tuple[float, float]]:
    return [(float(use.get("x", "")), float(use.get("y", ""))) for g in groups(svg, "dot") for use in g.iter("use")]


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter("text")]


def names(svg: str) -> dict[str, tuple[float, float]]:
    """The names beside the dots of a study, and where they are."""
    found = [text for g in groups(svg, "name") for text in g.iter("text")]
    return {"".join(text.itertext()): (float(text.get("x", "")), float(text.get("y", ""))) for text in found}


def summary(svg: str) -> str:
    return ElementTree.fromstring(svg).findtext("title") or ""


ALL = {
    "reliability": reliability_chart(reliability(np.linspace(0.4, 1, 50), np.arange(50) % 3 > 0)),
    "strangers": stranger_chart(UNKNOWN, 1.0),
    "training": training_chart("loss", CURVES),
    "study": study_chart(THREE, {"gentle"}),
}


@pytest.mark.parametrize("svg", ALL.values(), ids=ALL)
def test_a_chart_says_what_it_shows_and_takes_colours_and_fonts_from_the_page(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == root[0].get("id")
    assert summary(svg)
    assert not re.findall(r"#[0-9a-f]{6}\b", svg)
    assert "font" not in svg
    assert "clip" not in svg
    assert texts(svg)
    for use in root.iter("use"):
        assert root.find(f".//*[@id='{use.get('href', '')[1:]}']") is not None


def test_the_same_figures_make_the_same_chart_whatever_style_the_user_has_set() -> None:
    with mpl.rc_context({"axes.facecolor": "red", "svg.fonttype": "path", "lines.linewidth": 9}):
        assert study_chart(THREE, {"gentle"}) == ALL["study"]
        assert mpl.rcParams["svg.fonttype"] == "path"


def test_a_perfect_bin_lies_on_the_diagonal() -> None:
    svg = reliability_chart(reliability(np.full(10, 0.5), np.array([True, False] * 5)))
    assert dots(svg) == [pytest.approx((MIDDLE, TOP + SIDE / 2))]
    ((bottom, top),) = points(svg, "interval")
    assert top[1] < TOP + SIDE / 2 < bottom[1]  # downwards on the screen
    assert "stated 50.0\u00a0%, right 50.0\u00a0% of 10 photos" in summary(svg)


def test_the_curve_is_a_staircase_that_ends_at_the_right_border() -> None:
    (named,) = points(ALL["strangers"], "named")
    half = TOP + SIDE / 2
    corners = list(dict.fromkeys(named))
    assert corners == [pytest.approx(p) for p in ((LEFT, half), (MIDDLE, half), (MIDDLE, TOP), (RIGHT, TOP))]


def test_a_cut_curve_still_reaches_the_border_and_drops_a_dot_outside() -> None:
    svg = stranger_chart(UNKNOWN, 0.1)
    (named,) = points(svg, "named")
    assert named[-1][0] == RIGHT
    assert dots(svg) == []
    assert "at the threshold" not in summary(svg)
    assert len(dots(ALL["strangers"])) == 1
    assert "at the threshold: 50.0\u00a0% of strangers accepted" in summary(ALL["strangers"])


def test_accuracy_is_drawn_from_nothing_to_all() -> None:
    svg = training_chart("accuracy", CURVES)
    (training,), (held_back,) = points(svg, "training"), points(svg, "held-back")
    assert training == [pytest.approx(p) for p in ((LEFT, TOP + 0.75 * SIDE), (MIDDLE, TOP + SIDE / 2), (RIGHT, TOP))]
    assert held_back == [pytest.approx(p) for p in ((MIDDLE, TOP + SIDE / 2), (RIGHT, TOP + SIDE / 2))]
    assert {"accuracy, %", "100", "epoch"} <= set(texts(svg))


def test_loss_is_drawn_up_to_its_largest_value() -> None:
    (training,) = points(ALL["training"], "training")
    assert training[0] == pytest.approx((LEFT, TOP))
    assert "2" in texts(ALL["training"])
    assert "at the end: training 0.5, held-back 1.6" in summary(ALL["training"])


def test_a_training_of_one_epoch_and_without_photos_held_back_is_drawn_too() -> None:
    svg = training_chart("loss", {"loss": [1.0], "stop_loss": [None]})
    assert points(svg, "held-back") in ([], [[]])
    assert summary(svg).endswith("at the end: training 1")


def test_epochs_are_whole_numbers() -> None:
    curves = {"loss": [1.0] * 7, "stop_loss": [1.0] * 7}
    marks = texts(training_chart("loss", curves))
    assert {"2", "4", "6"} <= set(marks)
    assert not any("." in mark for mark in marks[: marks.index("epoch")])


def test_higher_is_better_and_further_right_takes_longer() -> None:
    none, gentle, extreme = dots(ALL["study"])
    assert gentle[1] < extreme[1] < none[1]
    assert none[0] < gentle[0] < extreme[0]
    for (_, y), (low, high) in zip((none, gentle, extreme), points(ALL["study"], "interval"), strict=True):
        assert high[1] < y < low[1]


def test_what_is_worse_than_the_best_has_another_colour() -> None:
    uses = [use.get("style") or "" for g in groups(ALL["study"], "dot") for use in g.iter("use")]
    assert ["var(--hit-line)" in style for style in uses] == [False, True, False]
    assert ["var(--miss-line)" in style for style in uses] == [True, False, True]


def test_names_of_any_alphabet_stay_text() -> None:
    hard = ["김민수 먼저", "子供と大人", "$x^2$ & <b>", "x" * 40, "a\u202eb"]
    svg = study_chart([score(name, 0.8 + i / 50, 10.0) for i, name in enumerate(hard)], set())
    assert list(names(svg)) == ["김민수 먼저", "子供と大人", "$x^2$ & <b>", "x" * 23 + "…", r"a\u202eb"]


def test_names_do_not_lie_on_each_other_and_stay_in_the_picture() -> None:
    svg = study_chart([score(f"variant {i}", 0.8 - 0.0001 * i, 10.0) for i in range(12)], set())
    heights = sorted(y for _, y in names(svg).values())
    assert all(below - above >= 14.9 for above, below in pairwise(heights))
    assert WIDE[1] <= heights[0]
    assert heights[-1] <= WIDE[3] + 6
    assert "var(--soft)" in svg  # lines lead from dots to their names
    assert "var(--soft)" not in ALL["study"]


def test_a_name_far_from_all_others_stays_beside_its_dot() -> None:
    svg = study_chart([score("quick", 0.8, 1.0), score("slow", 0.8, 100.0)], set())
    places = names(svg).values()
    for (x, y), (name_x, name_y) in zip(dots(svg), places, strict=True):
        assert name_x == pytest.approx(x + 12, abs=0.1)
        assert name_y == pytest.approx(y, abs=6)


@pytest.mark.parametrize("times", [(0.004, 0.005), (1.0, 1.1), (60.0, 75.0), (0.5, 20_000.0), (0.0, 1.0)])
def test_there_are_marks_of_time_for_short_and_long_trainings(times: tuple[float, float]) -> None:
    svg = study_chart([score(str(seconds), 0.8, seconds) for seconds in times], set())
    marks = [
        (text.text or "", float(text.get("x", "")))
        for text in ElementTree.fromstring(svg).iter("text")
        if re.fullmatch(r"[\d.]+ (s|min|h)", text.text or "")
    ]
    assert marks
    assert all(b - a >= 44.9 for (_, a), (_, b) in pairwise(marks))
    assert all(WIDE[0] <= x <= WIDE[2] for x, _ in dots(svg))


@pytest.mark.parametrize("accuracies", [(1.0, 1.0), (0.0, 0.01), (0.05, 0.98), (0.5, 0.5)])
def test_every_interval_lies_in_the_picture(accuracies: tuple[float, float]) -> None:
    scores: list[VariantScore] = [
        replace(score(str(i), share), interval=(max(0.0, share - 0.04), min(1.0, share + 0.04)))
        for i, share in enumerate(accuracies)
    ]
    svg = study_chart(scores, set())
    for (_, y), (low, high) in zip(dots(svg), points(svg, "interval"), strict=True):
        assert WIDE[1] - 0.01 <= high[1] <= y <= low[1] <= WIDE[3] + 0.01
    assert 2 <= sum(text.isdecimal() and len(text) <= 3 for text in texts(svg)) <= 12


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.04 s"), (0.4, "0.4 s"), (12.4, "12 s"), (210, "3.5 min"), (7560, "2.1 h")]
)
def test_times_are_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text
