"""A float32 ONNX network -> the same up to one of its layers; knows no particular network, and no place of files.

What leaves is rounded to 16 bits, so that it can be kept in half the bytes with nothing lost by keeping it.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from mien.models.copying import copy, needed, sides
from mien.models.graph import Graph
from mien.types import Floats

OUTPUT = "features"


def truncate(model: bytes, at: str) -> bytes:
    """A network that takes pictures, and the name of one of its layers -> the network up to that layer.

    It takes what the whole takes. "features" (n, d) are the layer's values, flattened channel by channel, row by row:
    the mean over the picture and its mirror image.

    Raises:
        WeightsError: the network has no such layer.
    """
    loaded = onnx.load_model_from_string(model)
    source = loaded.graph
    wanted, values = needed(source, at), _values(loaded, at)
    (taken,) = source.input
    graph = Graph(f"{source.name}-{at}")
    copy(graph, source, feeds={taken.name: _with_mirrored(graph, taken.name)}, only=wanted)
    two = graph.constant(np.array([2, -1, values], np.int64), "two")
    pairs = graph.node("Reshape", [at, two], "pairs")
    mean = graph.node("ReduceMean", [pairs], "mean", axes=[0], keepdims=0)
    half = graph.node("Cast", [mean], "rounded", to=TensorProto.FLOAT16)
    graph.node("Cast", [half], OUTPUT, to=TensorProto.FLOAT)
    return graph.model({taken.name: sides(taken)}, {OUTPUT: ("n", values)})


def rest(model: bytes, at: str) -> dict[str, Floats]:
    """The weights of a network that its layer `at` does not need, by name and in the order of their use.

    Raises:
        WeightsError: the network has no such layer.
    """
    source = onnx.load_model_from_string(model).graph
    below = needed(source, at)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.initializer}
    names = [name for node in source.node if node.output[0] not in below for name in node.input]
    return {name: constants[name] for name in names if name in constants and constants[name].dtype == np.float32}


def _with_mirrored(graph: Graph, pictures: str) -> str:
    """Add the mirror images behind the pictures."""
    columns, backwards = graph.constant(np.array([3], np.int64), "columns"), np.array([-1], np.int64)
    last, step = graph.constant(backwards, "last"), graph.constant(backwards, "step")
    beyond = graph.constant(np.array([np.iinfo(np.int64).min], np.int64), "beyond")
    mirrored = graph.node("Slice", [pictures, last, beyond, columns, step], "mirrored")
    return graph.node("Concat", [pictures, mirrored], "both", axis=0)


def _values(model: onnx.ModelProto, at: str) -> int:
    """How many values a layer gives for one picture."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    (value,) = (value for value in inferred.value_info if value.name == at)
    return math.prod(side.dim_value for side in value.type.tensor_type.shape.dim[1:])
