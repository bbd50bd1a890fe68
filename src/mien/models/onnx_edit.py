"""Writes and edits ONNX networks: builds graphs node by node, copies parts, truncates, grafts and quantises.

Quantised networks take uint8 values between layers, by ranges measured beforehand, and int8 filters with one scale per
channel. Filters use 7 of their 8 bits: processors without VNNI add two products in 16 bits, which 8-bit filters can
overflow (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). ONNX Runtime turns the pairs
of QuantizeLinear and DequantizeLinear that are written here into integer kernels when it opens the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, checker, helper, numpy_helper

from mien.errors import WeightsError
from mien.types import Floats

OPSET, EXPORT_OPSET = 17, 18
"""The operator sets of the graphs that are written here, and of those that PyTorch exports: it has none lower."""
IR_VERSION = 8
"""Read, with both operator sets, by every ONNX Runtime since 1.14."""

FEATURES = "features"
"""The output of a truncated network."""

FILTER_TOP = 63
_BIAS_TOP = 2**30
_FLOAT_OPERATORS = ("GlobalAveragePool", "Flatten", "MatMul", "Gemm")
"""The last layers, whose few operations are not worth the loss."""

_TOP_PREFIX = "top/"

Shape = Sequence[int | str]
Ranges = Mapping[str, tuple[float, float]]
"""Name of a value between layers -> its least and its greatest number."""


class Graph:
    """A graph under construction: each call adds one node or constant and returns the name of its output."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: npt.ArrayLike, name: str) -> str:
        """Add a constant of that name; float64 becomes float32."""
        array = np.array(value, order="C")
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node of that kind with one output; node and output are both called `output`."""
        self.nodes(kind, inputs, [output], **attributes)
        return output

    def nodes(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Add a node of that kind with several outputs; it is called like the first."""
        self._nodes.append(helper.make_node(kind, list(inputs), list(outputs), name=outputs[0], **attributes))

    def model(self, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], *, opset: int = OPSET) -> bytes:
        """Graph -> ONNX file, with float32 inputs and outputs of the shapes given, checked."""
        ends = [
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in side.items()]
            for side in (inputs, outputs)
        ]
        graph = helper.make_graph(self._nodes, self.name, ends[0], ends[1], self._constants)
        model = helper.make_model(
            graph,
            producer_name="mien",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", opset)],
        )
        checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def copy_nodes(
    graph: Graph,
    source: onnx.GraphProto,
    *,
    feeds: Mapping[str, str] | None = None,
    prefix: str = "",
    only: Container[str] | None = None,
    weights: Mapping[str, Floats] | None = None,
) -> None:
    """Add the nodes of `source`, and the constants that they take, to `graph` under their own names after `prefix`.

    feeds: values of the source that have another name here. only: the values to copy, by default all. weights: arrays
    that replace constants, by their name in the source.
    """
    constants = {tensor.name: tensor for tensor in source.initializer}
    names = {"": "", **(feeds or {})}  # "" leaves an optional input out
    for node in source.node:
        if only is not None and node.output[0] not in only:
            continue
        for name in node.input:
            if name in constants and name not in names:
                value = (weights or {}).get(name, numpy_helper.to_array(constants[name]))
                names[name] = graph.constant(value, f"{prefix}{name}")
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        inputs = [names.get(name, f"{prefix}{name}") for name in node.input]
        graph.node(node.op_type, inputs, f"{prefix}{node.output[0]}", **attributes)


def values_up_to(source: onnx.GraphProto, layer: str) -> set[str]:
    """The names of all values that a layer is computed from, and its own; raises WeightsError for any other name."""
    producers = {node.output[0]: node for node in source.node}
    if layer not in producers:
        raise WeightsError(f"the network {source.name} has no layer {layer!r} to end at")
    values: set[str] = set()
    pending = [layer]
    while pending:
        name = pending.pop()
        if name in producers and name not in values:
            values.add(name)
            pending += producers[name].input
    return values


def weights_after(model: bytes, layer: str) -> dict[str, Floats]:
    """The weights of a network that its layer does not need, by name and in the order of their use."""
    source = onnx.load_model_from_string(model).graph
    below = values_up_to(source, layer)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.initializer}
    names = [name for node in source.node if node.output[0] not in below for name in node.input]
    return {name: constants[name] for name in names if name in constants and constants[name].dtype == np.float32}


