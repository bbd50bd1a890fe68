from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors import numpy as safetensors
from sklearn.linear_model import LogisticRegression

from mien.errors import DataError
from mien.models.head import Doubles, softmax
from mien.models.network import NetworkHead
from mien.models.onnx_edit import Graph
from mien.training import HeldOutPredictions, hierarchy
from mien.training.calibration import UnknownThreshold, set_from_logits
from mien.training.head import HeadOptions, fit_head
from mien.training.hierarchy import HierarchyFit, fit_hierarchy
from mien.training.network_recipe import NetworkOptions, difference, fit_network, load_network
from mien.training.settings import SETTINGS
from mien.training.splits import HELD_OUT
from mien.training.tree import Tree, parse
from mien.types import UNKNOWN, Floats, Ints, Pixels
from tests.training.clusters import clusters

TWO = parse(b"[tree]\na = ['a0', 'a1', 'a2']\nb = ['b0', 'b1']\n", "two.toml")
THREE = parse(b"tree = ['b1', { rest = ['b0', { a = ['a0', 'a1', 'a2'] }] }]", "three.toml")
NAMES = {f"person {j:02d}": name for j, name in enumerate(("a0", "a1", "a2", "b0", "b1", "s0", "s1"))}
SIDE = 6
NONE = UnknownThreshold(None, None, 1.0, 0.5, 0, "none")


def people(sizes: list[int], seed: int = 0) -> tuple[Floats, list[str]]:
    vectors, labels = clusters(sizes, seed=seed, dimension=16, spread=0.9)
    return vectors, [NAMES[label] for label in labels]


@cache
def fitted(tree: Tree = TWO) -> HierarchyFit:
    """A hierarchy over 5 times 14 vectors, for all tests that only look at it."""
    vectors, labels = people([14] * 5)
    return fit_hierarchy(vectors, labels, options=HeadOptions(), tree=tree, fit=fit_head)


def products(fit: HierarchyFit, inputs: npt.NDArray[Any]) -> Doubles:
    """By hand: each leaf's probability is the product along its path of what the nodes' own heads say."""
    made = np.ones((len(inputs), len(fit.tree.leaves)))
    for told in fit.nodes:
        said = told.fit.head.answer(inputs)[0].astype(np.float64)
        child = told.node.child_of()
        for j, leaf in enumerate(fit.tree.leaves):
            if leaf in child:
                made[:, j] *= said[:, told.fit.head.labels.index(child[leaf])]
    return made


def accuracy(fit: HierarchyFit, labels: Sequence[str]) -> float:
    guessed = [fit.head.labels[j] for j in fit.held_out.probabilities.argmax(axis=1)]
    known = [(g, labels[row]) for g, row in zip(guessed, fit.held_out.rows, strict=True) if labels[row] != UNKNOWN]
    return float(np.mean([a == b for a, b in known]))


@pytest.mark.parametrize("tree", [TWO, THREE], ids=["depth 2", "depth 3"])
def test_the_head_s_probabilities_are_the_products_along_each_path(tree: Tree) -> None:
    vectors, _ = people([6] * 5, seed=1)
    fit = fitted(tree)
    by_hand = products(fit, vectors)
    assert by_hand.sum(axis=1) == pytest.approx(np.ones(len(vectors)), abs=1e-6)
    assert np.abs(fit.head.probabilities(vectors) - by_hand).max() < 1e-6
    assert fit.head.labels == tree.leaves


@pytest.mark.parametrize("tree", [TWO, THREE], ids=["depth 2", "depth 3"])
def test_it_learns_and_is_measured_on_a_fifth_that_it_did_not_see(tree: Tree) -> None:
    _, labels = people([14] * 5)
    fit = fitted(tree)
    assert fit.held_out.method == HELD_OUT
    assert 12 <= len(fit.held_out.rows) <= 16
    assert sorted([*fit.seen, *fit.held_out.rows]) == list(range(70))
    assert accuracy(fit, labels) > 0.85
    assert fit.counts == dict.fromkeys(tree.leaves, 14)


