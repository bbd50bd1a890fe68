from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import DataError
from mien.training.tree import Tree, open_tree, parse, plans
from mien.types import UNKNOWN

SIX = ("boy", "girl", "glasses_female", "glasses_male", "plain_female", "plain_male")


def tree(text: str) -> Tree:
    return parse(text.encode(), "plan.toml")


def ways(found: Tree) -> dict[str, list[str]]:
    """What is asked at each node, and the label's way through it."""
    return {label: [f"{found.nodes[i].name}: {child}" for i, child in found.steps(label)] for label in found.leaves}


@pytest.mark.parametrize(
    ("name", "first", "then"),
    [
        (
            "sex-first",
            ["male", "female"],
            [{"plain_male", "glasses_male", "boy"}, {"plain_female", "glasses_female", "girl"}],
        ),
        (
            "child-apart",
            ["male", "female", "child"],
            [{"plain_male", "glasses_male"}, {"plain_female", "glasses_female"}, {"boy", "girl"}],
        ),
        (
            "sex-last",
            ["plain", "glasses", "child"],
            [{"plain_male", "plain_female"}, {"glasses_male", "glasses_female"}, {"boy", "girl"}],
        ),
    ],
)
def test_the_three_plans_ask_what_their_names_say(name: str, first: list[str], then: list[set[str]]) -> None:
    plan = open_tree(name)
    assert plan.leaves == SIX
    assert list(plan.nodes[0].children) == first
    assert [set(node.children) for node in plan.nodes[1:]] == then
    assert name in plans()
    plan.check([*SIX, UNKNOWN])


def test_there_are_the_three_plans() -> None:
    assert plans() == ("child-apart", "sex-first", "sex-last")


def test_a_table_names_branches_and_a_list_names_labels() -> None:
    found = tree('[tree]\nmale = ["man", "boy"]\nfemale = ["woman", "girl"]\n')
    assert [node.name for node in found.nodes] == ["root", "male", "female"]
    assert found.nodes[0].children == {"male": ("man", "boy"), "female": ("woman", "girl")}
    assert ways(found)["girl"] == ["root: female", "female: girl"]
    assert found.nodes[0].child_of()["boy"] == "male"


def test_branches_may_be_as_deep_as_it_takes_and_of_unequal_depth() -> None:
    text = """
    [tree]
    child = ["boy", "girl"]
    [tree.adult]
    male = ["plain", "moustache"]
    female = ["hat", "veil", "scarf"]
    """
    found = tree(text)
    assert [node.name for node in found.nodes] == ["root", "child", "adult", "adult/male", "adult/female"]
    assert ways(found)["veil"] == ["root: adult", "adult: female", "adult/female: veil"]
    assert ways(found)["boy"] == ["root: child", "child: boy"]
    assert found.nodes[0].children["adult"] == ("plain", "moustache", "hat", "veil", "scarf")


def test_a_list_may_hold_labels_and_branches() -> None:
    found = tree('tree = ["none", { mask = ["white", "black"] }, { scarf = ["red", "blue"], hat = ["cap", "hood"] }]')
    assert list(found.nodes[0].children) == ["none", "mask", "scarf", "hat"]
    assert ways(found)["none"] == ["root: none"]
    assert ways(found)["hood"] == ["root: hat", "hat: hood"]


def test_two_branches_in_different_places_may_share_a_name() -> None:
    found = tree("""
    [tree]
    male = { plain = ["a", "b"], glasses = ["c", "d"] }
    female = { plain = ["e", "f"], glasses = ["g", "h"] }
    """)
    assert ways(found)["c"] == ["root: male", "male: glasses", "male/glasses: c"]


