"""The networks that have a name, each for any input and number of classes; data only, with their numbers here alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from mien.errors import DataError
from mien.models import CARDS, Card
from mien.train.architecture import MOST_SIDE, Architecture
from mien.train.layers import (
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

RESNET_STAGES = (64, 128, 256)
"""Channels of each stage of `resnet-small`; from the second on each begins with half the side."""
RESNET_BLOCKS = 2
RESNET_DROPOUT = 0.2
RESNET_SIDE = 32
"""The stages begin with no more pixels a side, so that a large picture does not cost a hundred times as much."""

FINETUNE_DROPOUT = 0.5

_ALEXNET_NORM = LocalResponseNorm(size=5, alpha=5 * 1e-4, beta=0.75, k=2.0)
"""The constants of Krizhevsky et al. 2012."""


def embedding_cnn(shape: Shape, classes: int) -> Architecture:
    """A vector, folded into a picture (128 numbers into 16 x 8), through two small convolutions."""
    if len(shape) != 1:
        raise DataError(f"embedding-cnn learns from vectors, not from pictures of {_said(shape)}")
    height, width = _folded(shape[0])
    layers: tuple[Layer, ...] = (
        Reshape(1, height, width),
        *_conv_2x2_same(12, 0.1),
        *_conv_2x2_same(24, 0.2),
        Flatten(),
        *(Dense(192), Relu(), Dropout(0.2)),
        Dense(classes),
    )
    return Architecture("embedding-cnn", shape, layers, "glorot-uniform")


def _conv_2x2_same(filters: int, dropout: float) -> tuple[Layer, ...]:
    # A square of 2 has no middle: for an output of the input's size the zeros go right and below, as in Keras.
    return ZeroPadding(0, 0, 1, 1), Conv(filters, 2), Relu(), MaxPool(2, 2), Dropout(dropout)


def _folded(dimension: int) -> tuple[int, int]:
    """The height and width nearest to each other whose product it is, the height being the greater."""
    width = next(side for side in range(math.isqrt(dimension), 0, -1) if dimension % side == 0)
    if width < 4:
        raise DataError(f"a vector of {dimension} numbers does not fold into a picture: train another recipe on it")
    return dimension // width, width


def fer_cnn(shape: Shape, classes: int) -> Architecture:
    """Five convolutions with a slope a position, two wide dense layers; 4.85 million weights at 48 pixels in grey."""
    _picture("fer-cnn", shape, 20, 224)
    layers: tuple[Layer, ...] = (
        Scale(),
        *(Conv(64, 5), Prelu(), ZeroPadding(2, 2, 2, 2), MaxPool(5, 2)),
        *(Conv(64, 3, padding=1), Prelu(), Conv(64, 3, padding=1), Prelu(), AvgPool(3, 2)),
        *(Conv(128, 3, padding=1), Prelu(), Conv(128, 3, padding=1), Prelu(), ZeroPadding(1, 1, 1, 1), AvgPool(3, 2)),
        Flatten(),
        *(Dense(1024), Prelu(), Dropout(0.2)),
        *(Dense(1024), Prelu(), Dropout(0.2)),
        Dense(classes),
    )
    return Architecture("fer-cnn", shape, layers)


def alexnet(shape: Shape, classes: int) -> Architecture:
    """Krizhevsky's network with its pooling one layer later; the first stride is 4, or less where pixels are few."""
    _picture("alexnet", shape, 25, 360)
    # The three poolings need 15 pixels to begin with.
    stride = next(stride for stride in (4, 2, 1) if (shape[1] - 11) // stride + 1 >= 15)
    layers: tuple[Layer, ...] = (
        Scale(),
        *(Conv(96, 11, stride), Relu()),
        *(Conv(256, 5, padding=2), Relu(), _ALEXNET_NORM, MaxPool(3, 2)),
        *(Conv(384, 3, padding=1), Relu(), _ALEXNET_NORM, MaxPool(3, 2)),
        *(Conv(384, 3, padding=1), Relu(), Conv(256, 3, padding=1), Relu(), MaxPool(3, 2)),
        Flatten(),
        *(Dense(4096), Relu(), Dropout(0.5)),
        *(Dense(4096), Relu(), Dropout(0.5)),
        Dense(classes),
    )
    return Architecture("alexnet", shape, layers)


def resnet_small(shape: Shape, classes: int) -> Architecture:
    """Residual stages over a standardised picture, then each channel's mean; 2.8 million weights."""
    _picture("resnet-small", shape, 8, MOST_SIDE)
    side, stride = shape[1], 1 if shape[1] <= RESNET_SIDE else 2
    layers: list[Layer] = [Standardise(), Conv(RESNET_STAGES[0], 3, stride, 1, bias=False), BatchNorm(), Relu()]
    side = -(-side // stride)
    while side > RESNET_SIDE:
        layers.append(MaxPool(2, 2))
        side //= 2
    for number, filters in enumerate(RESNET_STAGES):
        layers.append(Residual(filters, 1 if number == 0 else 2))
        layers += [Residual(filters)] * (RESNET_BLOCKS - 1)
    layers += [GlobalAvgPool(), Dropout(RESNET_DROPOUT), Dense(classes)]
    return Architecture("resnet-small", shape, tuple(layers))


def finetune(shape: Shape, classes: int) -> Architecture:
    """The values of an inner layer of a pretrained network, through its last block, to each channel's mean."""
    layout = backbone(shape).layout or (1, 1, 1)
    layers = (
        Reshape(*layout),
        PaddedResidual(layout[0]),
        *(GlobalAvgPool(), BatchNorm(), Dropout(FINETUNE_DROPOUT)),
        Dense(classes),
    )
    return Architecture("finetune", shape, layers)


def backbone(shape: Shape) -> Card:
    """The pretrained network whose inner layer gives features of that shape.

    Raises:
        DataError: there is none.
    """
    inner = [card for card in CARDS.values() if card.layout]
    if found := next((card for card in inner if shape == (card.dim,)), None):
        return found
    names = " or ".join(card.name for card in inner)
    raise DataError(f"finetune goes on from the inner layer of a pretrained network: choose --embedder {names}")


def _picture(name: str, shape: Shape, least: int, most: int) -> None:
    if len(shape) != 3:
        raise DataError(f"{name} learns from pictures, not from vectors: train it on faces")
    if not least <= shape[1] <= most:
        raise DataError(f"{name} takes pictures of {least} to {most} pixels a side, not {_said(shape)}: choose a size")


def _said(shape: Shape) -> str:
    return " x ".join(map(str, shape[1:]))


ARCHITECTURES: Mapping[str, Callable[[Shape, int], Architecture]] = {
    "embedding-cnn": embedding_cnn,
    "fer-cnn": fer_cnn,
    "alexnet": alexnet,
    "resnet-small": resnet_small,
    "finetune": finetune,
}
"""Each takes the input's shape, (channels, side, side) or (dimension,), and the number of classes.

All raise `DataError` for a shape that they cannot take.
"""
