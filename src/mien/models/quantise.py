"""A float32 ONNX network -> the same in 8-bit integers; knows no particular network, and nothing of where files are.

Values between layers become uint8 by ranges measured beforehand; filters become int8, one scale a channel. Filters use
7 of their 8 bits: processors without VNNI add two products in 16 bits, which 8-bit filters can overflow
(https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). The pairs of QuantizeLinear and
DequantizeLinear that are written here are what ONNX Runtime turns into integer kernels when it opens the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from mien.errors import WeightsError
from mien.models.copying import sides
from mien.models.graph import Graph

Ranges = Mapping[str, tuple[float, float]]
"""Name of a value between layers -> its least and its greatest number."""

FILTER_TOP = 63
_BIAS_TOP = 2**30
_IN_FLOAT = ("GlobalAveragePool", "Flatten", "MatMul", "Gemm")
"""The last layers, whose few operations are not worth the loss."""


def read_ranges(data: bytes) -> dict[str, tuple[float, float]]:
    """The JSON file of ranges -> ranges."""
    return {name: (float(low), float(high)) for name, (low, high) in json.loads(data)["ranges"].items()}


def activations(model: onnx.ModelProto) -> list[str]:
    """The values between layers that are quantised, in order: those that a range is needed for.

    What comes before the first convolution is computed in float, but for the value that this one takes.
    """
    readers: dict[str, list[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    behind: set[str] = set()
    for node in model.graph.node:
        if node.op_type == "Conv" or not behind.isdisjoint(node.input):
            behind.add(node.output[0])
    names = [value.name for value in model.graph.input if "Conv" in readers[value.name]]
    for node in model.graph.node:
        readings = readers.get(node.output[0], [])
        # A sum or convolution that only feeds a Relu or Clip is rounded once, behind it.
        inside = node.output[0] in behind and node.op_type not in _IN_FLOAT and readings not in (["Relu"], ["Clip"])
        if inside or "Conv" in readings:
            names.append(node.output[0])
    return names


def quantise(model: bytes, ranges: Ranges) -> bytes:
    """A float32 network and its ranges -> the network in integers, with the same inputs and outputs.

    Raises:
        WeightsError: the ranges are not those of this network.
    """
    loaded = onnx.load_model_from_string(model)
    missing = set(activations(loaded)) - set(ranges)
    if missing:
        raise WeightsError(f"the ranges for quantising do not belong to this network: {sorted(missing)[0]} is missing")
    return _Quantiser(loaded, ranges).write()


class _Quantiser:
    """Copies a graph node by node and rounds on the way."""

    def __init__(self, model: onnx.ModelProto, ranges: Ranges) -> None:
        self._source = model.graph
        self._graph = Graph(model.graph.name)
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._wanted = {name: ranges[name] for name in activations(model)}
        inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
        self._channels = {value.name: int(sides(value)[1]) for value in inferred if len(sides(value)) == 4}
        self._scales: dict[str, np.float32] = {}
        self._written: set[str] = set()

    def write(self) -> bytes:
        for value in self._source.input:
            if value.name in self._wanted:
                self._round(value.name)
        for node in self._source.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "AveragePool" and not attributes.keys() - {"kernel_shape", "strides"}:
                self._mean(node, attributes)
            else:
                inputs = self._filters(node) if node.op_type == "Conv" else [self._read(name) for name in node.input]
                self._graph.node(node.op_type, inputs, node.output[0], **attributes)
            if node.output[0] in self._wanted:
                self._round(node.output[0])
        ends = [{value.name: sides(value) for value in end} for end in (self._source.input, self._source.output)]
        return self._graph.model(*ends)

    def _read(self, name: str) -> str:
        if name in self._constants and name not in self._written:
            self._written.add(name)
            self._graph.constant(self._constants[name], name)
        return f"{name}_rounded" if name in self._scales else name

    def _round(self, name: str) -> None:
        """uint8 from the least to the greatest value; zero is always one of the 256 steps."""
        low, high = min(self._wanted[name][0], 0.0), max(self._wanted[name][1], 0.0)
        scale = np.float32((high - low) / 255 or 1.0)
        by = [
            self._graph.constant(scale, f"{name}_scale"),
            self._graph.constant(np.uint8(round(-low / scale)), f"{name}_zero"),
        ]
        whole = self._graph.node("QuantizeLinear", [name, *by], f"{name}_whole")
        self._graph.node("DequantizeLinear", [whole, *by], f"{name}_rounded")
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
        """A mean as a convolution of each channel by itself, for which ONNX Runtime has a kernel many times as fast."""
        (name,), channels, rows_columns = node.output, self._channels[node.output[0]], attributes["kernel_shape"]
        steps = np.full((channels, 1, *rows_columns), FILTER_TOP, np.int8)
        scale = np.full(channels, 1 / (FILTER_TOP * np.prod(rows_columns)), np.float32)
        inputs = [self._read(node.input[0]), self._constant(f"{name}_mean", steps, scale)]
        self._graph.node("Conv", inputs, name, group=channels, **attributes)

    def _constant(self, name: str, steps: npt.NDArray[Any], scale: npt.NDArray[np.float32]) -> str:
        inputs = [self._graph.constant(steps, f"{name}_whole"), self._graph.constant(scale, f"{name}_scale")]
        return self._graph.node("DequantizeLinear", inputs, f"{name}_rounded", axis=0)