def test_a_tree_of_one_question_is_a_tree() -> None:
    found = tree('tree = ["b", "a"]')
    assert found.leaves == ("a", "b")
    assert len(found.nodes) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "plan.toml is empty: it must have one table, [tree]"),
        ("[trees]\na = ['x', 'y']", "plan.toml has 'trees': it must have one table"),
        ("tree = ['a', 'b']\nextra = 1", "plan.toml has 'extra', 'tree': it must"),
        ("[tree]", "tree is empty: add at least two"),
        ("[tree]\na = []\nb = ['x', 'y']", "tree.a is empty"),
        ("[tree]\na = {}\nb = ['x', 'y']", "tree.a is empty"),
        ("[tree]\na = ['x', 'y']", "tree has only one child, 'a': add another"),
        ("[tree]\na = ['x', 'y']\nb = ['z']", "tree.b has only one child, 'z'"),
        ("[tree]\na = ['x', 'y', 'x']\nb = ['c', 'd']", "tree.a names 'x' twice"),
        ("[tree]\na = ['x', 'y']\nb = ['c', 'x']", "'x' is in the tree twice"),
        ("tree = ['a', {b = ['x', 'y']}, {b = ['v', 'w']}]", "tree names 'b' twice"),
        ("[tree]\nx = ['a', 'b']\nb = ['x', 'c']", "'b', 'x' is both a branch and a label"),
        ("[tree]\na = ['x', 'y']\nb = 'z'", "tree.b holds 'z': write labels in quotes"),
        ("[tree]\na = [1, 2]\nb = [3, 4]", "tree.a holds 1: write labels in quotes"),
        ("[tree]\na = [['x', 'y']]\nb = ['c', 'd']", r"tree.a holds ['x', 'y']: write labels"),
        ("tree = ['a', 'unknown']", "a child called 'unknown': it is the answer for strangers"),
        ("tree = ['a', ' ']", "a child called ' ': a name must not be empty"),
        ("[tree\na = 1", "plan.toml is not TOML"),
        ("[tree]\na = ['x', 'y']\na = ['v', 'w']", "plan.toml is not TOML"),
        ("tree = " + "[" * 5000, "plan.toml is not TOML"),
        (
            "tree = " + "".join(f"['x{i}', {{a{i} = " for i in range(20)) + "['y', 'z']" + "}]" * 20,
            "is more than 16 branches deep",
        ),
    ],
)
def test_what_is_no_tree_is_refused_with_a_sentence_that_names_file_and_place(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        tree(text)
    assert message in str(caught.value)
    assert "plan.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(DataError, match="is not TOML"):
        parse(b"\xff\xfe", "plan.toml")


def test_labels_missing_on_either_side_are_named() -> None:
    found = tree("[tree]\na = ['x', 'y']\nb = ['v', 'w']")
    found.check(["x", "y", "v", "w", "w", UNKNOWN])
    with pytest.raises(DataError, match=r"plan.toml does not fit the data: the tree lacks z, which the data has$"):
        found.check(["x", "y", "v", "w", "z"])
    with pytest.raises(DataError, match=r"the data lacks w, which the tree has$"):
        found.check(["x", "y", "v"])
    with pytest.raises(DataError, match="the tree lacks q, z, which the data has, and the data lacks v, w"):
        found.check(["x", "y", "z", "q"])


def test_a_file_is_found_by_its_path_and_a_plan_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('tree = ["é", "b"]', "utf-8")
    assert open_tree(path).leaves == ("b", "é")
    assert open_tree(str(path)).name == str(path)
    assert open_tree("sex-last").name == "the plan sex-last"


def test_what_is_not_there_is_answered_with_the_plans_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file and no plan called sex-frist \(plans: child-apart, sex-first, sex-"):
        open_tree("sex-frist")
    with pytest.raises(DataError, match="cannot be read"):
        open_tree(tmp_path)


def nested() -> st.SearchStrategy[list[object]]:
    """Trees as `as_json` has them, of any shape, with names still to be given."""
    leaf: st.SearchStrategy[object] = st.none()
    inner = st.recursive(leaf, lambda below: st.lists(below, min_size=2, max_size=3), max_leaves=12)
    return st.lists(inner, min_size=2, max_size=4)


@given(nested())
@settings(max_examples=40, deadline=None)
def test_whatever_tree_is_written_comes_back_and_every_label_has_its_way(shape: list[object]) -> None:
    count = iter(range(10_000))

    def name(item: object) -> object:
        number = next(count)
        return {f"branch {number}": [name(each) for each in item]} if isinstance(item, list) else f"label {number}"

    def written(item: object) -> str:
        if isinstance(item, dict):
            return "{" + ", ".join(f"{json.dumps(key)} = {written(value)}" for key, value in item.items()) + "}"
        return "[" + ", ".join(map(written, item)) + "]" if isinstance(item, list) else json.dumps(item)

    given_tree = [name(item) for item in shape]
    found = tree(f"tree = {written(given_tree)}")
    assert found.as_json() == given_tree
    for label in found.leaves:
        steps = found.steps(label)
        assert steps[0][0] == 0
        assert steps[-1][1] == label
        assert all(label in found.nodes[i].children[child] for i, child in steps)
        assert [found.nodes[i].path for i, _ in steps[1:]] == [
            tuple(child for _, child in steps[: depth + 1]) for depth in range(len(steps) - 1)
        ]