def test_each_node_learns_from_the_photos_below_it_only() -> None:
    fit = fitted(TWO)
    _, labels = people([14] * 5)
    held = Counter(labels[row] for row in fit.held_out.rows)
    assert [told.n for told in fit.nodes] == [
        sum(held.values()),
        sum(held[name] for name in ("a0", "a1", "a2")),
        sum(held[name] for name in ("b0", "b1")),
    ]
    assert [told.fit.head.labels for told in fit.nodes] == [("a", "b"), ("a0", "a1", "a2"), ("b0", "b1")]
    assert all(told.accuracy is not None and told.accuracy > 0.7 for told in fit.nodes)


def test_the_flat_head_was_asked_the_same_and_the_notes_say_how_it_fared() -> None:
    vectors, labels = people([14] * 5)
    fit = fitted(TWO)
    held = set(fit.held_out.rows.tolist())
    splits = ["test" if i in held else "train" for i in range(len(labels))]
    flat = fit_head(vectors, labels, splits=splits)
    guessed = [flat.head.labels[j] for j in flat.held_out.probabilities.argmax(axis=1)]
    alone = float(np.mean([a == labels[i] for a, i in zip(guessed, flat.held_out.rows, strict=True)]))
    assert fit.flat == pytest.approx(alone)
    assert any(note.startswith(f"on the same photos a flat head is {100 * alone:.1f} % right") for note in fit.notes)


def test_familiarity_and_threshold_are_those_of_a_flat_head() -> None:
    vectors, labels = people([14] * 5)
    fit = fitted(TWO)
    held = set(fit.held_out.rows.tolist())
    flat = fit_head(vectors, labels, splits=["test" if i in held else "train" for i in range(len(labels))])
    assert fit.head.centres is not None
    assert np.array_equal(fit.head.centres, flat.head.centres)
    assert fit.head.threshold == flat.head.threshold
    assert np.array_equal(fit.head.familiarity(vectors), flat.head.familiarity(vectors))


def test_the_order_of_the_rows_changes_nothing() -> None:
    vectors, labels = people([14] * 5)
    order = np.random.default_rng(3).permutation(len(labels))
    other = fit_hierarchy(vectors[order], [labels[i] for i in order], options=HeadOptions(), tree=TWO, fit=fit_head)
    assert other.parts == fitted(TWO).parts
    assert sorted(order[other.held_out.rows]) == sorted(fitted(TWO).held_out.rows)


def test_splits_that_the_data_names_are_kept() -> None:
    vectors, labels = people([16] * 5)
    splits = [("val", "test", None, "train")[i % 4] for i in range(len(labels))]
    fit = fit_hierarchy(vectors, labels, splits=splits, options=HeadOptions(), tree=TWO, fit=fit_head)
    assert fit.held_out.method == "val"
    assert sorted(fit.held_out.rows) == list(range(0, 80, 4))
    assert sorted(fit.seen) == [i for i in range(80) if i % 4 > 1]
    assert fit.nodes[0].n == 20


def test_groups_and_copies_lie_on_one_side() -> None:
    vectors, labels = people([24] * 5)
    vectors[1::2] = vectors[::2] + 1e-4
    groups = [f"burst {i // 4}" for i in range(len(labels))]
    fit = fit_hierarchy(vectors, labels, groups=groups, options=HeadOptions(), tree=TWO, fit=fit_head)
    held = {groups[i] for i in fit.held_out.rows}
    assert held
    assert held.isdisjoint(groups[i] for i in fit.seen)


def test_strangers_lie_below_no_node_and_set_the_threshold() -> None:
    vectors, labels = people([12, 12, 12, 12, 12, 13, 12])
    labels = [UNKNOWN if label.startswith("s") else label for label in labels]
    fit = fit_hierarchy(vectors, labels, options=HeadOptions(false_accept_rate=0.05), tree=TWO, fit=fit_head)
    strangers = [i for i, label in enumerate(labels) if label == UNKNOWN]
    assert set(strangers) <= set(fit.seen.tolist())
    assert fit.unknown.strangers == 25
    assert np.isfinite(fit.head.threshold)
    assert (fit.head.familiarity(vectors[strangers]) < fit.head.threshold).mean() > 0.8
    assert sum(told.n for told in fit.nodes[1:]) == fit.nodes[0].n == len(fit.held_out.rows)
    assert sum(fit.counts.values()) == len(labels) - 25


