"""Converts dlib's face recognition network to ONNX.

The network is dlib's `anet_type` (dlib, examples/dnn_face_recognition_ex.cpp): 29 convolutions in residual blocks on
150 x 150 RGB pixels, 128 values out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.errors import WeightsError
from mien.models.onnx_edit import Graph

MEAN = (122.782, 117.001, 104.298)
SCALE = 1 / 256
SIDE = 150
DIM = 128
"""dlib, dlib/dnn/input.h: `input_rgb_image_sized`; the colours are those of its default constructor."""

_LAYERS = (b"con_4", b"affine_", b"max_pool_2", b"avg_pool_2", b"add_prev_", b"relu_", b"fc_2")
_NAME = re.compile(b"|".join(b"\x01" + bytes([len(name)]) + name for name in _LAYERS))
"""A name is a string: a control byte that announces the length, one byte of length, and the text."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Convolution:
    """Filters (out, in, rows, columns), biases (out,), stride and padding as (rows, columns)."""

    filters: Array
    biases: Array
    stride: tuple[int, int]
    pad: tuple[int, int]

    def scaled(self, affine: Affine) -> Convolution:
        """The convolution followed by an affine layer, as one convolution."""
        filters = self.filters * affine.gamma[:, None, None, None]
        return Convolution(filters, self.biases * affine.gamma + affine.beta, self.stride, self.pad)

    def on_pixels(self) -> Convolution:
        """The first convolution, on raw pixels: normalisation folded in, which is exact as nothing is padded."""
        filters = self.filters * np.float32(SCALE)
        shift = np.einsum("oirc,i->o", filters.astype(np.float64), np.array(MEAN))
        return Convolution(filters, self.biases - shift.astype(np.float32), self.stride, self.pad)


@dataclass(frozen=True, slots=True)
class Affine:
    """A factor and an offset for each channel: batch normalisation after training."""

    gamma: Array
    beta: Array


@dataclass(frozen=True, slots=True)
class Dense:
    """Weights (inputs, outputs), no bias."""

    weights: Array


Layer = Convolution | Affine | Dense | str


