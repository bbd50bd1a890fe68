"""Joins the classifiers of a tree into one ONNX graph: a leaf's probability is the product of those on its path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from mien.models.head import Head
from mien.models.onnx_edit import EXPORT_OPSET, IR_VERSION, OPSET, Graph, copy_nodes


@dataclass(frozen=True, slots=True)
class ClassifierPart:
    """A classifier: an ONNX file from inputs (n, ...) to logits (n, k), and the temperature to divide them by.

    `mirror`: its logits are the mean over a picture and its mirror image.
    """

    onnx: bytes
    temperature: float
    mirror: bool = False


LeafPath = Sequence[tuple[int, int]]
"""The path to a leaf: pairs of a part's number and the number of the class to take there."""


def part_of_head(head: Head) -> ClassifierPart:
    """A linear head -> a part with the same probabilities, in double precision like the head."""
    graph = Graph("head")
    vectors = graph.node("Cast", ["input"], "wide", to=TensorProto.DOUBLE)
    directions = graph.node("LpNormalization", [vectors], "directions", axis=1, p=2)
    doubles = [
        graph.node("Cast", [graph.constant(array, name)], f"wide_{name}", to=TensorProto.DOUBLE)
        for name, array in (("weights", head.weights.T), ("bias", head.bias))
    ]
    product = graph.node("MatMul", [directions, doubles[0]], "product")
    logits = graph.node("Add", [product, doubles[1]], "sum")
    graph.node("Cast", [logits], "logits", to=TensorProto.FLOAT)
    file = graph.model({"input": ["n", head.dimension]}, {"logits": ["n", len(head.labels)]})
    return ClassifierPart(file, head.temperature)


def join_classifiers(parts: Sequence[ClassifierPart], leaves: Sequence[LeafPath]) -> bytes:
    """Classifiers, and the path to each leaf -> ONNX file: `input` (n, ...) -> `logits` (n, leaves).

    A leaf's logit is the sum of the log-probabilities on its path, so that the softmax of the logits, at temperature 1,
    is the product of the probabilities: local classifiers per parent node, Silla and Freitas 2011, "A survey of
    hierarchical classification across different application domains", section 4.1.2.

    Raises:
        ValueError: the parts are of two kinds or take different inputs, or a path names a class that does not exist.
    """
    models = [onnx.load_model_from_string(part.onnx) for part in parts]
    opsets = {model.opset_import[0].version for model in models}
    if opsets not in ({OPSET}, {EXPORT_OPSET}) or any(m.ir_version != IR_VERSION for m in models):
        raise ValueError("the parts must be ONNX files that mien wrote, all heads or all networks")
    shapes = {tuple(_shape(model.graph.input[0])) for model in models}
    if len(shapes) != 1:
        raise ValueError(f"the parts must take the same input, but take {sorted(map(str, shapes))}")
    classes = [_shape(model.graph.output[0])[-1] for model in models]
    graph = Graph("joined")
    pairs = enumerate(zip(parts, models, strict=True))
    log_probabilities = [_log_probabilities(graph, part, model, f"part{i}") for i, (part, model) in pairs]
    steps = graph.node("Concat", log_probabilities, "steps", axis=1)
    paths = graph.constant(_path_matrix(classes, leaves), "ways")
    graph.node("MatMul", [steps, paths], "logits")
    return graph.model({"input": ["n", *shapes.pop()]}, {"logits": ["n", len(leaves)]}, opset=opsets.pop())


def _shape(value: Any) -> list[int]:
    """The shape of an input or output, without the batch."""
    return [int(side.dim_value) for side in value.type.tensor_type.shape.dim[1:]]


def _path_matrix(classes: Sequence[int], leaves: Sequence[LeafPath]) -> Any:
    """One row per class of every part, one column per leaf: 1 where the leaf's path goes through the class."""
    starts = np.cumsum([0, *classes])
    paths = np.zeros((starts[-1], len(leaves)), dtype=np.float32)
    for leaf, steps in enumerate(leaves):
        for part, child in steps:
            if not (0 <= part < len(classes) and 0 <= child < classes[part]):
                raise ValueError(
                    f"the path to leaf {leaf} goes through class {child} of part {part}, which does not exist"
                )
            paths[starts[part] + child, leaf] = 1
    return paths


def _log_probabilities(graph: Graph, part: ClassifierPart, model: Any, prefix: str) -> str:
    """Add a part to the graph -> the name of its log-probabilities (n, k)."""
    logits = _mirrored(graph, model, prefix) if part.mirror else _copy(graph, model, "input", prefix)
    temperature = graph.constant(np.float32(part.temperature), f"{prefix}/temperature")
    scaled = graph.node("Div", [logits, temperature], f"{prefix}/scaled")
    return graph.node("LogSoftmax", [scaled], f"{prefix}/log_probabilities", axis=1)


def _mirrored(graph: Graph, model: Any, prefix: str) -> str:
    width = len(_shape(model.graph.input[0]))  # the last axis, counting the batch
    ends = {"starts": [-1], "ends": [-(2**31)], "axes": [width], "steps": [-1]}
    slices = [graph.constant(np.array(value, dtype=np.int64), f"{prefix}/{name}") for name, value in ends.items()]
    flipped = graph.node("Slice", ["input", *slices], f"{prefix}/flipped")
    both = graph.node("Concat", ["input", flipped], f"{prefix}/both", axis=0)
    logits = _copy(graph, model, both, prefix)
    classes = _shape(model.graph.output[0])[-1]
    pair = graph.constant(np.array([2, -1, classes], dtype=np.int64), f"{prefix}/pair")
    paired = graph.node("Reshape", [logits, pair], f"{prefix}/paired")
    if model.opset_import[0].version < EXPORT_OPSET:
        return graph.node("ReduceMean", [paired], f"{prefix}/mean", axes=[0], keepdims=0)
    axes = graph.constant(np.array([0], dtype=np.int64), f"{prefix}/first")
    return graph.node("ReduceMean", [paired, axes], f"{prefix}/mean", keepdims=0)


def _copy(graph: Graph, model: Any, feed: str, prefix: str) -> str:
    """Add a network's nodes and constants, which take `feed`, under a prefix -> the name of its output."""
    copy_nodes(graph, model.graph, feeds={model.graph.input[0].name: feed}, prefix=f"{prefix}/")
    return f"{prefix}/{model.graph.output[0].name}"
