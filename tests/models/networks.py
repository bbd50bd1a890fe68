"""Small ONNX networks for the tests of whole networks, written node by node."""

from __future__ import annotations

import numpy as np
import onnx

from mien.models.network import NetworkHead
from mien.models.onnx_edit import Graph
from mien.types import Floats

LABELS = ("angry", "happy", "sad")


def weights(values: int, *, seed: int = 0) -> Floats:
    """Weights (3, values) of a linear network, so small that pixels give logits of some units."""
    drawn = np.random.default_rng(seed).normal(size=(3, values))
    return np.asarray(drawn / values**0.5 / 50, dtype=np.float32)


def linear(*row: int, matrix: Floats | None = None) -> bytes:
    """A network of one dense layer over rows of that shape."""
    graph = Graph("linear")
    matrix = weights(int(np.prod(row))) if matrix is None else matrix
    flat = graph.node("Flatten", ["input"], "flat")
    graph.node("Gemm", [flat, graph.constant(matrix, "weights")], "logits", transB=1)
    return graph.model({"input": ["n", *row]}, {"logits": ["n", len(matrix)]})


def convolved(*row: int) -> bytes:
    """A network of a convolution, a pooling and a dense layer over pictures of that shape."""
    graph, rng = Graph("convolved"), np.random.default_rng(0)
    filters = graph.constant((rng.normal(size=(8, row[0], 3, 3)) / 255).astype(np.float32), "filters")
    found = graph.node("Relu", [graph.node("Conv", ["input", filters], "conv", pads=[1] * 4)], "relu")
    means = graph.node("Flatten", [graph.node("GlobalAveragePool", [found], "mean")], "flat")
    matrix = graph.constant(rng.normal(size=(3, 8)).astype(np.float32), "weights")
    graph.node("Gemm", [means, matrix], "logits", transB=1)
    return graph.model({"input": ["n", *row]}, {"logits": ["n", 3]})


def head(
    onnx_file: bytes, *, mirror: bool = False, temperature: float = 0.7, centres: Floats | None = None
) -> NetworkHead:
    return NetworkHead(LABELS, temperature, -0.5, mirror, onnx_file, centres)


def edited(data: bytes) -> onnx.ModelProto:
    """A network to be changed by hand, as a stranger would."""
    return onnx.load_from_string(data)
