"""The networks that training fits, as torch modules that describe themselves in JSON."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from mien.errors import DataError
from mien.models import CARDS, Card
from mien.training.layers import (
    GlobalAvgPool,
    LocalResponseNorm,
    PaddedResidual,
    PReLU,
    Residual,
    Scale,
    Standardise,
    ZeroPad,
)

Shape: TypeAlias = tuple[int, ...]
"""One row of a network's input: (channels, side, side), or (dimension,)."""

Initial: TypeAlias = Literal["he-normal", "glorot-uniform"]
"""How the first weights are drawn: He et al. 2015, equation 10; Glorot and Bengio 2010, equation 16."""

MAX_WEIGHTS = 2**27
"""As float32 they fill 512 MiB, the most that a file of a bundle may have."""
MAX_SIDE = 1024

RESNET_STAGES, RESNET_BLOCKS, RESNET_SIDE = (64, 128, 256), 2, 32
"""Channels of each stage of `resnet-small`, of which every one but the first halves the side; blocks of each; and the
side to which larger pictures are pooled first, so that they do not cost a hundred times as much."""

ALEXNET_NORM = (5, 5 * 1e-4, 0.75, 2.0)
"""Size, alpha, beta and k of Krizhevsky et al. 2012."""


class Network(nn.Sequential):
    """Float32 (n, *input), pictures as 0..255, to logits (n, classes); its layers are called `03-conv`.

    All of it may be brought to channels-last, which is faster. The weights are drawn from torch's global generator.
    """

    def __init__(self, name: str, shape: Shape, *layers: nn.Module, initial: Initial = "he-normal") -> None:
        super().__init__(OrderedDict((f"{i:02d}-{_describe(each)['kind']}", each) for i, each in enumerate(layers)))
        self.name, self.shape, self.initial = name, shape, initial
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                if initial == "he-normal":
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                else:
                    nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(layers[-1].weight)  # type: ignore[arg-type]  # no ReLU follows the logits
        for module in self.modules():
            if isinstance(module, Residual):  # a block that begins as the identity trains better (Goyal et al. 2017)
                nn.init.zeros_(module.norm2.weight)

    @property
    def weights(self) -> int:
        """How many numbers training fits."""
        return sum(parameter.numel() for parameter in self.parameters())

    def to_json(self) -> dict[str, Any]:
        """The description that a bundle keeps as `network.json`."""
        layers = [_describe(layer) for layer in self]
        return {"name": self.name, "input": list(self.shape), "initial": self.initial, "layers": layers}


def _describe(layer: nn.Module) -> dict[str, Any]:
    match layer:
        case nn.Unflatten(unflattened_size=(channels, height, width)):
            return {"kind": "reshape", "channels": channels, "height": height, "width": width}
        case nn.Conv2d(out_channels=filters, kernel_size=(size, _), stride=(stride, _), padding=(padding, _)):
            form = {"filters": filters, "size": size, "stride": stride, "padding": padding}
            return {"kind": "conv", **form, "bias": layer.bias is not None}
        case nn.MaxPool2d(kernel_size=size, stride=stride):
            return {"kind": "max-pool", "size": size, "stride": stride}
        case nn.AvgPool2d(kernel_size=size, stride=stride):
            return {"kind": "avg-pool", "size": size, "stride": stride}
        case ZeroPad(padding=(left, right, top, bottom)):
            return {"kind": "zero-padding", "top": top, "left": left, "bottom": bottom, "right": right}
        case LocalResponseNorm(size=size, alpha=alpha, beta=beta, k=k):
            return {"kind": "local-response-norm", "size": size, "alpha": alpha, "beta": beta, "k": k}
        case nn.Dropout(p=rate):
            return {"kind": "dropout", "rate": rate}
        case nn.Linear(out_features=units):
            return {"kind": "dense", "units": units}
        case Residual():
            return {"kind": "residual", "filters": layer.conv1.out_channels, "stride": layer.conv1.stride[0]}
        case PaddedResidual():
            return {"kind": "padded-residual", "filters": layer.conv1.out_channels}
    return {"kind": _PLAIN[type(layer)]}