def shape_of(value: Any) -> list[int | str]:
    """The shape of an input or output: a number, or a name, for each side."""
    return [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]


def graft(base: bytes, layer: str, top: bytes) -> bytes:
    """A network, one of its layers, and a network that takes that layer's values -> both as one.

    It takes what the base takes and gives what the top gives; of the base only what the layer needs is left.
    """
    below, above = onnx.load_model_from_string(base).graph, onnx.load_model_from_string(top).graph
    graph = Graph(f"{above.name} on {below.name}")
    copy_nodes(graph, below, only=values_up_to(below, layer))
    copy_nodes(graph, above, feeds={above.input[0].name: layer}, prefix=_TOP_PREFIX)
    outputs = {f"{_TOP_PREFIX}{value.name}": shape_of(value) for value in above.output}
    return graph.model({value.name: shape_of(value) for value in below.input}, outputs)


def truncate(model: bytes, layer: str) -> bytes:
    """A network that takes pictures, and the name of one of its layers -> the network up to that layer.

    It takes what the whole takes. "features" (n, d) are the layer's values, flattened channel by channel, row by row:
    the mean over the picture and its mirror image, rounded to 16 bits so that they can be kept in half the bytes
    without loss.
    """
    loaded = onnx.load_model_from_string(model)
    source = loaded.graph
    only, count = values_up_to(source, layer), _values_per_picture(loaded, layer)
    (pictures,) = source.input
    graph = Graph(f"{source.name}-{layer}")
    copy_nodes(graph, source, feeds={pictures.name: _with_mirrored(graph, pictures.name)}, only=only)
    two = graph.constant(np.array([2, -1, count], np.int64), "two")
    pairs = graph.node("Reshape", [layer, two], "pairs")
    mean = graph.node("ReduceMean", [pairs], "mean", axes=[0], keepdims=0)
    half = graph.node("Cast", [mean], "rounded", to=TensorProto.FLOAT16)
    graph.node("Cast", [half], FEATURES, to=TensorProto.FLOAT)
    return graph.model({pictures.name: shape_of(pictures)}, {FEATURES: ("n", count)})


def _with_mirrored(graph: Graph, pictures: str) -> str:
    """Add the mirror images after the pictures."""
    columns, backwards = graph.constant(np.array([3], np.int64), "columns"), np.array([-1], np.int64)
    last, step = graph.constant(backwards, "last"), graph.constant(backwards, "step")
    beyond = graph.constant(np.array([np.iinfo(np.int64).min], np.int64), "beyond")
    mirrored = graph.node("Slice", [pictures, last, beyond, columns, step], "mirrored")
    return graph.node("Concat", [pictures, mirrored], "both", axis=0)


def _values_per_picture(model: onnx.ModelProto, layer: str) -> int:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    (value,) = (value for value in inferred.value_info if value.name == layer)
    return math.prod(int(side) for side in shape_of(value)[1:])


def read_ranges(data: bytes) -> dict[str, tuple[float, float]]:
    """The JSON file of ranges -> ranges."""
    return {name: (float(low), float(high)) for name, (low, high) in json.loads(data)["ranges"].items()}


