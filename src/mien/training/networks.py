"""The networks that training fits, as torch modules that describe themselves in JSON."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import nn
from torch.nn import functional

from mien.errors import DataError
from mien.models import CARDS, Card

Shape: TypeAlias = tuple[int, ...]
"""One row of a network's input: (channels, side, side), or (dimension,)."""

Initial: TypeAlias = Literal["he-normal", "glorot-uniform"]
"""How the first weights are drawn: He et al. 2015, equation 10; Glorot and Bengio 2010, equation 16."""

MAX_WEIGHTS = 2**27
"""As float32 they fill 512 MiB, the most that a file of a bundle may have."""
MAX_SIDE = 1024

RESNET_STAGES = (64, 128, 256)
"""Channels of each stage of `resnet-small`; every stage but the first halves the side."""
RESNET_BLOCKS = 2
RESNET_DROPOUT = 0.2
RESNET_SIDE = 32
"""Larger pictures are pooled down to this side first, so that they do not cost a hundred times as much."""
FINETUNE_DROPOUT = 0.5

ALEXNET_NORM = (5, 5 * 1e-4, 0.75, 2.0)
"""Size, alpha, beta and k of Krizhevsky et al. 2012."""

STANDARDISE_FLOOR = 1.0
"""What `Standardise` adds to the variance, in squared grey levels."""

_NEARLY_ZERO = 1e-30
"""The zero of exported padding. ONNX Runtime merges padding with exact zeros into the pooling behind it, where it no
longer counts: the maximum of negative values and zeros would be negative (onnxruntime issue 18136)."""


class Standardise(nn.Module):
    """Each picture minus its mean, over its standard deviation, so that lighting and contrast drop out.

    `STANDARDISE_FLOOR` is added to the variance, so that a flat picture becomes zeros and not noise.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        axes = tuple(range(1, x.dim()))
        x = x - _mean(x, axes)
        return x / (_mean(x * x if torch.compiler.is_exporting() else x.square(), axes) + STANDARDISE_FLOOR).sqrt()


def _mean(x: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    if not torch.compiler.is_exporting():
        return x.mean(axes, keepdim=True)
    # ONNX Runtime sums a whole picture in float32 thirty times less exactly than torch, so one axis at a time.
    for axis in reversed(axes):
        x = x.mean(axis, keepdim=True)
    return x


class Scale(nn.Module):
    """Pixel values 0..255 to 0..1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 255


class PReLU(nn.Module):
    """PReLU (He et al. 2015) with one slope per position, as in Keras, starting at 0.

    The slopes have a batch axis of 1, so that channels-last reorders them like the picture.
    """

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1, *shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.compiler.is_exporting():
            return _onnx("PRelu", x, self.slope)
        slope = self.slope.to(x.dtype)
        if x.dim() == 2:
            return fast_prelu(x, slope[0])
        # Torch has one slope per channel: seen as a row, each position is a channel.
        rows = fast_prelu(x.permute(0, 2, 3, 1).flatten(1), slope.permute(0, 2, 3, 1).flatten())
        n, c, h, w = x.shape
        return rows.view(n, h, w, c).permute(0, 3, 1, 2)


def fast_prelu(x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """PReLU of rows (n, m) with one slope per column (m,), whose gradient takes few passes over memory.

    Torch's own gradient costs five times as much on a CPU in bfloat16, nearly a third of `fer-cnn`'s training.
    """
    return cast(torch.Tensor, _FastPReLU.apply(x, slope))  # type: ignore[no-untyped-call]


class _FastPReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, slope)
        return functional.prelu(x, slope)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, slope = ctx.saved_tensors
        above = torch.ops.aten.threshold_backward(gradient, x, 0)
        below = gradient - above
        return torch.addcmul(above, below, slope), below.mul_(x).sum(0)


class ZeroPad(nn.ZeroPad2d):
    """Zeros around a picture: left, right, top, bottom."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.pad(x, self.padding, value=_NEARLY_ZERO if torch.compiler.is_exporting() else 0.0)


class LocalResponseNorm(nn.LocalResponseNorm):
    """Torch's own computed faster: that one averages in three dimensions and leaves channels-last. `size` is odd.

    Krizhevsky et al. 2012, section 3.3, whose alpha multiplies the sum itself: theirs is ours over `size`.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.compiler.is_exporting():
            return _onnx("LRN", x, size=self.size, alpha=self.alpha, beta=self.beta, bias=self.k)
        c = x.shape[1]
        squares = functional.pad(x.square(), (0, 0, 0, 0, self.size // 2, self.size // 2))
        around = sum((squares[:, i : i + c] for i in range(1, self.size)), squares[:, :c])
        return x * (self.k + self.alpha / self.size * around) ** -self.beta


class GlobalAvgPool(nn.Sequential):
    """Each channel's mean."""

    def __init__(self) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Residual(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to the input, then ReLU (He et al. 2016).

    Where `stride` is 2 or the channels change, the input is averaged over 2x2 (if the stride is 2) and goes through a
    1x1 convolution and a batch normalisation (He et al. 2019, "Bag of Tricks", ResNet-D).
    """

    def __init__(self, channels: int, filters: int, stride: int = 1) -> None:
        super().__init__()
        projects = stride > 1 or channels != filters
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters)
        # At an odd edge the mean is of the pixels that exist.
        pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
        self.pool = pool if stride == 2 else nn.Identity()
        self.skip = nn.Conv2d(channels, filters, 1, bias=False) if projects else nn.Identity()
        self.norm = nn.BatchNorm2d(filters) if projects else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        return functional.relu(y + self.norm(self.skip(self.pool(x))), inplace=True)


class PaddedResidual(nn.Module):
    """The block by which dlib's face network halves a picture (its `ares_down`, without normalisation).

    A 3x3 convolution with stride 2 and no border and a second one with a border, added to the 2x2 means of the input,
    then ReLU; the smaller of the two gets zeros behind its channels, rows and columns.
    """

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, 2)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv2(functional.relu(self.conv1(x)))
        x = functional.avg_pool2d(x, 2)
        shape = tuple(max(sides) for sides in zip(x.shape[1:], y.shape[1:], strict=True))
        return functional.relu(_pad_to(x, shape) + _pad_to(y, shape))


def _pad_to(x: torch.Tensor, shape: Shape) -> torch.Tensor:
    """Zeros behind channels, rows and columns up to that shape."""
    more = [side - own for side, own in zip(shape, x.shape[1:], strict=True)]
    return functional.pad(x, (0, more[2], 0, more[1], 0, more[0])) if any(more) else x


def _onnx(operator: str, x: torch.Tensor, *inputs: torch.Tensor, **attributes: float) -> torch.Tensor:
    """One ONNX operator in an exported graph, where torch would write several: same shape out as in."""
    return torch.onnx.ops.symbolic(operator, (x, *inputs), {**attributes}, dtype=x.dtype, shape=x.shape)


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
    layers += [GlobalAvgPool(), nn.Dropout(RESNET_DROPOUT), nn.Linear(width, classes)]
    return Network("resnet-small", shape, *layers)


def finetune(shape: Shape, classes: int) -> Network:
    """The values of an inner layer of a pretrained network, through its last block, to each channel's mean."""
    channels, height, width = backbone(shape).layout or (1, 1, 1)
    return Network(
        "finetune",
        shape,
        nn.Unflatten(1, (channels, height, width)),
        PaddedResidual(channels, channels),
        *(GlobalAvgPool(), nn.BatchNorm1d(channels), nn.Dropout(FINETUNE_DROPOUT)),
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
