from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from onnx import TensorProto, helper

from mien.models.head import Doubles, Head, softmax, unit
from mien.models.onnx_edit import Graph
from mien.models.onnx_join import ClassifierPart, LeafPath, join_classifiers, part_of_head
from mien.types import Floats

DIMENSION, SIDE = 16, 8

DEEP: tuple[tuple[int, ...], tuple[LeafPath, ...]] = (
    (3, 2, 2),
    (((0, 0), (1, 0)), ((0, 0), (1, 1), (2, 0)), ((0, 0), (1, 1), (2, 1)), ((0, 1),), ((0, 2),)),
)
"""Classes of each part and the paths to the leaves: one of two steps, two of three, two of one."""

FLAT: tuple[tuple[int, ...], tuple[LeafPath, ...]] = (
    (2, 3, 2),
    (((0, 0), (1, 0)), ((0, 0), (1, 1)), ((0, 0), (1, 2)), ((0, 1), (2, 0)), ((0, 1), (2, 1))),
)
"""Two steps to every leaf; three leaves on one side, two on the other."""


def head(k: int, seed: int, temperature: float = 0.7) -> Head:
    rng = np.random.default_rng(seed)
    weights, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((k, DIMENSION), (k,)))
    centres = unit(rng.normal(size=(k, DIMENSION))).astype(np.float32)
    labels = tuple(f"label {j}" for j in range(k))
    return Head("logistic", labels, 9 * weights, bias, centres, temperature, -np.inf)


def network(k: int, seed: int, channels: int = 1) -> bytes:
    """A convolution, a rectifier with learnt slopes, and a dense layer; pictures 0..255."""
    rng = np.random.default_rng(seed)
    graph = Graph("small")
    filters = graph.constant(rng.normal(size=(4, channels, 3, 3)) / 255, "filters")
    slopes = graph.constant(np.full((4, 1, 1), 0.2), "slopes")
    seen = graph.node("Conv", ["input", filters], "conv", pads=[1, 1, 1, 1])
    bent = graph.node("PRelu", [seen, slopes], "bent")
    flat = graph.node("Flatten", [bent], "flat", axis=1)
    dense = graph.constant(rng.normal(size=(4 * SIDE * SIDE, k)) / 20, "dense")
    bias = graph.constant(rng.normal(size=k), "bias")
    graph.node("Gemm", [flat, dense, bias], "logits")
    return graph.model({"input": ["n", channels, SIDE, SIDE]}, {"logits": ["n", k]})


def run(file: bytes, inputs: npt.NDArray[np.float32]) -> Floats:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {"input": inputs})
    assert out.dtype == np.float32
    return np.asarray(out)


def products(probabilities: Sequence[Doubles], leaves: Sequence[LeafPath]) -> Doubles:
    columns = [np.prod([probabilities[part][:, child] for part, child in steps], axis=0) for steps in leaves]
    return np.stack(columns, axis=1)


def crops(n: int, channels: int = 1) -> Floats:
    return np.random.default_rng(1).integers(0, 256, size=(n, channels, SIDE, SIDE)).astype(np.float32)


@pytest.mark.parametrize(("classes", "leaves"), [FLAT, DEEP], ids=["depth 2", "depth 3"])
def test_joined_heads_give_the_products_along_each_path(classes: tuple[int, ...], leaves: tuple[LeafPath, ...]) -> None:
    heads = [head(k, seed, 0.3 + seed) for seed, k in enumerate(classes)]
    vectors = (np.random.default_rng(5).normal(size=(50, DIMENSION)) * 30).astype(np.float32)
    logits = run(join_classifiers([part_of_head(each) for each in heads], leaves), vectors)
    by_hand = products([each.probabilities(vectors).astype(np.float64) for each in heads], leaves)
    assert by_hand.sum(axis=1) == pytest.approx(np.ones(50), abs=1e-6)
    assert np.abs(softmax(logits.astype(np.float64)) - by_hand).max() < 1e-6


