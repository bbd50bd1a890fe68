"""Convolutions with a PReLU and a max pool after them, in the form that ONNX Runtime is fastest at; knows no network.

Its own PRelu takes up to ten times as long as a convolution, and each multiplication of channels costs a pass over all
pixels. So slopes go into filters as far as they can. Channels stand in blocks of 16, the runtime's fast layout: what a
layer lacks to a whole block is filled up with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mien.models.graph import Graph

Array = npt.NDArray[np.float32]
Pool = tuple[int, bool]
"""Its size, and whether it keeps a part window at the end; it moves by 2."""
Signed = tuple[str, Array]
"""A value, and for each channel whether it stands for itself (1) or for its negative (-1)."""

_BLOCK, _COLOURS = 16, 3


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Filters (out, in, rows, columns), biases (out,) and a PReLU's slopes (out,), and what its nodes are called."""

    name: str
    filters: Array
    biases: Array
    slopes: Array

    def filled(self) -> Layer:
        """With channels added, that are zero everywhere, up to whole blocks."""
        more = (0, -len(self.slopes) % _BLOCK)
        filters = np.pad(self.filters, (more, (0, 0), (0, 0), (0, 0)))
        return replace(self, filters=filters, biases=np.pad(self.biases, more), slopes=np.pad(self.slopes, more))

    def scaled(self, by: Array) -> Layer:
        """With each channel multiplied."""
        return replace(self, filters=self.filters * by[:, None, None, None], biases=self.biases * by)


def convolved(graph: Graph, value: str, layer: Layer, pool: Pool | None) -> Signed:
    """Convolution, PReLU, max pool where there is one -> its value, of whole blocks, and the signs of its channels."""
    slopes = layer.slopes
    if pool and len(slopes) + (slopes < 0).sum() <= len(layer.filled().slopes):
        return _pooled_first(graph, value, layer, pool)
    # `_folded` needs slopes that are not 1, and a maximum cannot be taken of negatives.
    steep = slopes > 0.999 if pool else np.isclose(slopes, 1, atol=1e-3)
    made, signs = _plain(graph, value, layer) if steep.any() else _folded(graph, value, layer)
    return _pooled(graph, made, layer.name, pool) if pool else made, signs


def convolution(graph: Graph, value: str, filters: Array, biases: Array, name: str) -> str:
    """Filters that take fewer channels than the blocks of `value` have, unless those of a picture, get zeros."""
    lacking = -filters.shape[1] % _BLOCK if filters.shape[1] > _COLOURS else 0
    filled = np.pad(filters, ((0, 0), (0, lacking), (0, 0), (0, 0)))
    constants = [graph.constant(filled, f"filters_{name}"), graph.constant(biases, f"biases_{name}")]
    return graph.node("Conv", [value, *constants], name)


def _pooled(graph: Graph, value: str, name: str, pool: Pool) -> str:
    size, part = pool
    shape = {"kernel_shape": [size, size], "strides": [2, 2], "ceil_mode": int(part)}
    return graph.node("MaxPool", [value], f"pool{name}", **shape)


def _plain(graph: Graph, value: str, layer: Layer) -> Signed:
    """PReLU as a x + (1 - a) max(x, 0), in three passes."""
    name, full = layer.name, layer.filled()
    raw = convolution(graph, value, full.filters, full.biases, f"convolution{name}")
    slopes = full.slopes[:, None, None]
    sloped = graph.node("Mul", [raw, graph.constant(slopes, f"slopes{name}")], f"sloped{name}")
    above = graph.node("Relu", [raw], f"above{name}")
    rising = graph.node("Mul", [above, graph.constant(1 - slopes, f"rest{name}")], f"rising{name}")
    return graph.node("Add", [sloped, rising], f"prelu{name}"), np.ones(len(layer.slopes), np.float32)


def _folded(graph: Graph, value: str, layer: Layer) -> Signed:
    """PReLU in two passes: of y = |1 - a| x, it is max(y, 0) + a / (1 - a) y, and its negative where a > 1.

    A slope of 1 is no bend at all, and has no such form.
    """
    name, full = layer.name, layer.filled()
    slopes = full.slopes
    scales, signs = np.abs(1 - slopes), np.where(slopes > 1, np.float32(-1), np.float32(1))
    scaled = full.scaled(scales)
    raw = convolution(graph, value, scaled.filters, scaled.biases, f"convolution{name}")
    above = graph.node("Relu", [raw], f"above{name}")
    below = graph.constant((signs * slopes / scales)[:, None, None], f"slopes{name}")
    added = graph.node("Add", [graph.node("Mul", [raw, below], f"sloped{name}"), above], f"prelu{name}")
    return added, signs[: len(layer.slopes)]


def _pooled_first(graph: Graph, value: str, layer: Layer, pool: Pool) -> Signed:
    """The pool before the PReLU, which is left with a quarter of the pixels.

    With a slope a >= 0 PReLU rises everywhere, and the maximum may be taken before it. With a < 0 it is the larger of x
    and a x, and so its maximum the larger of the two's: a x is one more filter, for which a spare channel is taken.
    """
    count, full = len(layer.slopes), layer.filled()
    bent = np.flatnonzero(layer.slopes < 0)
    spare = count + np.arange(len(bent))
    full.filters[spare] = layer.filters[bent] * layer.slopes[bent, None, None, None]
    full.biases[spare] = layer.biases[bent] * layer.slopes[bent]
    raw = convolution(graph, value, full.filters, full.biases, f"convolution{layer.name}")
    value = _pooled(graph, raw, layer.name, pool)
    # max(x, a x) = a x + max(x - a x, 0), and what rises is as in `_folded`, with both parts read off the channels.
    signs = np.where(layer.slopes > 1, np.float32(-1), np.float32(1))
    rising = np.zeros((len(full.slopes), len(full.slopes)), np.float32)
    sloped = rising.copy()
    rises = np.flatnonzero(layer.slopes >= 0)
    rising[rises, rises] = np.abs(1 - layer.slopes[rises])
    sloped[rises, rises] = signs[rises] * layer.slopes[rises]
    rising[bent, bent], rising[bent, spare], sloped[bent, spare] = 1, -1, 1
    zeros = np.zeros(len(full.slopes), np.float32)
    parts = [
        convolution(graph, value, matrix[:, :, None, None], zeros, f"{kind}{layer.name}")
        for kind, matrix in (("sloped", sloped), ("rising", rising))
    ]
    above = graph.node("Relu", parts[1:], f"above{layer.name}")
    return graph.node("Add", [parts[0], above], f"prelu{layer.name}"), signs