class Reader:
    """Reads dlib's serialised numbers, starting at `position`."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def integer(self) -> int:
        """One control byte (low nibble: how many bytes follow; 0x80: negative), then little-endian bytes."""
        control = self._take(1)[0]
        value = int.from_bytes(self._take(control & 0x0F), "little")
        return -value if control & 0x80 else value

    def tensor(self) -> Array:
        """Version 2, four sizes, then little-endian float32."""
        version = self.integer()
        if version != 2:
            raise WeightsError(f"dlib's file holds a tensor of version {version} at byte {self.position}, not 2")
        shape = [self.integer() for _ in range(4)]
        if min(shape) < 0:
            raise WeightsError(f"dlib's file holds a tensor of shape {shape} at byte {self.position}")
        count = int(np.prod(shape, dtype=object))
        return np.frombuffer(self._take(4 * count), "<f4").reshape(shape)

    def _take(self, count: int) -> bytes:
        chunk = self.data[self.position : self.position + count]
        if len(chunk) < count:
            raise WeightsError(f"dlib's file ends at byte {len(self.data)}, within a number: it is cut short")
        self.position += count
        return chunk


def read_layers(data: bytes) -> list[Layer]:
    """The layers of a dlib network file, from its input to its output; raises WeightsError as `convert`."""
    layers = list(_layers(data))
    if not layers or not isinstance(layers[-1], Dense):
        raise WeightsError("this is not a file of dlib's face recognition network: its last layer is missing")
    return layers


def _layers(data: bytes) -> Iterator[Layer]:
    channels = 3
    for match in _NAME.finditer(data):
        name, reader = match[0][2:], Reader(data, match.end())
        if name == b"con_4":
            params = reader.tensor().ravel()
            count, rows, columns = (reader.integer() for _ in range(3))
            stride, pad = (reader.integer(), reader.integer()), (reader.integer(), reader.integer())
            size = count * channels * rows * columns
            if params.size != size + count:
                raise WeightsError(f"a convolution of dlib's file has {params.size} values instead of {size + count}")
            yield Convolution(params[:size].reshape(count, channels, rows, columns), params[size:], stride, pad)
            channels = count
        elif name == b"affine_":
            gamma, beta = np.split(reader.tensor().ravel(), 2)
            yield Affine(gamma, beta)
        elif name == b"fc_2":
            outputs, inputs = reader.integer(), reader.integer()
            yield Dense(reader.tensor().reshape(inputs, outputs))
        else:
            yield name.decode()


def convert(data: bytes) -> bytes:
    """The bytes of dlib's `.dat` -> ONNX: "input" (n, 3, 150, 150) RGB 0..255, "embedding" (n, 128) raw.

    Raises:
        WeightsError: the file is cut short, or is not such a network.
    """
    return _Writer(read_layers(data)).write()


@dataclass(frozen=True, slots=True)
class _Value:
    """A tensor of the graph under construction: its name, channels and side."""

    name: str
    channels: int
    side: int


class _Writer:
    """Goes through the layers once and writes the graph."""

    def __init__(self, layers: list[Layer]) -> None:
        self._layers = layers
        self._at = 0
        self._graph = Graph("dlib-resnet")

    def write(self) -> bytes:
        graph = self._graph
        first = self._peek()
        if isinstance(first, Convolution):
            self._layers[0] = first.on_pixels()
        value = self._relu(self._convolution(_Value("input", 3, SIDE)))
        value = self._pool("MaxPool", value, 3)
        self._expect("max_pool_2")
        while isinstance(self._peek(), Convolution):
            value = self._block(value)
        self._expect("avg_pool_2")
        dense = self._next()
        if not isinstance(dense, Dense) or dense.weights.shape != (value.channels, DIM):
            raise self._mismatch("its last layer has another shape")
        pooled = graph.node("GlobalAveragePool", [value.name], "pooled")
        flat = graph.node("Flatten", [pooled], "flat")
        graph.node("MatMul", [flat, graph.constant(dense.weights, "weights")], "embedding")
        return graph.model({"input": ("n", 3, SIDE, SIDE)}, {"embedding": ("n", DIM)})

    def _block(self, entry: _Value) -> _Value:
        """Two convolutions, and the entry added to them; where the block halves the picture, a pooled entry."""
        value = self._convolution(self._relu(self._convolution(entry)))
        if self._peek() == "avg_pool_2":
            self._next()
            entry = self._pool("AveragePool", entry, 2)
        self._expect("add_prev_")
        channels, side = max(value.channels, entry.channels), max(value.side, entry.side)
        terms = [self._padded(term, channels, side) for term in (value, entry)]
        total = self._graph.node("Add", terms, f"sum{self._at}")
        return self._relu(_Value(total, channels, side))

    def _convolution(self, value: _Value) -> _Value:
        convolution, affine = self._next(), self._next()
        if not isinstance(convolution, Convolution) or not isinstance(affine, Affine):
            raise self._mismatch("its layers are in another order")
        at, graph = self._at, self._graph
        folded = convolution.scaled(affine)
        count, _, rows, columns = folded.filters.shape
        weights = [graph.constant(folded.filters, f"filters{at}"), graph.constant(folded.biases, f"biases{at}")]
        shape = {"kernel_shape": [rows, columns], "strides": list(folded.stride), "pads": [*folded.pad, *folded.pad]}
        name = graph.node("Conv", [value.name, *weights], f"convolution{at}", **shape)
        return _Value(name, count, (value.side + 2 * folded.pad[0] - rows) // folded.stride[0] + 1)

    def _relu(self, value: _Value) -> _Value:
        self._expect("relu_")
        return _Value(self._graph.node("Relu", [value.name], f"relu{self._at}"), value.channels, value.side)

    def _pool(self, kind: str, value: _Value, size: int) -> _Value:
        name = self._graph.node(kind, [value.name], f"pool{self._at}", kernel_shape=[size, size], strides=[2, 2])
        return _Value(name, value.channels, (value.side - size) // 2 + 1)

    def _padded(self, value: _Value, channels: int, side: int) -> str:
        """Zeros at the end of channels, rows and columns: dlib's way of adding tensors of two shapes."""
        extra = (channels - value.channels, side - value.side)
        if extra == (0, 0):
            return value.name
        pads = np.array([0, 0, 0, 0, 0, extra[0], extra[1], extra[1]], np.int64)
        name = f"padded_{value.name}_{self._at}"
        return self._graph.node("Pad", [value.name, self._graph.constant(pads, f"pads_{name}")], name)

    def _peek(self) -> Layer | None:
        return self._layers[self._at] if self._at < len(self._layers) else None

    def _next(self) -> Layer | None:
        layer = self._peek()
        self._at += 1
        return layer

    def _expect(self, name: str) -> None:
        if self._next() != name:
            raise self._mismatch(f"layer {self._at} is not {name}")

    def _mismatch(self, why: str) -> WeightsError:
        return WeightsError(f"this is not a file of dlib's face recognition network: {why}")
