"""Converts the `mtcnn` package's weight files to ONNX, in the form that ONNX Runtime runs fastest.

The files are joblib pickles under LZ4. They are never unpickled: once a file's checksum is known to be the pinned one,
its arrays are raw float32 at the offsets below, in Keras's order (rows, columns, in, out).
Networks: Zhang et al., Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks, 2016.

ONNX Runtime's PRelu takes up to ten times as long as a convolution, and each multiplication of channels costs a pass
over all pixels, so slopes are folded into filters as far as possible. Channels are padded with zeros to blocks of 16,
the runtime's fast layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import lz4.frame
import numpy as np
import numpy.typing as npt

from mien.errors import WeightsError
from mien.models.onnx_edit import Graph

Array = npt.NDArray[np.float32]
Weights = tuple[Array, Array]
"""Weights and biases of a layer, in Keras's order."""
ArrayLocation = tuple[int, tuple[int, ...]]
"""Offset in bytes, shape."""
Pool = tuple[int, bool]
"""Size of a max pool, and whether it keeps a partial window at the end; its stride is 2."""
SignedValue = tuple[str, Array]
"""A value's name, and for each channel whether it stands for itself (1) or for its negative (-1)."""

_BLOCK, _COLOURS = 16, 3


@dataclass(frozen=True, slots=True)
class Architecture:
    """One of the three networks.

    side: of its input, None where that is free. bytes: of the unpacked file. pools: after each convolution but the
    last. arrays: where each array is, in order.
    """

    side: int | None
    bytes: int
    convolutions: int
    pools: tuple[Pool, ...]
    landmarks: bool
    arrays: tuple[ArrayLocation, ...]


