"""Layers in whatever form are what convolution, PReLU and max pool are by their definition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from mien.models.graph import Graph
from mien.models.prelu import Layer, Pool, convolution, convolved
from mien.models.sessions import from_bytes
from tests.models import test_convert_mtcnn as by_hand

Array = npt.NDArray[np.float32]

GENTLE = [0.3, -0.4, 0.0, 0.9, -1.2]
STEEP = [0.3, -0.4, 1.3, 0.9, 0.25]
STRAIGHT = [0.3, 1.0, -0.4, 0.1]


def made(layer: Layer, pool: Pool | None) -> tuple[bytes, Array]:
    """A network of one layer and of another after it that puts the signs right; and the other's filters."""
    graph = Graph("layer")
    value, signs = convolved(graph, "input", layer, pool)
    assert signs.shape == layer.slopes.shape
    after = np.random.default_rng(1).normal(size=(4, len(signs), 1, 1)).astype(np.float32)
    end = convolution(graph, value, after * signs[:, None, None], np.zeros(4, np.float32), "end")
    return graph.model({"input": ("n", 3, "h", "w")}, {end: ("n", 4, "rows", "columns")}), after


def layer(slopes: list[float]) -> Layer:
    random = np.random.default_rng(0)
    filters, biases = random.normal(size=(len(slopes), 3, 3, 3)), random.normal(size=len(slopes))
    return Layer("1", filters.astype(np.float32), biases.astype(np.float32), np.array(slopes, np.float32))


@pytest.mark.parametrize("pool", [None, (2, True), (2, False), (3, True)])
@pytest.mark.parametrize("slopes", [GENTLE, STEEP, STRAIGHT, GENTLE * 3, STEEP * 3, [-0.5] * 9, [1.5] * 16])
def test_every_form_of_a_layer_computes_the_same(slopes: list[float], pool: Pool | None) -> None:
    given = layer(slopes)
    network, after = made(given, pool)
    x = np.random.default_rng(2).normal(size=(2, 15, 12, 3)).astype(np.float32)
    expected = by_hand.prelu(
        by_hand.convolution(x, given.filters.transpose(2, 3, 1, 0), given.biases), np.array(slopes, np.float32)
    )
    if pool is not None:
        expected = by_hand.pool(expected, *pool)
    expected = by_hand.convolution(expected, after.transpose(2, 3, 1, 0), np.zeros(4, np.float32))
    found = from_bytes(network).run(None, {"input": np.ascontiguousarray(x.transpose(0, 3, 1, 2))})[0]
    np.testing.assert_allclose(found.transpose(0, 2, 3, 1), expected, atol=1e-4)


def test_no_form_takes_the_runtimes_own_prelu() -> None:
    for slopes in (GENTLE, STEEP, STRAIGHT):
        for pool in (None, (2, True)):
            assert b"PRelu" not in made(layer(slopes), pool)[0]


def test_the_pool_comes_first_where_the_block_has_room() -> None:
    few, many = made(layer(GENTLE), (2, True))[0], made(layer(GENTLE * 3), (2, True))[0]
    assert few.index(b"MaxPool") < few.index(b"Relu")
    assert many.index(b"Relu") < many.index(b"MaxPool")
