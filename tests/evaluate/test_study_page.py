from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from mien.evaluate.study_chart import duration, study_chart
from mien.evaluate.study_page import StudyPage, render_study
from tests.evaluate.test_report import EVIL, outlined
from tests.evaluate.test_verdict import measured, pair

THREE = [measured("none", 0.80, 5.0), measured("gentle", 0.821, 9.0), measured("extreme", 0.803, 11.0)]
PAIRS = [pair("gentle", "none", 2.1, 0.01), pair("gentle", "extreme", 1.8, 0.2), pair("extreme", "none", 0.3, 1.0)]
PAGE = StudyPage("faces", "2025-06-01", "augment", THREE, PAIRS, 500, 3, ["a note"])


def test_the_page_is_well_formed_and_fetches_nothing() -> None:
    html = render_study(PAGE)
    tags = outlined(html).tags
    assert not {"script", "iframe", "object", "form", "base"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "http" not in html.replace("http-equiv", "")


def test_the_page_says_the_verdict_the_figures_and_the_notes() -> None:
    html = render_study(PAGE).replace("\u00a0", " ")
    assert "gentle beats none by 2.1 points (p 0.01); extreme cannot be told apart from gentle and none" in html
    for text in ("82.1 %", "+16.9", "9.0 s", "Which variants of a photo help?", "a note", "3, for all variants alike"):
        assert text in html


def test_what_is_really_worse_is_drawn_otherwise_than_what_is_not() -> None:
    marks = [dict(attributes)["class"] for tag, attributes in outlined(render_study(PAGE)).tags if tag == "circle"]
    assert marks == ["dot worse", "dot best", "dot best"]


def test_one_variant_is_shown_without_comparisons() -> None:
    html = render_study(replace(PAGE, measured=THREE[:1], comparisons=[], notes=[], rejected=0))
    assert "Which differences are real" not in html
    assert "really worse" not in html
    outlined(html)


def test_many_pairs_are_folded_up_and_none_is_lost() -> None:
    many = [measured(str(size), 0.7) for size in range(32, 40)]
    pairs = [pair(a.variant, b.variant, 0.1, 1.0) for i, a in enumerate(many) for b in many[i + 1 :]]
    html = render_study(replace(PAGE, over="size", measured=many, comparisons=pairs))
    assert html.count("cannot be told</td>") == len(pairs)
    assert "13 more pairs" in html
    assert "39 px" in html


def test_hostile_names_are_only_text() -> None:
    html = render_study(replace(PAGE, data=EVIL, measured=[replace(THREE[0], variant=EVIL)], comparisons=[]))
    assert "<script" not in html
    outlined(html)


def test_higher_is_better_and_further_right_takes_longer() -> None:
    none, gentle, extreme = study_chart(THREE, {"gentle"}).marks
    assert gentle.y < extreme.y < none.y
    assert none.x < gentle.x < extreme.x
    assert all(mark.high < mark.y < mark.low for mark in (none, gentle, extreme))
    assert [mark.best for mark in (none, gentle, extreme)] == [False, True, False]


def test_names_do_not_lie_on_each_other_and_stay_in_the_picture() -> None:
    chart = study_chart([measured(f"variant {i}", 0.8 - 0.0001 * i, 10.0) for i in range(12)], set())
    heights = sorted(mark.label_y for mark in chart.marks)
    assert all(below - above >= 14.9 for above, below in itertools.pairwise(heights))
    assert chart.top <= heights[0]
    assert heights[-1] <= chart.top + chart.height
    assert any(mark.leads for mark in chart.marks)


def test_a_name_far_from_all_others_stays_beside_its_dot() -> None:
    chart = study_chart([measured("quick", 0.8, 1.0), measured("slow", 0.8, 100.0)], set())
    assert [mark.label_y for mark in chart.marks] == [mark.y for mark in chart.marks]


@pytest.mark.parametrize("times", [(0.004, 0.005), (1.0, 1.1), (60.0, 75.0), (0.5, 20_000.0), (0.0, 1.0)])
def test_there_are_marks_of_time_for_short_and_long_trainings(times: tuple[float, float]) -> None:
    chart = study_chart([measured(str(seconds), 0.8, seconds) for seconds in times], set())
    places = [tick.at for tick in chart.x_ticks]
    assert places
    assert all(b - a >= 45 for a, b in itertools.pairwise(places))
    assert all(chart.left <= mark.x <= chart.left + chart.width for mark in chart.marks)


@pytest.mark.parametrize("accuracies", [(1.0, 1.0), (0.0, 0.01), (0.05, 0.98), (0.5, 0.5)])
def test_every_whisker_lies_in_the_picture(accuracies: tuple[float, float]) -> None:
    drawn = [
        replace(measured(str(i), share), interval=(max(0.0, share - 0.04), min(1.0, share + 0.04)))
        for i, share in enumerate(accuracies)
    ]
    chart = study_chart(drawn, set())
    for mark in chart.marks:
        assert chart.top <= mark.high <= mark.y <= mark.low <= chart.top + chart.height
    assert 2 <= len(chart.y_ticks) <= 9


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.04 s"), (0.4, "0.4 s"), (12.4, "12 s"), (210, "3.5 min"), (7560, "2.1 h")]
)
def test_times_are_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text
