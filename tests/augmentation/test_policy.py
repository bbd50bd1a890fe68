"""Policies: what ships, what a user's file may hold, and what is said of one that holds something else."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.augmentation.policy import METHODS, Policy, Step, load_policy, parse, policy_names
from mien.errors import DataError, MissingExtra, UnknownName

GOOD = """
about = "mine"
fill = "edge"

[[step]]
method = "rotate"
range = [-5, 5]
probability = 0.25

[[step]]
method = "flip"
"""


def test_all_that_ship_can_be_read_and_say_what_they_are_for() -> None:
    assert policy_names() == [
        *("expression", "extreme", "gentle", "laptop-fer", "none", "six-class", "sixty-four"),
    ]
    for name in policy_names():
        found = load_policy(name)
        assert found.name == name
        assert found.about.endswith(".")
        assert bool(found.steps) == (name != "none")


def test_gentle_stays_within_twenty_degrees_and_twenty_percent() -> None:
    steps = {step.method: step for step in load_policy("gentle").steps}
    assert (steps["rotate"].low, steps["rotate"].high) == (-20, 20)
    assert (steps["scale"].low, steps["scale"].high) == (0.8, 1.2)
    assert "erasing" not in steps


def test_extreme_goes_beyond_gentle_in_all_that_both_do() -> None:
    far = {step.method: step for step in load_policy("extreme").steps}
    for step in load_policy("gentle").steps:
        assert far[step.method].low <= step.low
        assert far[step.method].high >= step.high


def test_the_expression_policy_is_what_its_trainer_expects() -> None:
    assert load_policy("expression").steps == (
        Step("flip", probability=0.5),
        Step("rotate", -15, 15),
        Step("scale", 0.85, 1.15),
        Step("translate", -0.08, 0.08),
        Step("brightness", 0.8, 1.2),
        Step("contrast", 0.8, 1.2),
        Step("erasing", 0.125, 0.4, 0.5),
    )


def test_the_systems_policies_are_as_the_systems_had_them() -> None:
    fer = {step.method: (step.low, step.high) for step in load_policy("laptop-fer").steps}
    assert fer == {"flip": (0, 0), "rotate": (-40, 40), "translate": (-0.2, 0.2)}
    six = {step.method: (step.low, step.high) for step in load_policy("six-class").steps}
    assert six == {"rotate": (-10, 10), "shear": (-0.2, 0.2), "zoom": (0.67, 2), "flip": (0, 0)}
    assert {step.method for step in load_policy("sixty-four").steps} > {
        "resize",
        "scale",
        "flip",
        "translate",
        "rotate",
    }


def test_a_users_own_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD, "utf-8")
    found = load_policy(str(tmp_path / "mine.toml"))
    assert found == Policy("mine", "mine", "edge", (Step("rotate", -5, 5, 0.25), Step("flip")))
    assert found.as_json()["steps"][0]["method"] == "rotate"


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_policy("gentle").name = "rough"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("step = 3", "p.toml: write each step under a line"),
        ("step = [3]", "p.toml: write each step under a line"),
        ("steps = []", "'steps' is unknown.*about, fill, step"),
        ("about = 3", "'about' must be a text"),
        ("fill = 'black'", "'fill' is 'black': use reflect or edge"),
        ("[[step]]", "p.toml, step 1: there is no method None.*resize, scale"),
        ("[[step]]\nmethod = 'turn'", "there is no method 'turn'.*rotate"),
        ("[[step]]\nmethod = 'flip'\n[[step]]\nmethod = 'rotate'", r"p.toml, step 2 \(rotate\): 'range' is missing"),
        ("[[step]]\nmethod = 'rotate'\nrange = [5, -5]", r"use \[low, high\] from -180 to 180"),
        ("[[step]]\nmethod = 'rotate'\nrange = [0, 181]", "from -180 to 180"),
        ("[[step]]\nmethod = 'rotate'\nrange = 20", "'range' is 20"),
        ("[[step]]\nmethod = 'rotate'\nrange = [0, 1, 2]", "'range' is"),
        ("[[step]]\nmethod = 'scale'\nrange = [nan, 1]", "'range' is"),
        ("[[step]]\nmethod = 'scale'\nrange = [0, 1]", "from 0.1 to 4"),
        ("[[step]]\nmethod = 'scale'\nrange = [true, 2]", "'range' is"),
        ("[[step]]\nmethod = 'flip'\nrange = [0, 1]", "takes no 'range'"),
        ("[[step]]\nmethod = 'flip'\nprobability = 1.5", "'probability' is 1.5: use a number from 0 to 1"),
        ("[[step]]\nmethod = 'flip'\nprobability = 'often'", "'probability' is 'often'"),
        ("[[step]]\nmethod = 'flip'\nchance = 1", "'chance' is unknown.*method, range, probability"),
        ("[[step]]\nmethod = 'flip'\n" * 65, "65 steps: 64 at most"),
        ("[[step", "p.toml is not TOML"),
    ],
)
def test_a_mistake_is_told_with_its_file_its_step_and_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        parse(text, "p", "p.toml")


def test_a_name_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"expression, extreme, gentle.*or a \.toml file"):
        load_policy("wild")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        load_policy(str(tmp_path / "wild.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not text in UTF-8"):
        load_policy(str(tmp_path / "binary.toml"))


def test_without_the_extra_it_is_said_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith("mien.augmentation.") and name != "mien.augmentation.policy"
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'mien\[train\]'"):
        load_policy("gentle").variants(np.zeros((8, 8, 3), np.uint8), [1])


def test_every_method_has_a_range_that_tells_within_its_limits() -> None:
    for method in METHODS.values():
        assert method.about
        if method.limits:
            least, most = method.limits
            assert least <= method.typical[0] <= method.typical[1] <= most
            assert least <= method.neutral <= most
    assert METHODS["rotate"].strongest(-20, 10) == -20
    assert METHODS["rotate"].strongest(-20, 20) == 20
    assert METHODS["brightness"].strongest(0.7, 1.1) == 0.7
