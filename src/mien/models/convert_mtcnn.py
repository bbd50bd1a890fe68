"""The `mtcnn` package's weight files -> ONNX; knows where the arrays lie in them, and nothing of where files are.

The files are joblib pickles under LZ4. They are never unpickled: once a file's checksum is known to be the pinned one,
its arrays are raw float32 at the offsets below, in Keras's order (rows, columns, in, out).
Networks: Zhang et al., Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks, 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import lz4.frame
import numpy as np
import numpy.typing as npt

from mien.errors import WeightsError
from mien.models.graph import Graph

Array = npt.NDArray[np.float32]
Where = tuple[int, tuple[int, ...]]
"""Offset in bytes, shape."""


@dataclass(frozen=True, slots=True)
class Net:
    """One of the three networks.

    side: of its input, None where that is free. bytes: of the unpacked file. pools: after each convolution but the
    last, the size of the max pool and whether it keeps a part window at the end. arrays: where each lies, in order.
    """

    side: int | None
    bytes: int
    convolutions: int
    pools: tuple[tuple[int, bool], ...]
    landmarks: bool
    arrays: tuple[Where, ...]


# fmt: off
NETS = {
    "pnet": Net(side=None, bytes=27450, convolutions=3, pools=((2, True),), landmarks=False, arrays=(
        (240, (3, 3, 3, 10)), (1376, (10,)), (1472, (1, 1, 10)),
        (1568, (3, 3, 10, 16)), (7376, (16,)), (7504, (1, 1, 16)),
        (7632, (3, 3, 16, 32)), (26112, (32,)), (26304, (1, 1, 32)),
        (26496, (1, 1, 32, 4)), (27056, (4,)), (27136, (1, 1, 32, 2)), (27440, (2,)),
    )),
    "rnet": Net(side=24, bytes=401770, convolutions=3, pools=((3, True), (3, False)), landmarks=False, arrays=(
        (240, (3, 3, 3, 28)), (3312, (28,)), (3488, (1, 1, 28)),
        (3664, (3, 3, 28, 48)), (52096, (48,)), (52352, (1, 1, 48)),
        (52608, (2, 2, 48, 64)), (101808, (64,)), (102128, (1, 1, 64)),
        (102448, (576, 128)), (397408, (128,)), (397968, (128,)),
        (398528, (128, 4)), (400624, (4,)), (400688, (128, 2)), (401760, (2,)),
    )),
    "onet": Net(side=48, bytes=1557530, convolutions=4, pools=((3, True), (3, False), (2, True)), landmarks=True,
        arrays=(
        (240, (3, 3, 3, 32)), (3744, (32,)), (3936, (1, 1, 32)),
        (4128, (3, 3, 32, 64)), (77904, (64,)), (78224, (1, 1, 64)),
        (78544, (3, 3, 64, 64)), (226048, (64,)), (226368, (1, 1, 64)),
        (226688, (2, 2, 64, 128)), (357808, (128,)), (358384, (1, 1, 128)),
        (358960, (1152, 256)), (1538656, (256,)), (1539728, (256,)),
        (1540816, (256, 4)), (1544960, (4,)), (1545040, (256, 10)), (1555328, (10,)),
        (1555424, (256, 2)), (1557520, (2,)),
    )),
}
# fmt: on


def unpacked(data: bytes, net: Net) -> bytes:
    """The bytes under the LZ4 frame.

    Raises:
        WeightsError: they are not those that the offsets were found in.
    """
    try:
        raw = bytes(lz4.frame.decompress(data))
    except RuntimeError as error:
        raise WeightsError(f"an mtcnn weight file cannot be unpacked: {error}") from error
    if len(raw) != net.bytes:
        raise WeightsError(f"an mtcnn weight file holds {len(raw)} bytes instead of {net.bytes}")
    return raw


def arrays(data: bytes, net: Net) -> list[Array]:
    """The arrays of a weight file whose checksum has been checked, in the file's order.

    Raises:
        WeightsError: the file does not fit the network.
    """
    raw = unpacked(data, net)
    return [np.frombuffer(raw, "<f4", int(np.prod(shape)), offset).reshape(shape) for offset, shape in net.arrays]


def convert(data: bytes, name: str) -> bytes:
    """One of mtcnn's files ("pnet", "rnet", "onet") -> ONNX.

    "input" is (n, 3, height, width) RGB as (value - 127.5) / 128, upright, where height and width are free, 24 or 48.
    "box" (n, 4): how far x1, y1, x2, y2 lie from the window's, in window sides; "score" (n,): that it is a face;
    "landmarks" (n, 10): five x, then five y, in window sides. P-Net gives (n, 4, h, w) and (n, h, w), a window of 12
    pixels each 2 pixels.

    Raises:
        WeightsError: the file does not fit the network.
    """
    net = NETS[name]
    graph, left = Graph(f"mtcnn-{name}"), iter(arrays(data, net))
    value = "input"
    for i in range(net.convolutions):
        value = _convolution(graph, value, left, f"convolution{i}")
        slope = graph.constant(next(left).reshape(-1, 1, 1), f"slope{i}")
        value = graph.node("PRelu", [value, slope], f"prelu{i}")
        if i < len(net.pools):
            size, part = net.pools[i]
            shape = {"kernel_shape": [size, size], "strides": [2, 2], "ceil_mode": int(part)}
            value = graph.node("MaxPool", [value], f"pool{i}", **shape)
    if net.side is None:
        _convolution(graph, value, left, "box")
        _score(graph, _convolution(graph, value, left, "classes"))
        return graph.model(
            {"input": ("n", 3, "height", "width")}, {"box": ("n", 4, "h", "w"), "score": ("n", "h", "w")}
        )
    outputs = _dense_layers(graph, value, left, net)
    return graph.model({"input": ("n", 3, net.side, net.side)}, outputs)


def _dense_layers(graph: Graph, value: str, left: Iterator[Array], net: Net) -> dict[str, tuple[int | str, ...]]:
    # The authors flattened Caffe's columns before rows, and channels last.
    flat = graph.node("Flatten", [graph.node("Transpose", [value], "columns_first", perm=[0, 3, 2, 1])], "flat")
    hidden = _dense(graph, flat, left, "hidden")
    hidden = graph.node("PRelu", [hidden, graph.constant(next(left), "slope_hidden")], "prelu_hidden")
    outputs: dict[str, tuple[int | str, ...]] = {_dense(graph, hidden, left, "box"): ("n", 4)}
    if net.landmarks:
        outputs[_dense(graph, hidden, left, "landmarks")] = ("n", 10)
    outputs[_score(graph, _dense(graph, hidden, left, "classes"))] = ("n",)
    return outputs


def _convolution(graph: Graph, value: str, left: Iterator[Array], name: str) -> str:
    filters = graph.constant(next(left).transpose(3, 2, 0, 1), f"filters_{name}")
    return graph.node("Conv", [value, filters, graph.constant(next(left), f"biases_{name}")], name)


def _dense(graph: Graph, value: str, left: Iterator[Array], name: str) -> str:
    weights = graph.constant(next(left), f"weights_{name}")
    return graph.node("Gemm", [value, weights, graph.constant(next(left), f"biases_{name}")], name)


def _score(graph: Graph, classes: str) -> str:
    both = graph.node("Softmax", [classes], "probabilities", axis=1)
    return graph.node("Gather", [both, graph.constant(np.int64(1), "face")], "score", axis=1)
