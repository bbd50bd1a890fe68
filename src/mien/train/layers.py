"""The kinds of layer that a network may have, as data with bounds; knows shapes and counts, and nothing of torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Shape = tuple[int, ...]
"""What flows between two layers, without the batch: (channels, height, width), or (values,)."""

MOST_VALUES = 2**24
"""No layer may give more numbers for one picture: 64 MiB as float32."""


class Layer(Protocol):
    """One step of a network: a description, checked when it is made."""

    def shape(self, shape: Shape, /) -> Shape:
        """Input shape -> output shape.

        Raises:
            ValueError: the layer does not take such an input.
        """

    def weights(self, shape: Shape, /) -> int:
        """How many numbers training fits, for an input of that shape."""


@dataclass(frozen=True, slots=True)
class Reshape:
    """The same numbers, row by row, as a picture of `channels` x `height` x `width`."""

    channels: int
    height: int
    width: int

    def __post_init__(self) -> None:
        _within(self, 1, 4096, channels=self.channels, height=self.height, width=self.width)

    def shape(self, shape: Shape, /) -> Shape:
        wanted = (self.channels, self.height, self.width)
        if math.prod(shape) != math.prod(wanted):
            raise ValueError(f"{math.prod(shape)} numbers cannot be laid out as {wanted}")
        return wanted

    def weights(self, _: Shape, /) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class _Same:
    def shape(self, shape: Shape, /) -> Shape:
        return shape

    def weights(self, _: Shape, /) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Standardise(_Same):
    """Each picture less its mean, over its standard deviation: lighting and contrast drop out.

    One square grey level is added to the variance, so that a flat picture becomes zeros and not noise.
    """


@dataclass(frozen=True, slots=True)
class Scale(_Same):
    """Pixel values 0..255 to 0..1."""


@dataclass(frozen=True, slots=True)
class Relu(_Same):
    """The greater of a value and 0."""


@dataclass(frozen=True, slots=True)
class Prelu:
    """A value, or where it is below 0 a learnt slope times it; a slope a position, as Keras has it, from 0 on.

    He et al. 2015, "Delving Deep into Rectifiers", who share one slope a channel.
    """

    def shape(self, shape: Shape, /) -> Shape:
        return shape

    def weights(self, shape: Shape, /) -> int:
        return math.prod(shape)


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """Each channel to mean 0 and variance 1 over the batch, then scaled and moved (Ioffe and Szegedy 2015)."""

    def shape(self, shape: Shape, /) -> Shape:
        return shape

    def weights(self, shape: Shape, /) -> int:
        return 2 * shape[0]


@dataclass(frozen=True, slots=True)
class LocalResponseNorm:
    """A value over (k + alpha / size * sum)^beta, the sum being of squares over `size` neighbouring channels.

    Krizhevsky et al. 2012, section 3.3, whose alpha multiplies the sum itself: theirs is ours over `size`. `size` is
    odd, as frameworks disagree on where an even one stands.
    """

    size: int
    alpha: float
    beta: float
    k: float

    def __post_init__(self) -> None:
        _within(self, 1, 63, size=self.size)
        _within(self, 0, 16, alpha=self.alpha, beta=self.beta)
        _within(self, 0.01, 1000, k=self.k)
        if self.size % 2 == 0:
            raise ValueError(f"local response normalisation over {self.size} channels: give an odd number")

    def shape(self, shape: Shape, /) -> Shape:
        _picture(self, shape)
        return shape

    def weights(self, _: Shape, /) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Dropout(_Same):
    """In training each value is 0 with this probability, and the others are raised to make up for it."""

    rate: float

    def __post_init__(self) -> None:
        _within(self, 0, 0.95, rate=self.rate)


@dataclass(frozen=True, slots=True)
class Conv:
    """Convolution: `filters` squares of `size`, moved by `stride`, with `padding` zeros on every side."""

    filters: int
    size: int
    stride: int = 1
    padding: int = 0
    bias: bool = True

    def __post_init__(self) -> None:
        _within(self, 1, 4096, filters=self.filters)
        _within(self, 1, 31, size=self.size, stride=self.stride)
        _within(self, 0, self.size - 1, padding=self.padding)

    def shape(self, shape: Shape, /) -> Shape:
        _, *sides = _picture(self, shape)
        return (self.filters, *(_slid(self, side + 2 * self.padding, self.size, self.stride) for side in sides))

    def weights(self, shape: Shape, /) -> int:
        return self.filters * (shape[0] * self.size**2 + self.bias)


@dataclass(frozen=True, slots=True)
class ZeroPadding:
    """So many zeros around a picture."""

    top: int
    left: int
    bottom: int
    right: int

    def __post_init__(self) -> None:
        _within(self, 0, 31, top=self.top, left=self.left, bottom=self.bottom, right=self.right)

    def shape(self, shape: Shape, /) -> Shape:
        channels, height, width = _picture(self, shape)
        return channels, height + self.top + self.bottom, width + self.left + self.right

    def weights(self, _: Shape, /) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class _Pool:
    size: int
    stride: int

    def __post_init__(self) -> None:
        _within(self, 1, 31, size=self.size, stride=self.stride)

    def shape(self, shape: Shape, /) -> Shape:
        channels, *sides = _picture(self, shape)
        return (channels, *(_slid(self, side, self.size, self.stride) for side in sides))

    def weights(self, _: Shape, /) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class MaxPool(_Pool):
    """The greatest value of each square."""


@dataclass(frozen=True, slots=True)
class AvgPool(_Pool):
    """The mean of each square."""


@dataclass(frozen=True, slots=True)
class GlobalAvgPool:
    """Each channel's mean: a picture becomes as many values as it has channels."""

    def shape(self, shape: Shape, /) -> Shape:
        return (_picture(self, shape)[0],)

    def weights(self, _: Shape, /) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Flatten:
    """A picture as one row of values: channel by channel, row by row."""

    def shape(self, shape: Shape, /) -> Shape:
        return (math.prod(shape),)

    def weights(self, _: Shape, /) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Dense:
    """Each of `units` values is a weighted sum of all that come, plus a bias."""

    units: int

    def __post_init__(self) -> None:
        _within(self, 1, 65536, units=self.units)

    def shape(self, shape: Shape, /) -> Shape:
        if len(shape) != 1:
            raise ValueError(f"a dense layer takes values, not the shape {shape}: flatten first")
        return (self.units,)

    def weights(self, shape: Shape, /) -> int:
        return self.units * (shape[0] + 1)