def test_strangers_of_the_split_that_is_measured_on_are_answered_too() -> None:
    vectors, labels = people([12] * 6)
    labels = [UNKNOWN if label == "s0" else label for label in labels]
    splits = ["val" if i % 3 == 0 else "train" for i in range(len(labels))]
    fit = fit_hierarchy(vectors, labels, splits=splits, options=HeadOptions(), tree=TWO, fit=fit_head)
    assert sorted(fit.held_out.rows) == list(range(0, 72, 3))
    assert fit.nodes[0].n == 20


def test_a_label_of_two_photos_is_learnt_and_not_measured_on() -> None:
    vectors, labels = people([14, 14, 2, 14, 14])
    fit = fit_hierarchy(vectors, labels, options=HeadOptions(), tree=TWO, fit=fit_head)
    assert fit.counts["a2"] == 2
    assert "a2" not in {labels[i] for i in fit.held_out.rows}


@pytest.mark.parametrize("photos", [4, 5, 7])
def test_of_few_photos_each_is_learnt_from_once_or_measured_on(photos: int) -> None:
    vectors, labels = people([photos] * 5)
    fit = fit_hierarchy(vectors, labels, options=HeadOptions(), tree=TWO, fit=fit_head)
    assert sorted([*fit.seen, *fit.held_out.rows]) == list(range(5 * photos))


def test_a_tree_over_other_labels_is_refused() -> None:
    vectors, labels = people([6] * 4)
    with pytest.raises(DataError, match=r"two.toml does not fit the data: the data lacks b1, which the tree has"):
        fit_hierarchy(vectors, labels, options=HeadOptions(), tree=TWO, fit=fit_head)


def test_a_node_that_cannot_learn_is_named() -> None:
    vectors, labels = people([14] * 5)
    rows = [i for i, label in enumerate(labels) if label.startswith("b")]
    vectors[rows[:14]], vectors[rows[14:]] = vectors[rows[0]], vectors[rows[14]]
    with pytest.raises(DataError, match="at b in the tree: each class holds copies of one photo only"):
        fit_hierarchy(vectors, labels, options=HeadOptions(), tree=TWO, fit=fit_head)


def test_what_a_bundle_holds_says_what_each_node_is_and_is_enough_to_answer() -> None:
    fit = fitted(THREE)
    assert sorted(fit.parts) == ["network.json", "network.onnx", "weights.safetensors"]
    assert fit.parts["network.onnx"] == fit.head.onnx
    described = json.loads(fit.parts["network.json"])
    tensors = safetensors.load(fit.parts["weights.safetensors"])
    assert described["tree"] == THREE.as_json()
    assert [node["node"] for node in described["nodes"]] == ["root", "rest", "rest/a"]
    vectors, _ = people([3] * 5, seed=4)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for number, (node, told) in enumerate(zip(described["nodes"], fit.nodes, strict=True)):
        assert node["architecture"] == "linear"
        logits = unit @ tensors[f"{number}/weights"].T + tensors[f"{number}/bias"]
        mine = softmax(logits.astype(np.float64) / node["temperature"])
        assert np.abs(mine - told.fit.head.answer(vectors)[0]).max() < 1e-5


def test_what_goes_into_the_manifest_is_strict_json() -> None:
    whole = json.loads(json.dumps(fitted(TWO).as_json(), allow_nan=False))
    assert whole["held_out"]["method"] == HELD_OUT
    assert whole["hierarchy"]["tree"] == [{"a": ["a0", "a1", "a2"]}, {"b": ["b0", "b1"]}]
    assert [node["node"] for node in whole["hierarchy"]["nodes"]] == ["root", "a", "b"]
    assert {node["classifier"] for node in whole["hierarchy"]["nodes"]} <= {"centres", "logistic", "linear-svm"}