def quantised_values(model: onnx.ModelProto) -> list[str]:
    """The values between layers that `quantise` needs a range for, in order.

    What comes before the first convolution is computed in float, except for the value that this one takes.
    """
    consumers: dict[str, list[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node.op_type)
    after_convolution: set[str] = set()
    for node in model.graph.node:
        if node.op_type == "Conv" or not after_convolution.isdisjoint(node.input):
            after_convolution.add(node.output[0])
    names = [value.name for value in model.graph.input if "Conv" in consumers[value.name]]
    for node in model.graph.node:
        name, readers = node.output[0], consumers.get(node.output[0], [])
        # A sum or convolution that only feeds a Relu or Clip is rounded once, after it.
        rounded = node.op_type not in _FLOAT_OPERATORS and readers not in (["Relu"], ["Clip"])
        if (rounded and name in after_convolution) or "Conv" in readers:
            names.append(name)
    return names


def quantise(model: bytes, ranges: Ranges) -> bytes:
    """A float32 network and its ranges -> the network in 8-bit integers; raises WeightsError over other ranges."""
    loaded = onnx.load_model_from_string(model)
    if missing := set(quantised_values(loaded)) - set(ranges):
        raise WeightsError(f"the ranges for quantising do not belong to this network: {min(missing)} is missing")
    return _Quantiser(loaded, ranges).write()


class _Quantiser:
    """Copies a graph node by node and rounds on the way."""

    def __init__(self, model: onnx.ModelProto, ranges: Ranges) -> None:
        self._source = model.graph
        self._graph = Graph(model.graph.name)
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._ranges = {name: ranges[name] for name in quantised_values(model)}
        inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
        self._channels = {value.name: int(shape_of(value)[1]) for value in inferred if len(shape_of(value)) == 4}
        self._scales: dict[str, np.float32] = {}
        self._written: set[str] = set()

    def write(self) -> bytes:
        for value in self._source.input:
            if value.name in self._ranges:
                self._round(value.name)
        for node in self._source.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "AveragePool" and not attributes.keys() - {"kernel_shape", "strides"}:
                self._mean(node, attributes)
            else:
                inputs = self._filters(node) if node.op_type == "Conv" else [self._read(name) for name in node.input]
                self._graph.node(node.op_type, inputs, node.output[0], **attributes)
            if node.output[0] in self._ranges:
                self._round(node.output[0])
        ends = [{value.name: shape_of(value) for value in end} for end in (self._source.input, self._source.output)]
        return self._graph.model(*ends)

    def _read(self, name: str) -> str:
        if name in self._constants and name not in self._written:
            self._written.add(name)
            self._graph.constant(self._constants[name], name)
        return f"{name}_rounded" if name in self._scales else name

    def _round(self, name: str) -> None:
        """uint8 from the least to the greatest value; zero is always one of the 256 steps."""
        low, high = min(self._ranges[name][0], 0.0), max(self._ranges[name][1], 0.0)
        scale = np.float32((high - low) / 255 or 1.0)
        parameters = [
            self._graph.constant(scale, f"{name}_scale"),
            self._graph.constant(np.uint8(round(-low / scale)), f"{name}_zero"),
        ]
        whole = self._graph.node("QuantizeLinear", [name, *parameters], f"{name}_whole")
        self._graph.node("DequantizeLinear", [whole, *parameters], f"{name}_rounded")
        self._scales[name] = scale

    def _filters(self, node: onnx.NodeProto) -> list[str]:
        value, filters, biases = node.input
        weights: npt.NDArray[Any] = self._constants[filters]
        scale = np.maximum(np.abs(weights).reshape(len(weights), -1).max(axis=1), 1e-8) / FILTER_TOP
        # A channel whose filter is next to nothing must still hold its bias in 32 bits.
        scale = np.maximum(scale, np.abs(self._constants[biases]) / (self._scales[value] * _BIAS_TOP))
        steps = np.rint(weights / scale[:, None, None, None]).astype(np.int8)
        bias_scale = (scale * self._scales[value]).astype(np.float32)
        bias_steps = np.rint(self._constants[biases] / bias_scale).astype(np.int32)
        return [
            self._read(value),
            self._constant(filters, steps, scale.astype(np.float32)),
            self._constant(biases, bias_steps, bias_scale),
        ]

    def _mean(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> None:
        """A mean as a depthwise convolution, for which ONNX Runtime has a kernel many times as fast."""
        (name,), channels, rows_columns = node.output, self._channels[node.output[0]], attributes["kernel_shape"]
        steps = np.full((channels, 1, *rows_columns), FILTER_TOP, np.int8)
        scale = np.full(channels, 1 / (FILTER_TOP * np.prod(rows_columns)), np.float32)
        inputs = [self._read(node.input[0]), self._constant(f"{name}_mean", steps, scale)]
        self._graph.node("Conv", inputs, name, group=channels, **attributes)

    def _constant(self, name: str, steps: npt.NDArray[Any], scale: npt.NDArray[np.float32]) -> str:
        inputs = [self._graph.constant(steps, f"{name}_whole"), self._graph.constant(scale, f"{name}_scale")]
        return self._graph.node("DequantizeLinear", inputs, f"{name}_rounded", axis=0)
