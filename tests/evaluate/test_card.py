from __future__ import annotations

import math
from typing import Any

import pytest
from jinja2 import UndefinedError

from mien.evaluate import evaluate, render_card
from tests.evaluate.made import LABELS, crowd, predicted

RESULTS, NAMES = crowd(classes=4, photos=120, strangers=40)


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "name": "friends",
        "date": "2025-06-01",
        "labels": {"person 0": 30, "person 1": 12, "person 2": 40, "person 3": 38},
        "recipe": "head",
        "detector": "mtcnn",
        "view": "dlib, 150 px",
        "embedder": "dlib-resnet",
        "weights": [
            {"name": "dlib-resnet", "licence": "CC0", "commercial": "yes"},
            {"name": "dlib-landmarks-68", "licence": "iBUG 300-W", "commercial": "no"},
        ],
        "measured": evaluate(RESULTS, NAMES, 0.5).as_json(),
        "how": "out of fold, in 5 folds",
        "unknown": {"threshold": 0.5, "false_accept_rate": 0.01, "estimated": "by leaving out labels in turn"},
    } | changes


def test_the_card_has_all_its_sections_and_figures() -> None:
    text = render_card(facts(seed=7, head="logistic regression", version="0.1", notes=["Photos of one evening."]))
    for heading in (
        "What it is for",
        "What it is not for",
        "Labels",
        "How it was made",
        "Measured",
        "Unknown",
        "Limits",
    ):
        assert f"## {heading}\n" in text
    assert "| person 1 | 12 |" in text
    assert "| Seed | 7 |" in text
    assert "120 photos with a known label, 40 of strangers" in text
    assert "aims at letting in 1.0\u00a0% of strangers, estimated by leaving out labels in turn" in text
    assert "as few as 12 photos" in text
    assert "- Photos of one evening." in text


def test_weights_that_may_not_be_sold_are_named() -> None:
    assert "may be used commercially: see dlib-landmarks-68" in render_card(facts())
    free = facts(weights=[{"name": "mtcnn", "licence": "MIT", "commercial": "yes"}])
    assert "all weights may be used commercially" in render_card(free)


def test_what_was_not_measured_is_said_and_not_invented() -> None:
    alone = evaluate([predicted("1", "ann", "ann")], LABELS, 0.5).as_json()
    text = render_card(facts(measured=alone))
    assert "no other faces of strangers" in text
    assert "nan" not in text.lower()
    assert "None" not in text


def test_without_a_threshold_nothing_is_said_to_be_measured_at_it() -> None:
    results = evaluate(RESULTS, NAMES, -math.inf).as_json()
    alone = evaluate([predicted("1", "ann", "ann")], LABELS, -math.inf).as_json()
    for measured in (results, alone):
        text = render_card(facts(measured=measured, unknown=None))
        assert 'never answers "unknown"' in text
        assert "at the threshold" not in text
        assert "let in" not in text
        assert "inf" not in text.split("## Unknown")[1]


def test_a_threshold_that_is_a_guess_states_no_rate() -> None:
    guess = {"threshold": 0.5, "false_accept_rate": None, "estimated": "midway between known and strangers"}
    text = render_card(facts(unknown=guess))
    assert "The threshold is a guess, midway between known and strangers." in text
    assert "aims at" not in text


def test_many_labels_are_summed_up() -> None:
    text = render_card(facts(labels={f"person {i}": i + 1 for i in range(500)}))
    assert "500 labels, 125250 photos; 1 to 500 photos a label." in text
    assert "| person 3 | 4 |" not in text


def test_hostile_labels_stay_text() -> None:
    name = "<script>alert(1)</script> | [x](http://y) `z`\n# big"
    text = render_card(facts(labels={name: 3, "ann": 4}))
    row = next(line for line in text.splitlines() if "alert" in line)
    assert row.startswith("| \\<script\\>alert(1)\\</script\\> \\| \\[x\\](http://y) \\`z\\`")
    assert row.endswith("big | 3 |")


def test_a_missing_fact_is_an_error_and_not_an_empty_cell() -> None:
    incomplete = facts()
    del incomplete["detector"]
    with pytest.raises(UndefinedError, match="detector"):
        render_card(incomplete)