@dataclass(frozen=True)
class PixelFit:
    """What the recipe below gives."""

    head: NetworkHead
    counts: dict[str, int]
    seen: Ints
    held_out: HeldOutPredictions
    parts: dict[str, bytes]
    unknown: UnknownThreshold = NONE
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {}


def fit_pixels(
    inputs: npt.NDArray[Any],
    labels: Sequence[str],
    *,
    groups: Sequence[str | None] | None,
    splits: Sequence[str | None] | None,
    options: Any,
    mirror: bool = False,
) -> PixelFit:
    """A network of one dense layer over pixels, trained by logistic regression."""
    assert splits is not None
    train, test = (np.flatnonzero([split == name for split in splits]) for name in ("train", "test"))
    names = tuple(sorted(set(labels)))
    flat = inputs.reshape(len(inputs), -1) / 255
    model = LogisticRegression(max_iter=500).fit(flat[train], [names.index(labels[int(i)]) for i in train])
    weights, bias = model.coef_, model.intercept_
    if len(names) == 2:
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    onnx = dense(weights / 255, bias)
    head = NetworkHead(names, 0.8, -np.inf, mirror, onnx)
    held = HeldOutPredictions("test", test, head.probabilities(inputs[test]).astype(np.float64), np.zeros(len(test)))
    parts = {
        "network.json": b'{"name": "one dense layer"}',
        "weights.safetensors": safetensors.save({"0/weights": weights.astype(np.float32)}),
    }
    return PixelFit(head, dict(Counter(labels)), train, held, parts)


def fit_both_sides(inputs: npt.NDArray[Any], labels: Sequence[str], **rest: Any) -> PixelFit:
    return fit_pixels(inputs, labels, **rest, mirror=True)


def dense(weights: Doubles, bias: Doubles) -> bytes:
    graph = Graph("dense")
    flat = graph.node("Flatten", ["input"], "flat", axis=1)
    graph.node("Gemm", [flat, graph.constant(weights.T, "weights"), graph.constant(bias, "bias")], "logits")
    return graph.model({"input": ["n", 1, SIDE, SIDE]}, {"logits": ["n", len(bias)]})


def crops(sizes: list[int]) -> tuple[Pixels, list[str]]:
    """Grey pictures, each class about a picture of its own."""
    rng = np.random.default_rng(0)
    means = rng.uniform(60, 190, size=(len(sizes), SIDE, SIDE))
    made = [mean + rng.normal(size=(size, SIDE, SIDE)) * 25 for mean, size in zip(means, sizes, strict=True)]
    names = list(NAMES.values())
    labels = [names[j] for j, size in enumerate(sizes) for _ in range(size)]
    return np.clip(np.concatenate(made), 0, 255).astype(np.uint8), labels


@pytest.mark.parametrize("fit", [fit_pixels, fit_both_sides])
@pytest.mark.parametrize("tree", [TWO, THREE], ids=["depth 2", "depth 3"])
def test_networks_over_crops_are_joined_likewise(tree: Tree, fit: Any) -> None:
    inputs, labels = crops([15] * 5)
    made = fit_hierarchy(inputs, labels, options=HeadOptions(), tree=tree, fit=fit)
    assert np.abs(made.head.probabilities(inputs) - products(made, inputs)).max() < 1e-6
    assert made.held_out.method == HELD_OUT
    if fit is fit_pixels:
        assert accuracy(made, labels) > 0.85
    assert json.loads(made.parts["network.json"])["nodes"][1]["architecture"] == {"name": "one dense layer"}
    assert "1/0/weights" in safetensors.load(made.parts["weights.safetensors"])


