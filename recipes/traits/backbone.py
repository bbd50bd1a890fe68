"""The network that the built-in traits share, as a PyTorch module and as ONNX.

Its first layers are those of dlib's face recognition network in 8-bit integers, as they come with a package (CC0-1.0).
On top are dlib's next five blocks, which are trained further, and each channel's mean over the picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn
from torch.nn import functional

from mien.models import ensure
from mien.models.onnx_edit import Graph, copy_nodes, values_up_to, weights_after
from mien.types import Floats, Pixels

DLIB, DLIB_INT8, BASE_LAYER, TOP_LAYER = "dlib-resnet", "dlib-resnet-int8", "relu54", "relu91"
"""The cards of dlib's network, the last layer of the base, and the last of the top."""
SIDE, CHANNELS, BASE_SIDE = 150, 64, 17
"""Side of the pictures; channels and side of the base's output."""
BLOCKS = ((64, 128, True), (128, 128, False), (128, 128, False), (128, 256, True), (256, 256, False))
"""Of each block: input and output channels, and whether it halves the side."""
DIMENSION = 256


class Base:
    """Pictures (n, SIDE, SIDE, 3) RGB -> the base's output (n, CHANNELS, BASE_SIDE, BASE_SIDE), uint8.

    `scale`: the value of one step.
    """

    def __init__(self) -> None:
        import onnxruntime

        model = onnx.load_model_from_string(ensure(DLIB_INT8).read_bytes())
        model.graph.output.append(helper.make_tensor_value_info(f"{BASE_LAYER}_whole", TensorProto.UINT8, None))
        (scale,) = (each for each in model.graph.initializer if each.name == f"{BASE_LAYER}_scale")
        self.scale = float(onnx.numpy_helper.to_array(scale))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, pictures: Pixels) -> Pixels:
        planes = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        (features,) = self._session.run([f"{BASE_LAYER}_whole"], {self._session.get_inputs()[0].name: planes})
        return np.asarray(features, np.uint8)


class Block(nn.Module):
    """A residual block of two convolutions; one that halves the side adds means of 2 x 2.

    The smaller of the two terms is padded with zeros after its channels, rows and columns, as in dlib.
    """

    def __init__(self, taken: int, given: int, *, halves: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(taken, given, 3, 2, 0) if halves else nn.Conv2d(taken, given, 3, 1, 1)
        self.second = nn.Conv2d(given, given, 3, 1, 1)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(functional.relu(self.first(x)))
        x = functional.avg_pool2d(x, 2) if self.halves else x
        more = x.shape[2] - y.shape[2]
        y, x = functional.pad(y, (0, more, 0, more)), functional.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return functional.relu(y + x)


class Top(nn.Module):
    """The base's output (n, CHANNELS, BASE_SIDE, BASE_SIDE) -> vectors (n, DIMENSION)."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(taken, given, halves=halves) for taken, given, halves in BLOCKS))

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.blocks(features)
        return x.mean((2, 3))

    def begin(self) -> None:
        """Start with dlib's own weights."""
        pretrained = weights_after(ensure(DLIB).read_bytes(), BASE_LAYER).values()
        with torch.no_grad():
            for parameter, array in zip(
                self._parameters_in_order(), pretrained, strict=False
            ):  # dlib's network has more layers
                parameter.copy_(torch.from_numpy(array.copy()))

    def arrays(self) -> list[Floats]:
        """Its weights in the order of their use."""
        return [parameter.detach().contiguous().numpy() for parameter in self._parameters_in_order()]

    def _parameters_in_order(self) -> Iterator[nn.Parameter]:
        for block in self.blocks:
            assert isinstance(block, Block)
            for layer in (block.first, block.second):
                yield from (layer.weight, layer.bias)  # type: ignore[misc]  # each of these has one


def export(top: Top) -> bytes:
    """A top -> ONNX, `BASE_LAYER` to "vectors" (n, DIMENSION): dlib's graph with the top's weights."""
    whole = ensure(DLIB).read_bytes()
    source = onnx.load_model_from_string(whole).graph
    graph = Graph("traits")
    weights = dict(zip(weights_after(whole, BASE_LAYER), top.arrays(), strict=False))
    copy_nodes(graph, source, only=values_up_to(source, TOP_LAYER) - values_up_to(source, BASE_LAYER), weights=weights)
    graph.node("Flatten", [graph.node("GlobalAveragePool", [TOP_LAYER], "mean_of_channels")], "vectors", axis=1)
    return graph.model({BASE_LAYER: ["n", CHANNELS, BASE_SIDE, BASE_SIDE]}, {"vectors": ["n", DIMENSION]})