_PLAIN: Mapping[type[nn.Module], str] = {
    Standardise: "standardise",
    Scale: "scale",
    nn.BatchNorm1d: "batch-norm",
    nn.BatchNorm2d: "batch-norm",
    nn.ReLU: "relu",
    PReLU: "prelu",
    nn.Flatten: "flatten",
    GlobalAvgPool: "global-avg-pool",
}
"""What layers without settings are called in `network.json`."""


def embedding_cnn(shape: Shape, classes: int) -> Network:
    """A vector, folded into a picture (128 numbers into 16 x 8), through two small convolutions."""
    if len(shape) != 1:
        raise DataError(f"embedding-cnn learns from vectors, not from pictures of {_size(shape)}")
    height, width = _fold(shape[0])
    return Network(
        "embedding-cnn",
        shape,
        nn.Unflatten(1, (1, height, width)),
        # A 2x2 filter has no middle: for an output of the input's size, Keras puts the zeros right and below.
        *(ZeroPad((0, 1, 0, 1)), nn.Conv2d(1, 12, 2), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Dropout(0.1)),
        *(ZeroPad((0, 1, 0, 1)), nn.Conv2d(12, 24, 2), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Dropout(0.2)),
        nn.Flatten(),
        *(nn.Linear(24 * (height // 4) * (width // 4), 192), nn.ReLU(), nn.Dropout(0.2)),
        nn.Linear(192, classes),
        initial="glorot-uniform",
    )


def _fold(dimension: int) -> tuple[int, int]:
    """The height and width closest to each other whose product is `dimension`, the height being the greater."""
    width = next(side for side in range(math.isqrt(dimension), 0, -1) if dimension % side == 0)
    if width < 4:
        raise DataError(f"a vector of {dimension} numbers does not fold into a picture: choose another recipe")
    return dimension // width, width


def fer_cnn(shape: Shape, classes: int) -> Network:
    """Five convolutions with one slope per position, two wide dense layers; 4.85 million weights at 48 grey pixels."""
    channels, side = _picture("fer-cnn", shape, 20, 224)
    first = side - 4
    second = _windows(first + 4, 5, 2)
    third = _windows(second, 3, 2)
    last = _windows(third + 2, 3, 2)
    return Network(
        "fer-cnn",
        shape,
        Scale(),
        *(nn.Conv2d(channels, 64, 5), PReLU(64, first, first), ZeroPad(2), nn.MaxPool2d(5, 2)),
        *(nn.Conv2d(64, 64, 3, padding=1), PReLU(64, second, second)),
        *(nn.Conv2d(64, 64, 3, padding=1), PReLU(64, second, second), nn.AvgPool2d(3, 2)),
        *(nn.Conv2d(64, 128, 3, padding=1), PReLU(128, third, third)),
        *(nn.Conv2d(128, 128, 3, padding=1), PReLU(128, third, third), ZeroPad(1), nn.AvgPool2d(3, 2)),
        nn.Flatten(),
        *(nn.Linear(128 * last**2, 1024), PReLU(1024), nn.Dropout(0.2)),
        *(nn.Linear(1024, 1024), PReLU(1024), nn.Dropout(0.2)),
        nn.Linear(1024, classes),
    )


def alexnet(shape: Shape, classes: int) -> Network:
    """Krizhevsky's network with its pooling one layer later; the first stride is 4, or less where pixels are few."""
    channels, side = _picture("alexnet", shape, 25, 360)
    # The three poolings need 15 pixels to begin with.
    stride = next(stride for stride in (4, 2, 1) if _windows(side, 11, stride) >= 15)
    side = _windows(side, 11, stride)
    for _ in range(3):
        side = _windows(side, 3, 2)
    return Network(
        "alexnet",
        shape,
        Scale(),
        *(nn.Conv2d(channels, 96, 11, stride), nn.ReLU()),
        *(nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), LocalResponseNorm(*ALEXNET_NORM), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), LocalResponseNorm(*ALEXNET_NORM), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(384, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        nn.Flatten(),
        *(nn.Linear(256 * side**2, 4096), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(4096, classes),
    )


def resnet_small(shape: Shape, classes: int) -> Network:
    """Residual stages over a standardised picture, then each channel's mean; 2.8 million weights."""
    channels, side = _picture("resnet-small", shape, 8, MAX_SIDE)
    stride, width = 1 if side <= RESNET_SIDE else 2, RESNET_STAGES[0]
    layers = [Standardise(), nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    side = -(-side // stride)
    while side > RESNET_SIDE:
        layers.append(nn.MaxPool2d(2, 2))
        side //= 2
    for stage, filters in enumerate(RESNET_STAGES):
        layers.append(Residual(width, filters, 1 if stage == 0 else 2))
        layers += [Residual(filters, filters) for _ in range(1, RESNET_BLOCKS)]
        width = filters
    layers += [GlobalAvgPool(), nn.Dropout(0.2), nn.Linear(width, classes)]
    return Network("resnet-small", shape, *layers)


def finetune(shape: Shape, classes: int) -> Network:
    """The values of an inner layer of a pretrained network, through its last block, to each channel's mean."""
    channels, height, width = backbone(shape).layout or (1, 1, 1)
    return Network(
        "finetune",
        shape,
        nn.Unflatten(1, (channels, height, width)),
        PaddedResidual(channels, channels),
        *(GlobalAvgPool(), nn.BatchNorm1d(channels), nn.Dropout(0.5)),
        nn.Linear(channels, classes),
    )


def backbone(shape: Shape) -> Card:
    """The pretrained network whose inner layer gives features of that shape.

    Raises:
        DataError: there is none.
    """
    inner = [card for card in CARDS.values() if card.layout]
    if found := next((card for card in inner if shape == (card.dim,)), None):
        return found
    names = " or ".join(card.name for card in inner)
    raise DataError(f"finetune starts from the inner layer of a pretrained network: choose --embedder {names}")


def _picture(name: str, shape: Shape, least: int, most: int) -> tuple[int, int]:
    """Channels and side of the pictures that a network takes."""
    if len(shape) != 3:
        raise DataError(f"{name} learns from pictures, not from vectors: train it on faces")
    if not least <= shape[1] <= most:
        raise DataError(f"{name} takes pictures of {least} to {most} pixels a side, not {_size(shape)}: change --size")
    return shape[0], shape[1]


def _windows(side: int, size: int, stride: int) -> int:
    """How many windows of `size` pixels fit into a side."""
    return (side - size) // stride + 1


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape[1:]))


ARCHITECTURES: Mapping[str, Callable[[Shape, int], Network]] = {
    "embedding-cnn": embedding_cnn,
    "fer-cnn": fer_cnn,
    "alexnet": alexnet,
    "resnet-small": resnet_small,
    "finetune": finetune,
}
"""Each takes the input's shape and the number of classes, and raises `DataError` for a shape that it cannot take."""


def count_weights(name: str, shape: Shape, classes: int) -> int:
    """How many numbers training a network would fit; nothing is allocated.

    Raises:
        DataError: it cannot take that shape, or would be too large.
    """
    with torch.device("meta"):
        weights = ARCHITECTURES[name](shape, classes).weights
    if weights > MAX_WEIGHTS:
        raise DataError(f"{name} would have {weights} weights for pictures of {_size(shape)}: choose a smaller --size")
    return weights


def build_network(name: str, shape: Shape, classes: int, seed: int) -> Network:
    """A network as its training begins; torch's own generator stays as it was.

    Raises:
        DataError: it cannot take that shape, or would be too large.
    """
    count_weights(name, shape, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES[name](shape, classes)
