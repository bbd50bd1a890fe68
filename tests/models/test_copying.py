"""Parts of a graph in another one: what is made, under which names, and from which constants."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from mien.errors import WeightsError
from mien.models.copying import copy, needed, sides
from mien.models.graph import Graph


@pytest.fixture(scope="module")
def source() -> onnx.GraphProto:
    """(x + 1) * 10, and beside it x - 5."""
    graph = Graph("source")
    for name, value in (("one", 1.0), ("ten", 10.0), ("five", 5.0)):
        graph.constant(np.float32(value), name)
    graph.node("Add", ["x", "one"], "more")
    graph.node("Sub", ["x", "five"], "less")
    graph.node("Mul", ["more", "ten"], "much")
    return onnx.load_model_from_string(graph.model({"x": ["n", 2]}, {"much": ["n", 2], "less": ["n", 2]})).graph


def run(graph: Graph, given: str, asked: str) -> npt.NDArray[np.float32]:
    file = graph.model({given: ["n", 2]}, {asked: ["n", 2]})
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found: npt.NDArray[np.float32] = session.run(None, {given: np.array([[1, 2]], np.float32)})[0]
    return found


def test_a_copy_computes_what_its_source_does(source: onnx.GraphProto) -> None:
    graph = Graph("copy")
    copy(graph, source)
    assert run(graph, "x", "much").tolist() == [[20, 30]]


def test_a_prefix_keeps_two_copies_apart_and_feeds_one_by_the_other(source: onnx.GraphProto) -> None:
    graph = Graph("twice")
    copy(graph, source, prefix="a/", feeds={"x": "x"})
    copy(graph, source, prefix="b/", feeds={"x": "a/much"})
    assert run(graph, "x", "b/much").tolist() == [[210, 310]]


def test_what_is_not_asked_for_is_left_out_with_its_constants(source: onnx.GraphProto) -> None:
    graph = Graph("part")
    copy(graph, source, only=needed(source, "more"))
    made = onnx.load_model_from_string(graph.model({"x": ["n", 2]}, {"more": ["n", 2]})).graph
    assert [node.output[0] for node in made.node] == ["more"]
    assert [tensor.name for tensor in made.initializer] == ["one"]


def test_other_weights_stand_in_place_of_constants(source: onnx.GraphProto) -> None:
    graph = Graph("other")
    copy(graph, source, weights={"ten": np.array(3, np.float32)})
    assert run(graph, "x", "much").tolist() == [[6, 9]]


def test_a_value_needs_all_that_it_is_made_from(source: onnx.GraphProto) -> None:
    assert needed(source, "much") == {"more", "much"}
    with pytest.raises(WeightsError, match="source has no layer 'most' to end at"):
        needed(source, "most")


def test_sides_are_numbers_or_names(source: onnx.GraphProto) -> None:
    assert sides(source.input[0]) == ["n", 2]