# fmt: off
ARCHITECTURES = {
    "pnet": Architecture(side=None, bytes=27450, convolutions=3, pools=((2, True),), landmarks=False, arrays=(
        (240, (3, 3, 3, 10)), (1376, (10,)), (1472, (1, 1, 10)),
        (1568, (3, 3, 10, 16)), (7376, (16,)), (7504, (1, 1, 16)),
        (7632, (3, 3, 16, 32)), (26112, (32,)), (26304, (1, 1, 32)),
        (26496, (1, 1, 32, 4)), (27056, (4,)), (27136, (1, 1, 32, 2)), (27440, (2,)),
    )),
    "rnet": Architecture(side=24, bytes=401770, convolutions=3, pools=((3, True), (3, False)), landmarks=False, arrays=(
        (240, (3, 3, 3, 28)), (3312, (28,)), (3488, (1, 1, 28)),
        (3664, (3, 3, 28, 48)), (52096, (48,)), (52352, (1, 1, 48)),
        (52608, (2, 2, 48, 64)), (101808, (64,)), (102128, (1, 1, 64)),
        (102448, (576, 128)), (397408, (128,)), (397968, (128,)),
        (398528, (128, 4)), (400624, (4,)), (400688, (128, 2)), (401760, (2,)),
    )),
    "onet": Architecture(side=48, bytes=1557530, convolutions=4, pools=((3, True), (3, False), (2, True)),
        landmarks=True, arrays=(
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


def unpack(data: bytes, net: Architecture) -> bytes:
    """The bytes under the LZ4 frame; raises WeightsError if their number is not the expected one."""
    try:
        raw = bytes(lz4.frame.decompress(data))
    except RuntimeError as error:
        raise WeightsError(f"an mtcnn weight file cannot be unpacked: {error}") from error
    if len(raw) != net.bytes:
        raise WeightsError(f"an mtcnn weight file holds {len(raw)} bytes instead of {net.bytes}")
    return raw


def read_arrays(data: bytes, net: Architecture) -> list[Array]:
    """The arrays of a weight file whose checksum has been checked, in the file's order; raises as `unpack`."""
    raw = unpack(data, net)
    return [np.frombuffer(raw, "<f4", int(np.prod(shape)), offset).reshape(shape) for offset, shape in net.arrays]


def convert(data: bytes, name: str) -> bytes:
    """One of mtcnn's files ("pnet", "rnet", "onet") -> ONNX.

    "input" is (n, 3, height, width) RGB as (value - 127.5) / 128, upright, where height and width are free, 24 or 48.
    "box" (n, 4): offsets of x1, y1, x2, y2 from the window's, in window sides; "score" (n,): probability of a face;
    "landmarks" (n, 10): five x, then five y, in window sides. P-Net gives (n, 4, h, w) and (n, h, w) for windows of 12
    pixels at a stride of 2. Raises WeightsError where the file does not fit the network.
    """
    net = ARCHITECTURES[name]
    graph, arrays = Graph(f"mtcnn-{name}"), iter(read_arrays(data, net))
    value, signs = "input", np.ones(3, np.float32)
    for i in range(net.convolutions):
        filters = next(arrays).transpose(3, 2, 0, 1) * signs[:, None, None]
        layer = PReluConvolution(f"{i}", filters, next(arrays), next(arrays).ravel())
        value, signs = convolve_prelu_pool(graph, value, layer, net.pools[i] if i < len(net.pools) else None)
    if net.side is None:
        _heads(graph, value, arrays, signs)
        return graph.model(
            {"input": ("n", 3, "height", "width")}, {"box": ("n", 4, "h", "w"), "score": ("n", "h", "w")}
        )
    outputs = _dense_layers(graph, value, arrays, signs, landmarks=net.landmarks)
    return graph.model({"input": ("n", 3, net.side, net.side)}, outputs)


def _heads(graph: Graph, value: str, arrays: Iterator[Array], signs: Array) -> None:
    """P-Net's box and score as one convolution, which takes as long as either."""
    (boxes, offsets), (face, offset) = (next(arrays), next(arrays)), _face_logit(arrays)
    filters = np.concatenate([boxes, face], axis=-1).transpose(3, 2, 0, 1) * signs[:, None, None]
    output = convolve(graph, value, filters, np.concatenate([offsets, offset]), "said")
    parts = graph.constant(np.array([4, 1], np.int64), "parts")
    graph.nodes("Split", [output, parts], ["box", "face"], axis=1)
    _score(graph, "face")


def _dense_layers(
    graph: Graph, value: str, arrays: Iterator[Array], signs: Array, *, landmarks: bool
) -> dict[str, tuple[int | str, ...]]:
    # The authors flattened Caffe's columns before rows, and channels last.
    weights, biases = next(arrays), next(arrays)
    side = round((len(weights) / len(signs)) ** 0.5)
    ordered = weights.reshape(side, side, len(signs), -1).transpose(2, 1, 0, 3) * signs[:, None, None, None]
    flat = graph.node("Flatten", [value], "flat")
    hidden = _dense(graph, flat, (ordered.reshape(weights.shape), biases), "hidden")
    hidden = graph.node("PRelu", [hidden, graph.constant(next(arrays), "slope_hidden")], "prelu_hidden")
    outputs: dict[str, tuple[int | str, ...]] = {_dense(graph, hidden, (next(arrays), next(arrays)), "box"): ("n", 4)}
    if landmarks:
        outputs[_dense(graph, hidden, (next(arrays), next(arrays)), "landmarks")] = ("n", 10)
    outputs[_score(graph, _dense(graph, hidden, _face_logit(arrays), "face"))] = ("n",)
    return outputs


def _dense(graph: Graph, value: str, weights: Weights, name: str) -> str:
    constants = [graph.constant(weights[0], f"weights_{name}"), graph.constant(weights[1], f"biases_{name}")]
    return graph.node("Gemm", [value, *constants], name)


def _face_logit(arrays: Iterator[Array]) -> Weights:
    """The last layer's two classes as one: softmax over two is the sigmoid of their difference."""
    weights, biases = next(arrays), next(arrays)
    return weights[..., 1:] - weights[..., :1], biases[1:] - biases[:1]


def _score(graph: Graph, logit: str) -> str:
    probability = graph.node("Sigmoid", [logit], "probability")
    return graph.node("Squeeze", [probability, graph.constant(np.array([1], np.int64), "class_axis")], "score")


@dataclass(frozen=True, slots=True, eq=False)
class PReluConvolution:
    """Filters (out, in, rows, columns), biases (out,) and a PReLU's slopes (out,), and a name for its nodes."""

    name: str
    filters: Array
    biases: Array
    slopes: Array

    def padded(self) -> PReluConvolution:
        """With channels of zeros added up to whole blocks."""
        more = (0, -len(self.slopes) % _BLOCK)
        filters = np.pad(self.filters, (more, (0, 0), (0, 0), (0, 0)))
        return replace(self, filters=filters, biases=np.pad(self.biases, more), slopes=np.pad(self.slopes, more))

    def scaled(self, factors: Array) -> PReluConvolution:
        """With each channel multiplied by its factor."""
        return replace(self, filters=self.filters * factors[:, None, None, None], biases=self.biases * factors)


def convolve_prelu_pool(graph: Graph, value: str, layer: PReluConvolution, pool: Pool | None) -> SignedValue:
    """Add convolution, PReLU and max pool (if any) -> the value, of whole blocks, and the signs of its channels."""
    slopes = layer.slopes
    if pool and len(slopes) + (slopes < 0).sum() <= len(layer.padded().slopes):
        return _pool_first(graph, value, layer, pool)
    # `_folded` needs slopes that are not 1, and a maximum cannot be taken of negatives.
    steep = slopes > 0.999 if pool else np.isclose(slopes, 1, atol=1e-3)
    output, signs = _plain(graph, value, layer) if steep.any() else _folded(graph, value, layer)
    return _max_pool(graph, output, layer.name, pool) if pool else output, signs


def convolve(graph: Graph, value: str, filters: Array, biases: Array, name: str) -> str:
    """Add a convolution; unless it takes a picture, its input channels are padded with zeros to whole blocks."""
    missing = -filters.shape[1] % _BLOCK if filters.shape[1] > _COLOURS else 0
    padded = np.pad(filters, ((0, 0), (0, missing), (0, 0), (0, 0)))
    constants = [graph.constant(padded, f"filters_{name}"), graph.constant(biases, f"biases_{name}")]
    return graph.node("Conv", [value, *constants], name)


def _max_pool(graph: Graph, value: str, name: str, pool: Pool) -> str:
    size, partial = pool
    shape = {"kernel_shape": [size, size], "strides": [2, 2], "ceil_mode": int(partial)}
    return graph.node("MaxPool", [value], f"pool{name}", **shape)


def _plain(graph: Graph, value: str, layer: PReluConvolution) -> SignedValue:
    """PReLU as a x + (1 - a) max(x, 0), in three passes."""
    name, full = layer.name, layer.padded()
    raw = convolve(graph, value, full.filters, full.biases, f"convolution{name}")
    slopes = full.slopes[:, None, None]
    sloped = graph.node("Mul", [raw, graph.constant(slopes, f"slopes{name}")], f"sloped{name}")
    above = graph.node("Relu", [raw], f"above{name}")
    rising = graph.node("Mul", [above, graph.constant(1 - slopes, f"rest{name}")], f"rising{name}")
    return graph.node("Add", [sloped, rising], f"prelu{name}"), np.ones(len(layer.slopes), np.float32)


def _folded(graph: Graph, value: str, layer: PReluConvolution) -> SignedValue:
    """PReLU in two passes: with y = |1 - a| x, it is max(y, 0) + a / (1 - a) y, or its negative where a > 1.

    A slope of 1 has no such form.
    """
    name, full = layer.name, layer.padded()
    slopes = full.slopes
    scales, signs = np.abs(1 - slopes), np.where(slopes > 1, np.float32(-1), np.float32(1))
    scaled = full.scaled(scales)
    raw = convolve(graph, value, scaled.filters, scaled.biases, f"convolution{name}")
    above = graph.node("Relu", [raw], f"above{name}")
    below = graph.constant((signs * slopes / scales)[:, None, None], f"slopes{name}")
    added = graph.node("Add", [graph.node("Mul", [raw, below], f"sloped{name}"), above], f"prelu{name}")
    return added, signs[: len(layer.slopes)]


def _pool_first(graph: Graph, value: str, layer: PReluConvolution, pool: Pool) -> SignedValue:
    """The pool before the PReLU, which then has a quarter of the pixels to go through.

    With a slope a >= 0 PReLU is monotonic, and the maximum may be taken before it. With a < 0 it is max(x, a x), so its
    maximum is the larger of the two maxima: a x is one more filter, which takes a spare channel.
    """
    count, full = len(layer.slopes), layer.padded()
    negative = np.flatnonzero(layer.slopes < 0)
    spare = count + np.arange(len(negative))
    full.filters[spare] = layer.filters[negative] * layer.slopes[negative, None, None, None]
    full.biases[spare] = layer.biases[negative] * layer.slopes[negative]
    raw = convolve(graph, value, full.filters, full.biases, f"convolution{layer.name}")
    value = _max_pool(graph, raw, layer.name, pool)
    # max(x, a x) = a x + max(x - a x, 0), where the terms are as in `_folded`, each computed from the channels.
    signs = np.where(layer.slopes > 1, np.float32(-1), np.float32(1))
    rising = np.zeros((len(full.slopes), len(full.slopes)), np.float32)
    sloped = rising.copy()
    positive = np.flatnonzero(layer.slopes >= 0)
    rising[positive, positive] = np.abs(1 - layer.slopes[positive])
    sloped[positive, positive] = signs[positive] * layer.slopes[positive]
    rising[negative, negative], rising[negative, spare], sloped[negative, spare] = 1, -1, 1
    zeros = np.zeros(len(full.slopes), np.float32)
    below = convolve(graph, value, sloped[:, :, None, None], zeros, f"sloped{layer.name}")
    above = convolve(graph, value, rising[:, :, None, None], zeros, f"rising{layer.name}")
    above = graph.node("Relu", [above], f"above{layer.name}")
    return graph.node("Add", [below, above], f"prelu{layer.name}"), signs