@pytest.mark.parametrize(("classes", "leaves"), [FLAT, DEEP], ids=["depth 2", "depth 3"])
@pytest.mark.parametrize("channels", [1, 3])
def test_joined_networks_give_the_products_along_each_path(
    classes: tuple[int, ...], leaves: tuple[LeafPath, ...], channels: int
) -> None:
    parts = [ClassifierPart(network(k, seed, channels), 0.5 + seed) for seed, k in enumerate(classes)]
    pictures = crops(20, channels)
    alone = [softmax(run(part.onnx, pictures).astype(np.float64) / part.temperature) for part in parts]
    found = softmax(run(join_classifiers(parts, leaves), pictures).astype(np.float64))
    assert np.abs(found - products(alone, leaves)).max() < 1e-6


def test_a_mirrored_part_gives_the_mean_of_both_sides() -> None:
    classes, leaves = FLAT
    files = [network(k, seed, 3) for seed, k in enumerate(classes)]
    pictures = crops(9, 3)
    mirrored = np.ascontiguousarray(pictures[..., ::-1])
    alone = [softmax((run(f, pictures).astype(np.float64) + run(f, mirrored)) / 2) for f in files]
    once = softmax(run(files[0], pictures).astype(np.float64))
    assert np.abs(once - alone[0]).max() > 0.01, "the two sides should differ"
    joined = join_classifiers([ClassifierPart(file, 1.0, mirror=True) for file in files], leaves)
    assert np.abs(softmax(run(joined, pictures).astype(np.float64)) - products(alone, leaves)).max() < 1e-6
    assert np.abs(run(joined, mirrored) - run(joined, pictures)).max() < 1e-4


def test_a_row_s_answer_does_not_depend_on_the_others() -> None:
    classes, leaves = DEEP
    joined = join_classifiers([part_of_head(head(k, seed)) for seed, k in enumerate(classes)], leaves)
    vectors = np.random.default_rng(5).normal(size=(33, DIMENSION)).astype(np.float32)
    one_by_one = np.concatenate([run(joined, row[None]) for row in vectors])
    assert np.abs(run(joined, vectors) - one_by_one).max() < 1e-6


def test_a_part_equals_its_head_and_zero_vectors_do_no_harm() -> None:
    alone = head(4, 3)
    vectors = np.random.default_rng(2).normal(size=(5, DIMENSION)).astype(np.float32)
    vectors[0] = 0
    vectors[1] *= 1e30
    vectors[2] *= 1e-30
    logits = run(part_of_head(alone).onnx, vectors).astype(np.float64)
    assert np.abs(softmax(logits / alone.temperature) - alone.probabilities(vectors)).max() < 1e-6


def test_answers_that_are_certain_stay_finite() -> None:
    classes, leaves = FLAT
    sure = [part_of_head(head(k, seed, temperature=1e-4)) for seed, k in enumerate(classes)]
    vectors = np.random.default_rng(5).normal(size=(50, DIMENSION)).astype(np.float32)
    logits = run(join_classifiers(sure, leaves), vectors)
    assert np.isfinite(logits).all()
    assert softmax(logits.astype(np.float64)).sum(axis=1) == pytest.approx(np.ones(50))


def test_the_same_parts_give_the_same_file() -> None:
    classes, leaves = DEEP
    files = [
        join_classifiers([part_of_head(head(k, seed)) for seed, k in enumerate(classes)], leaves) for _ in range(2)
    ]
    assert files[0] == files[1]


def test_parts_with_different_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"take the same input, but take \['\(1, 8, 8\)', '\(16,\)'\]"):
        join_classifiers(
            [part_of_head(head(2, 0)), ClassifierPart(network(2, 0), 1.0)],
            [[(0, 0), (1, 0)], [(0, 1)], [(0, 0), (1, 1)]],
        )


@pytest.mark.parametrize("step", [(0, 2), (1, 0), (0, -1)])
def test_a_path_through_a_missing_class_is_refused(step: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="which does not exist"):
        join_classifiers([part_of_head(head(2, 0))], [[(0, 0)], [step]])


def test_a_file_that_mien_did_not_write_is_refused() -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("input", "logits")]
    graph = helper.make_graph([helper.make_node("Identity", ["input"], ["logits"])], "x", ends[:1], ends[1:])
    other = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()
    with pytest.raises(ValueError, match="that mien wrote"):
        join_classifiers([ClassifierPart(other, 1.0)], [[(0, 0)], [(0, 1)]])
