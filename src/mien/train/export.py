"""A trained module as an ONNX graph, written from its architecture, so that using it needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mien.models.network import INPUT, OUTPUT, network_input
from mien.models.onnx_edit import Graph
from mien.models.sessions import from_bytes
from mien.train.architecture import Architecture
from mien.train.layers import (
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Layer,
    LocalResponseNorm,
    MaxPool,
    PaddedResidual,
    Prelu,
    Relu,
    Reshape,
    Residual,
    Scale,
    Shape,
    Standardise,
    ZeroPadding,
)
from mien.train.module import FLAT, NORM_SMALL, tensors
from mien.types import Floats

_NOTHING = np.float32(1e-30)
"""What zeros around a picture are written as.

ONNX Runtime moves zeros into a pooling that follows, where they no longer count: the maximum of negative values and of
the zeros beside them would be negative (onnxruntime 18136 brought it, onnx/optimizer 318 describes it).
"""


def export(architecture: Architecture, module: nn.Module) -> bytes:
    """Architecture and its trained module -> ONNX file: "input" (n, *input) -> "logits" (n, classes), both float32.

    Dropout is left out, and batch normalisation becomes part of the convolution or dense layer before it.
    """
    names, layers = architecture.names, architecture.layers
    writer, x = _Writer(Graph(architecture.name), tensors(module), names[-1]), INPUT
    norm: str | None = None
    for number, (name, layer, shape) in enumerate(zip(names, layers, architecture.shapes[:-1], strict=True)):
        if norm == name or isinstance(layer, Dropout):
            continue
        following = layers[number + 1 : number + 2]
        folds = isinstance(layer, Conv | Dense) and following and isinstance(following[0], BatchNorm)
        norm = names[number + 1] if folds else None
        x = writer.layer(layer, x, name, shape, norm)
    return writer.graph.model({INPUT: ["n", *architecture.input]}, {OUTPUT: ["n", architecture.classes]})


def difference(module: nn.Module, onnx: bytes, inputs: npt.NDArray[Any]) -> float:
    """The largest |torch - ONNX Runtime| of a logit, over crops or vectors as a `NetworkHead` takes them.

    Both in float32, the module as it answers and not as it trains; 0 where there are no inputs.
    """
    session = from_bytes(onnx)
    batch = network_input(inputs, tuple(session.get_inputs()[0].shape[1:]))
    training, device = module.training, next(module.parameters()).device
    largest = 0.0
    module.eval()
    for start in range(0, len(batch), 32):
        block = batch[start : start + 32]
        with torch.inference_mode():
            ours: Floats = module(torch.from_numpy(block).to(device)).float().cpu().numpy()
        gap = np.abs(ours - session.run([OUTPUT], {INPUT: block})[0]).max()
        largest = float(np.maximum(largest, gap))  # passes NaN on
    module.train(training)
    return largest


@dataclass(frozen=True, slots=True)
class _Writer:
    """Adds layers to a graph; each method takes the name of what comes in and gives the name of what goes out."""

    graph: Graph
    weights: Mapping[str, Floats]
    last: str

    def layer(self, layer: Layer, x: str, name: str, shape: Shape, norm: str | None) -> str:
        """Add the layer called `name`, for inputs of that shape; `norm` is the batch normalisation that it takes in."""
        match layer:
            case Conv(_, size, stride, padding):
                return self.conv(x, name, self.folded(name, norm), (size, stride, padding))
            case Dense():
                weight, bias = self.constants(name, *self.folded(name, norm))
                output = OUTPUT if name == self.last else name
                return self.graph.node("Gemm", [x, weight, bias], output, transB=1)
            case Residual():
                return self.residual(layer, x, name, shape)
            case PaddedResidual():
                return self.padded_residual(layer, x, name, shape)
            case BatchNorm():
                return self.batch_norm(x, name)
            case Prelu():
                slope = self.graph.constant(self.weights[f"{name}.slope"][0], f"{name}.slope")
                return self.graph.node("PRelu", [x, slope], name)
            case Standardise():
                return self.standardise(x, name, len(shape))
            case _:
                return self.plain(layer, x, name)

    def plain(self, layer: Layer, x: str, name: str) -> str:
        """Add a layer that has no weights and is one operator, or two."""
        node = self.graph.node
        match layer:
            case Relu():
                return node("Relu", [x], name)
            case Flatten():
                return node("Flatten", [x], name)
            case Scale():
                return node("Div", [x, self.graph.constant(np.float32(255), f"{name}.by")], name)
            case MaxPool(size, stride):
                return node("MaxPool", [x], name, kernel_shape=[size] * 2, strides=[stride] * 2)
            case AvgPool(size, stride):
                return node("AveragePool", [x], name, kernel_shape=[size] * 2, strides=[stride] * 2)
            case GlobalAvgPool():
                return node("Flatten", [node("GlobalAveragePool", [x], f"{name}.mean")], name)
            case LocalResponseNorm(size, alpha, beta, k):
                return node("LRN", [x], name, size=size, alpha=alpha, beta=beta, bias=k)
            case Reshape(channels, height, width):
                return node("Reshape", [x, self.whole([0, channels, height, width], f"{name}.shape")], name)
            case ZeroPadding(top, left, bottom, right):
                sides = self.whole([0, 0, top, left, 0, 0, bottom, right], f"{name}.sides")
                return node("Pad", [x, sides, self.graph.constant(_NOTHING, f"{name}.zero")], name)
        raise ValueError(f"there is no operator for {layer}")

    def conv(self, x: str, name: str, arrays: tuple[Floats, Floats], form: tuple[int, int, int]) -> str:
        size, stride, padding = form
        sides = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "pads": [padding] * 4}
        return self.graph.node("Conv", [x, *self.constants(name, *arrays)], name, **sides)

    def batch_norm(self, x: str, name: str) -> str:
        parts = ("weight", "bias", "running_mean", "running_var")
        arrays = [self.graph.constant(self.weights[f"{name}.{part}"], f"{name}.{part}") for part in parts]
        return self.graph.node("BatchNormalization", [x, *arrays], name, epsilon=NORM_SMALL)

    def standardise(self, x: str, name: str, axes: int) -> str:
        node = self.graph.node
        centred = node("Sub", [x, self.mean(x, f"{name}.mean", axes)], f"{name}.centred")
        variance = self.mean(node("Mul", [centred, centred], f"{name}.squares"), f"{name}.variance", axes)
        raised = node("Add", [variance, self.graph.constant(np.float32(FLAT), f"{name}.flat")], f"{name}.raised")
        return node("Div", [centred, node("Sqrt", [raised], f"{name}.deviation")], name)

    def mean(self, x: str, name: str, axes: int) -> str:
        # One axis after the other: a sum of a whole picture in float32 is thirty times less exact than torch's.
        for axis in range(axes, 0, -1):
            x = self.graph.node("ReduceMean", [x], f"{name}{axis}", axes=[axis], keepdims=1)
        return x

    def residual(self, layer: Residual, x: str, name: str, shape: Shape) -> str:
        node = self.graph.node
        first = self.conv(x, f"{name}.conv1", self.folded(f"{name}.conv1", f"{name}.norm1"), (3, layer.stride, 1))
        first = node("Relu", [first], f"{name}.relu1")
        second = self.conv(first, f"{name}.conv2", self.folded(f"{name}.conv2", f"{name}.norm2"), (3, 1, 1))
        if layer.stride == 2:
            x = self.halved(x, name, shape)
        if layer.projects(shape[0]):
            x = self.conv(x, f"{name}.skip", self.folded(f"{name}.skip", f"{name}.norm"), (1, 1, 0))
        return node("Relu", [node("Add", [second, x], f"{name}.sum")], name)

    def padded_residual(self, layer: PaddedResidual, x: str, name: str, shape: Shape) -> str:
        node = self.graph.node
        first = self.conv(x, f"{name}.conv1", self.folded(f"{name}.conv1", None), (3, 2, 0))
        first = node("Relu", [first], f"{name}.relu1")
        second = self.conv(first, f"{name}.conv2", self.folded(f"{name}.conv2", None), (3, 1, 1))
        x = node("AveragePool", [x], f"{name}.pool", kernel_shape=[2, 2], strides=[2, 2])
        pooled, convolved = AvgPool(2, 2).shape(shape), Conv(layer.filters, 3, 2).shape(shape)
        whole = layer.shape(shape)
        terms = [self.padded(second, convolved, whole), self.padded(x, pooled, whole)]
        return node("Relu", [node("Add", terms, f"{name}.sum")], name)

    def padded(self, x: str, shape: Shape, whole: Shape) -> str:
        """Zeros behind channels, rows and columns up to a whole shape."""
        more = [side - own for side, own in zip(whole, shape, strict=True)]
        if not any(more):
            return x
        return self.graph.node("Pad", [x, self.whole([0] * 5 + more, f"{x}.sides")], f"{x}.padded")

    def halved(self, x: str, name: str, shape: Shape) -> str:
        """Means of 2x2; an odd edge is doubled first, so that its mean is of the pixels that there are."""
        odd = [side % 2 for side in shape[1:]]
        if any(odd):
            sides = self.whole([0, 0, 0, 0, 0, 0, *odd], f"{name}.sides")
            x = self.graph.node("Pad", [x, sides], f"{name}.even", mode="edge")
        return self.graph.node("AveragePool", [x], f"{name}.pool", kernel_shape=[2, 2], strides=[2, 2])

    def folded(self, name: str, norm: str | None) -> tuple[Floats, Floats]:
        """Weights and bias of a layer, with the batch normalisation that follows it worked in; in double precision."""
        weight = self.weights[f"{name}.weight"].astype(np.float64)
        bias = self.weights.get(f"{name}.bias", np.zeros(len(weight), np.float32)).astype(np.float64)
        if norm is not None:
            scale, shift, mean, variance = (
                self.weights[f"{norm}.{part}"].astype(np.float64)
                for part in ("weight", "bias", "running_mean", "running_var")
            )
            scale = scale / np.sqrt(variance + NORM_SMALL)
            weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
            bias = (bias - mean) * scale + shift
        return weight.astype(np.float32), bias.astype(np.float32)

    def constants(self, name: str, weight: Floats, bias: Floats) -> tuple[str, str]:
        return self.graph.constant(weight, f"{name}.weight"), self.graph.constant(bias, f"{name}.bias")

    def whole(self, values: list[int], name: str) -> str:
        return self.graph.constant(np.array(values, dtype=np.int64), name)
