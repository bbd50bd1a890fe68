"""The network that the built-in traits share, as a PyTorch module and as ONNX; knows no trait and no picture file.

Its first layers are those of dlib's face recognition network in 8-bit integers, as they come with a package (CC0-1.0);
what stands on them begins as dlib's next five blocks, is trained, and ends with each channel's mean over the picture.
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

WHOLE, BASE, AT, END = "dlib-resnet", "dlib-resnet-int8", "relu54", "relu91"
"""The cards of dlib's network, the layer that the base ends with, and that at which the top ends."""
SIDE, CHANNELS, HIGH = 150, 64, 17
"""Of the pictures; channels and side of what the base says of one."""
BLOCKS = ((64, 128, True), (128, 128, False), (128, 128, False), (128, 256, True), (256, 256, False))
"""Of each block: channels that it takes and gives, and whether it halves the side."""
DIMENSION = 256


class Base:
    """Pictures (n, SIDE, SIDE, 3) RGB -> what dlib's network says of them at `AT`, (n, CHANNELS, HIGH, HIGH) uint8.

    `scale`: what one of these steps is worth.
    """

    def __init__(self) -> None:
        import onnxruntime

        model = onnx.load_model_from_string(ensure(BASE).read_bytes())
        model.graph.output.append(helper.make_tensor_value_info(f"{AT}_whole", TensorProto.UINT8, None))
        (scale,) = (each for each in model.graph.initializer if each.name == f"{AT}_scale")
        self.scale = float(onnx.numpy_helper.to_array(scale))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, pictures: Pixels) -> Pixels:
        planes = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        (said,) = self._session.run([f"{AT}_whole"], {self._session.get_inputs()[0].name: planes})
        return np.asarray(said, np.uint8)


class Block(nn.Module):
    """Two convolutions, added to what came in and cut off below 0; a block that halves adds means of 2 x 2.

    Of the two terms the smaller gets zeros behind its channels, rows and columns, as in dlib.
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
    """What the base says, (n, CHANNELS, HIGH, HIGH) -> vectors (n, DIMENSION)."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(taken, given, halves=halves) for taken, given, halves in BLOCKS))

    def forward(self, said: Tensor) -> Tensor:
        x: Tensor = self.blocks(said)
        return x.mean((2, 3))

    def begin(self) -> None:
        """Take over dlib's own weights."""
        pretrained = weights_after(ensure(WHOLE).read_bytes(), AT).values()
        with torch.no_grad():
            for mine, array in zip(self._parameters_in_order(), pretrained, strict=False):  # dlib's network goes on
                mine.copy_(torch.from_numpy(array.copy()))

    def arrays(self) -> list[Floats]:
        """Its weights in the order of their use."""
        return [each.detach().contiguous().numpy() for each in self._parameters_in_order()]

    def _parameters_in_order(self) -> Iterator[nn.Parameter]:
        for block in self.blocks:
            assert isinstance(block, Block)
            for layer in (block.first, block.second):
                yield from (layer.weight, layer.bias)  # type: ignore[misc]  # each of these has one


def export(top: Top) -> bytes:
    """A top -> ONNX, `AT` (n, CHANNELS, HIGH, HIGH) to "vectors" (n, DIMENSION): dlib's graph, other weights."""
    whole = ensure(WHOLE).read_bytes()
    source = onnx.load_model_from_string(whole).graph
    graph = Graph("traits")
    weights = dict(zip(weights_after(whole, AT), top.arrays(), strict=False))
    copy_nodes(graph, source, only=values_up_to(source, END) - values_up_to(source, AT), weights=weights)
    graph.node("Flatten", [graph.node("GlobalAveragePool", [END], "mean_of_channels")], "vectors", axis=1)
    return graph.model({AT: ["n", CHANNELS, HIGH, HIGH]}, {"vectors": ["n", DIMENSION]})
