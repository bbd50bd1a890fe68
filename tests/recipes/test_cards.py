from __future__ import annotations

from typing import Any

import pytest

from mien.models import builtin_traits
from recipes.traits.cards import FACTS, figure_rows, page


def found(share: float = 0.8) -> dict[str, Any]:
    """What the benchmark writes, with one figure throughout."""
    one = {"value": share, "interval": [0.7, 0.9], "n": 50}
    whole = {"n": 50, "accuracy": share, "accuracy_interval": [0.7, 0.9], "uncertain": 0.2}
    whole |= {"accuracy_certain": 0.9, "accuracy_certain_interval": [0.8, 0.95]}
    groups = {"groups": {"Female": {"n": 20, "accuracy": 0.75, "interval": [0.5, 0.9]}}}
    boxes = {"street, held out, margin 0.0": whole, "street, held out, margin 0.3": whole}
    return {
        "expression": {"fer2013": whole, "ck48": whole},
        "mask": {"boxes": boxes, "pool": {"web, cut": whole}, "colours": {"0.0": {"black": {"right": one}}}},
        "fairface": {f"{trait}, {way}": whole for trait in ("age", "gender") for way in ("cut", "find")},
        "glasses": {"fairface": whole, "six_class, adults, cut": one},
        "groups": {trait: {"gender": groups} for trait in ("age", "gender", "glasses", "mask")},
    }


def test_every_trait_has_a_card() -> None:
    assert set(FACTS) == set(builtin_traits.TRAITS)


@pytest.mark.parametrize("trait", builtin_traits.TRAITS)
def test_a_card_names_data_licence_limits_and_what_it_is_not_for(trait: str) -> None:
    text = page(trait)
    for part in (f"# {trait}", "- Trained on:", "- Licence:", "- Commercial use:", "## Not for", "## Where it errs"):
        assert part in text
    assert "## Measured" not in text


@pytest.mark.parametrize("trait", builtin_traits.TRAITS)
def test_a_measured_card_has_a_row_for_each_figure(trait: str) -> None:
    rows = figure_rows(trait, found())
    text = page(trait, rows)
    assert "## Measured" in text
    for name in rows:
        assert f"| {name} |" in text
    assert "80.0% (70.0% to 90.0%) | 50" in text


def test_groups_are_named_where_errors_were_counted_by_them() -> None:
    assert "by gender: Female" in figure_rows("age", found())
    assert "bare faces, by gender: Female" in figure_rows("mask", found())
    assert not any("by gender" in name for name in figure_rows("expression", found()))


def test_faces_that_are_not_uncertain_are_counted() -> None:
    share, low, high, n = figure_rows("expression", found())["FER2013, PublicTest, where it is not uncertain"]
    assert (share, low, high, n) == (0.9, 0.8, 0.95, 40)


def test_only_traits_from_research_data_exclude_commercial_use() -> None:
    assert [trait for trait, facts in FACTS.items() if facts.commercial == "no"] == ["expression"]
