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
from mien.models.prelu import Layer, convolution, convolved

Array = npt.NDArray[np.float32]
Weights = tuple[Array, Array]
"""Of one layer: weights and biases, as Keras orders them."""
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
    value, signs = "input", np.ones(3, np.float32)
    for i in range(net.convolutions):
        filters = next(left).transpose(3, 2, 0, 1) * signs[:, None, None]
        layer = Layer(f"{i}", filters, next(left), next(left).ravel())
        value, signs = convolved(graph, value, layer, net.pools[i] if i < len(net.pools) else None)
    if net.side is None:
        _heads(graph, value, left, signs)
        return graph.model(
            {"input": ("n", 3, "height", "width")}, {"box": ("n", 4, "h", "w"), "score": ("n", "h", "w")}
        )
    outputs = _dense_layers(graph, value, left, signs, landmarks=net.landmarks)
    return graph.model({"input": ("n", 3, net.side, net.side)}, outputs)


def _heads(graph: Graph, value: str, left: Iterator[Array], signs: Array) -> None:
    """P-Net's box and score as one convolution, which takes as long as either."""
    (boxes, offsets), (face, offset) = (next(left), next(left)), _face(left)
    filters = np.concatenate([boxes, face], axis=-1).transpose(3, 2, 0, 1) * signs[:, None, None]
    said = convolution(graph, value, filters, np.concatenate([offsets, offset]), "said")
    parts = graph.constant(np.array([4, 1], np.int64), "parts")
    graph.nodes("Split", [said, parts], ["box", "face"], axis=1)
    _score(graph, "face")


def _dense_layers(
    graph: Graph, value: str, left: Iterator[Array], signs: Array, *, landmarks: bool
) -> dict[str, tuple[int | str, ...]]:
    # The authors flattened Caffe's columns before rows, and channels last.
    weights, biases = next(left), next(left)
    side = round((len(weights) / len(signs)) ** 0.5)
    ordered = weights.reshape(side, side, len(signs), -1).transpose(2, 1, 0, 3) * signs[:, None, None, None]
    flat = graph.node("Flatten", [value], "flat")
    hidden = _dense(graph, flat, (ordered.reshape(weights.shape), biases), "hidden")
    hidden = graph.node("PRelu", [hidden, graph.constant(next(left), "slope_hidden")], "prelu_hidden")
    outputs: dict[str, tuple[int | str, ...]] = {_dense(graph, hidden, (next(left), next(left)), "box"): ("n", 4)}
    if landmarks:
        outputs[_dense(graph, hidden, (next(left), next(left)), "landmarks")] = ("n", 10)
    outputs[_score(graph, _dense(graph, hidden, _face(left), "face"))] = ("n",)
    return outputs


def _dense(graph: Graph, value: str, weights: Weights, name: str) -> str:
    constants = [
        graph.constant(array, f"{kind}_{name}") for kind, array in zip(("weights", "biases"), weights, strict=True)
    ]
    return graph.node("Gemm", [value, *constants], name)


def _face(left: Iterator[Array]) -> Weights:
    """The last layer's two classes as one: softmax over two is the sigmoid of their difference."""
    weights, biases = next(left), next(left)
    return weights[..., 1:] - weights[..., :1], biases[1:] - biases[:1]


def _score(graph: Graph, odds: str) -> str:
    likely = graph.node("Sigmoid", [odds], "probability")
    return graph.node("Squeeze", [likely, graph.constant(np.array([1], np.int64), "class_axis")], "score")