def test_networks_that_pytorch_exported_are_joined_with_both_sides_of_a_face() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 160, (45, 20, 20)).astype(np.uint8)
    labels = [("b", "a0", "a1")[i % 3] for i in range(45)]
    for i, crop in enumerate(inputs):
        crop[2 + 6 * (i % 3) : 6 + 6 * (i % 3)] += np.uint8(90)
    settings = replace(SETTINGS["fer-cnn"], size=20, policy="none", most_epochs=1)
    tree = parse(b"tree = ['b', { a = ['a0', 'a1'] }]", "small.toml")
    fit = fit_hierarchy(inputs, labels, options=NetworkOptions(settings), tree=tree, fit=fit_network)
    assert all(isinstance(node.fit.head, NetworkHead) and node.fit.head.mirror for node in fit.nodes)
    assert np.abs(fit.head.probabilities(inputs) - products(fit, inputs)).max() < 1e-6
    described = json.loads(fit.parts["network.json"])["nodes"][1]["architecture"]
    tensors = safetensors.load(fit.parts["weights.safetensors"])
    own = {name.removeprefix("1/"): array for name, array in tensors.items() if name.startswith("1/")}
    network = load_network(described, safetensors.save(own))
    assert difference(network, fit.nodes[1].fit.parts["network.onnx"], inputs) < 1e-4


def test_crops_have_a_threshold_only_from_strangers() -> None:
    inputs, labels = crops([15] * 5)
    made = fit_hierarchy(inputs, labels, options=HeadOptions(), tree=TWO, fit=fit_pixels)
    assert made.head.threshold == -np.inf
    assert made.flat is None
    assert made.notes[-1] == "no face will be called unknown: that needs 20 photos of others, labelled 'unknown'"
    inputs, labels = crops([40, 40, 40, 40, 40, 25])
    inputs[-25:] //= 8
    labels[-25:] = [UNKNOWN] * 25
    made = fit_hierarchy(inputs, labels, options=HeadOptions(false_accept_rate=0.1), tree=TWO, fit=fit_pixels)
    assert made.unknown.strangers == 25
    assert made.head.centres is None
    assert made.unknown.threshold is None or np.isfinite(made.head.threshold)


def test_a_threshold_of_crops_is_set_by_photos_that_no_node_saw_and_none_is_measured_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Doubles] = []

    def watched(known: Doubles, *rest: Any) -> UnknownThreshold:
        given.append(known)
        return set_from_logits(known, *rest)

    monkeypatch.setattr(hierarchy, "set_from_logits", watched)
    inputs, labels = crops([50, 50, 50, 50, 3, 25])
    labels[-25:] = [UNKNOWN] * 25
    made = fit_hierarchy(inputs, labels, options=HeadOptions(), tree=TWO, fit=fit_pixels)
    below = sum(len(told.fit.seen) for told in made.nodes[1:])
    assert len(given[0]) >= 10
    assert below == len(made.seen) - 25 - len(given[0])
    assert sorted([*made.seen, *made.held_out.rows]) == list(range(len(labels)))
    assert not np.isin(given[0], made.head.familiarity(inputs[made.held_out.rows]).astype(np.float64)).any()


def test_two_photos_of_each_label_are_too_few_and_it_is_said_before_anything_is_learnt() -> None:
    def fit(*_: Any, **__: Any) -> Any:
        raise AssertionError

    vectors, labels = people([2] * 5)
    with pytest.raises(DataError, match="too few photos to keep some back"):
        fit_hierarchy(vectors, labels, options=HeadOptions(), tree=TWO, fit=fit)
    vectors, labels = people([3, 2, 2, 2, 2])
    made = fit_hierarchy(vectors, labels, options=HeadOptions(), tree=TWO, fit=fit_head)
    assert len(made.held_out.rows) == 1
    json.dumps(made.as_json(), allow_nan=False)


def test_the_shipped_head_of_a_hierarchy_comes_back_from_its_parts() -> None:
    fit = fitted(TWO)
    vectors, _ = people([3] * 5, seed=9)
    again = NetworkHead.load(fit.head.to_json(), fit.head.to_arrays(), fit.parts["network.onnx"])
    assert np.array_equal(again.probabilities(vectors), fit.head.probabilities(vectors))
    assert again.threshold == fit.head.threshold
