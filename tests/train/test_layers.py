"""Layers as data: shapes as convolutions have them, and nothing out of bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mien.train.layers import (
    KINDS,
    NAMES,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Layer,
    LocalResponseNorm,
    MaxPool,
    PaddedResidual,
    Prelu,
    Relu,
    Reshape,
    Residual,
    Scale,
    Shape,
    Standardise,
    ZeroPadding,
)

NORM = LocalResponseNorm(5, 1e-4, 0.75, 1.0)


@pytest.mark.parametrize(
    ("layer", "before", "after"),
    [
        (Reshape(1, 16, 8), (128,), (1, 16, 8)),
        (Standardise(), (3, 4, 4), (3, 4, 4)),
        (Scale(), (7,), (7,)),
        (Conv(64, 5), (1, 48, 48), (64, 44, 44)),
        (Conv(8, 3, 2, 1), (3, 9, 10), (8, 5, 5)),
        (BatchNorm(), (4, 5, 6), (4, 5, 6)),
        (Relu(), (4,), (4,)),
        (Prelu(), (4, 5, 6), (4, 5, 6)),
        (MaxPool(5, 2), (64, 48, 48), (64, 22, 22)),
        (AvgPool(3, 2), (64, 22, 22), (64, 10, 10)),
        (ZeroPadding(1, 2, 3, 4), (1, 5, 5), (1, 9, 11)),
        (NORM, (9, 4, 4), (9, 4, 4)),
        (Dropout(0.5), (9, 4, 4), (9, 4, 4)),
        (Flatten(), (9, 4, 4), (144,)),
        (Dense(7), (144,), (7,)),
        (Residual(8, 2), (4, 7, 8), (8, 4, 4)),
        (PaddedResidual(8), (4, 7, 8), (8, 3, 4)),
        (PaddedResidual(2), (4, 3, 3), (4, 1, 1)),
        (GlobalAvgPool(), (9, 4, 4), (9,)),
    ],
)
def test_a_layer_says_what_shape_it_gives(layer: Layer, before: Shape, after: Shape) -> None:
    assert layer.shape(before) == after


@pytest.mark.parametrize(
    ("layer", "shape", "weights"),
    [
        (Conv(64, 5), (1, 48, 48), 64 * 25 + 64),
        (Conv(64, 5, bias=False), (3, 48, 48), 3 * 64 * 25),
        (Prelu(), (64, 44, 44), 64 * 44 * 44),
        (BatchNorm(), (64, 4, 4), 128),
        (Dense(10), (5,), 60),
        (Residual(8), (8, 4, 4), 2 * 8 * 8 * 9 + 4 * 8),
        (Residual(8), (4, 4, 4), 8 * 4 * 9 + 8 * 8 * 9 + 4 * 8 + 8 * 4 + 16),
        (PaddedResidual(8), (4, 4, 4), 4 * 8 * 9 + 8 * 8 * 9 + 2 * 8),
        (MaxPool(2, 2), (8, 4, 4), 0),
    ],
)
def test_a_layer_counts_its_weights(layer: Layer, shape: Shape, weights: int) -> None:
    assert layer.weights(shape) == weights


@pytest.mark.parametrize(
    "make",
    [
        lambda: Reshape(0, 4, 4),
        lambda: Conv(0, 3),
        lambda: Conv(10**9, 3),
        lambda: Conv(8, 32),
        lambda: Conv(8, 3, 0),
        lambda: Conv(8, 3, 1, 3),
        lambda: Conv(8, 3, 1, -1),
        lambda: MaxPool(0, 1),
        lambda: AvgPool(2, 0),
        lambda: ZeroPadding(-1, 0, 0, 0),
        lambda: ZeroPadding(0, 0, 0, 10**6),
        lambda: LocalResponseNorm(4, 1e-4, 0.75, 1.0),
        lambda: LocalResponseNorm(5, 1e-4, 0.75, 0.0),
        lambda: LocalResponseNorm(5, float("nan"), 0.75, 1.0),
        lambda: Dropout(1.0),
        lambda: Dropout(-0.1),
        lambda: Dropout(float("nan")),
        lambda: Dense(0),
        lambda: Dense(10**6),
        lambda: Residual(8, 3),
        lambda: Residual(0),
        lambda: PaddedResidual(0),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(make: Callable[[], Layer]) -> None:
    with pytest.raises(ValueError, match=r"^[a-z-]+: [a-z]+ is|give an odd number"):
        make()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Reshape(1, 16, 8), (127,)),
        (Conv(8, 3), (128,)),
        (Conv(8, 3), (1, 2, 5)),
        (MaxPool(3, 2), (1, 5, 2)),
        (AvgPool(3, 2), (9,)),
        (ZeroPadding(1, 1, 1, 1), (9,)),
        (GlobalAvgPool(), (9,)),
        (Residual(8), (9,)),
        (PaddedResidual(8), (9,)),
        (PaddedResidual(8), (8, 2, 4)),
        (NORM, (9,)),
        (Dense(7), (1, 4, 4)),
    ],
)
def test_an_input_that_does_not_fit_is_refused(layer: Layer, shape: Shape) -> None:
    with pytest.raises(ValueError, match=r"not|fit"):
        layer.shape(shape)


def test_every_kind_has_one_name() -> None:
    assert len(NAMES) == len(KINDS) == 17
    assert all(NAMES[kind] == name for name, kind in KINDS.items())