@dataclass(frozen=True, slots=True)
class Residual:
    """Two 3x3 convolutions with batch normalisation, added to what came in, and cut off below 0 (He et al. 2016).

    Where `stride` is 2 or the channels change, what came in is averaged over 2x2 (where the stride is 2) and goes
    through a 1x1 convolution and a batch normalisation (He et al. 2019, "Bag of Tricks", ResNet-D).
    """

    filters: int
    stride: int = 1

    def __post_init__(self) -> None:
        _within(self, 1, 4096, filters=self.filters)
        _within(self, 1, 2, stride=self.stride)

    def projects(self, channels: int) -> bool:
        """Whether a picture of so many channels has to change before it can be added."""
        return self.stride > 1 or channels != self.filters

    def shape(self, shape: Shape, /) -> Shape:
        _, height, width = _picture(self, shape)
        return self.filters, -(-height // self.stride), -(-width // self.stride)

    def weights(self, shape: Shape, /) -> int:
        skip = self.filters * (shape[0] + 2) if self.projects(shape[0]) else 0
        return self.filters * 9 * (shape[0] + self.filters) + 4 * self.filters + skip


@dataclass(frozen=True, slots=True)
class PaddedResidual:
    """The block by which dlib's face network halves a picture (its `ares_down`, without normalisation).

    A 3x3 convolution by steps of 2 without a border and a second one with it, added to the means of 2x2 of what came
    in, and cut off below 0; of the two the smaller gets zeros behind its channels, rows and columns.
    """

    filters: int

    def __post_init__(self) -> None:
        _within(self, 1, 4096, filters=self.filters)

    def shape(self, shape: Shape, /) -> Shape:
        channels, height, width = _picture(self, shape)
        _slid(self, min(height, width), 3, 2)
        return max(channels, self.filters), height // 2, width // 2

    def weights(self, shape: Shape, /) -> int:
        return self.filters * (9 * (shape[0] + self.filters) + 2)


KINDS: Mapping[str, type[Layer]] = {
    "reshape": Reshape,
    "standardise": Standardise,
    "scale": Scale,
    "conv": Conv,
    "batch-norm": BatchNorm,
    "relu": Relu,
    "prelu": Prelu,
    "max-pool": MaxPool,
    "avg-pool": AvgPool,
    "zero-padding": ZeroPadding,
    "local-response-norm": LocalResponseNorm,
    "dropout": Dropout,
    "flatten": Flatten,
    "dense": Dense,
    "residual": Residual,
    "padded-residual": PaddedResidual,
    "global-avg-pool": GlobalAvgPool,
}
"""What each kind is called in `network.json`."""

NAMES: Mapping[type[Layer], str] = {kind: name for name, kind in KINDS.items()}


def _within(layer: Layer, least: float, most: float, **values: float) -> None:
    for name, value in values.items():
        if not least <= value <= most:  # false for NaN as well
            raise ValueError(f"{NAMES[type(layer)]}: {name} is {value}, and may be {least} to {most}")


def _picture(layer: Layer, shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"{NAMES[type(layer)]} takes pictures, not the shape {shape}")
    return shape


def _slid(layer: Layer, side: int, size: int, stride: int) -> int:
    if side < size:
        raise ValueError(f"{NAMES[type(layer)]}: a square of {size} does not fit into {side} pixels")
    return (side - size) // stride + 1
