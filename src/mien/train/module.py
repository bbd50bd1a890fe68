"""An architecture as a torch module, and its weights as bytes; knows neither how it is trained nor where it is used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import torch
from safetensors import SafetensorError
from torch import nn
from torch.nn import functional

from mien.train.architecture import Architecture, Initial
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
from mien.train.slopes import prelu
from mien.types import Floats

FLAT = 1.0
"""What standardising adds to the variance, in square grey levels."""
NORM_SMALL = 1e-5
"""What batch normalisation adds to the variance."""


def build(architecture: Architecture) -> nn.Module:
    """Architecture -> module: float32 (n, *input), pictures as 0..255, -> logits (n, classes).

    The weights are drawn from torch's global generator. All of it may be brought to channels-last, which is faster.
    """
    inputs = zip(architecture.names, architecture.layers, architecture.shapes[:-1], strict=True)
    module = nn.Sequential(OrderedDict((name, _module(layer, shape)) for name, layer, shape in inputs))
    for each in module.modules():
        _initialise(each, architecture.initial)
    _glorot(module[-1])  # nothing cuts the logits off, so what He et al. make up for is not lost here
    for each in module.modules():
        if isinstance(each, _Residual):  # a block that begins as the identity trains better (Goyal et al. 2017)
            nn.init.zeros_(each.norm2.weight)
    return module


def count(module: nn.Module) -> int:
    """How many numbers training fits."""
    return sum(each.numel() for each in module.parameters())


def tensors(module: nn.Module) -> dict[str, Floats]:
    """Module -> its weights and running means by name, as copies: all that `restore` needs."""
    found = {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    return {name: np.array(tensor.float().cpu().numpy(), order="C") for name, tensor in found.items()}


def restore(architecture: Architecture, arrays: Mapping[str, npt.NDArray[Any]]) -> nn.Module:
    """Architecture and what `tensors` gave -> the same module.

    Raises:
        ValueError: the weights are not those of this architecture, or hold a value that is not finite.
    """
    module = build(architecture)
    own = {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    if other := own.keys() ^ arrays.keys():
        raise ValueError(f"the weights do not belong to the network {architecture.name}: see {min(other)!r}")
    for name, tensor in own.items():
        given = arrays[name]
        if given.dtype != np.float32 or given.shape != tuple(tensor.shape) or not np.isfinite(given).all():
            raise ValueError(f"the weights {name!r} are not finite numbers of the shape {tuple(tensor.shape)}")
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(np.array(given)))
    return module


def weights(module: nn.Module) -> bytes:
    """Module -> its weights as a safetensors file."""
    data: bytes = safetensors.numpy.save(tensors(module))
    return data


def loaded(architecture: Architecture, data: bytes) -> nn.Module:
    """Architecture and what `weights` gave -> the same module.

    Raises:
        ValueError: it is no such file, or not of this architecture.
    """
    try:
        arrays = safetensors.numpy.load(data)
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"this is no safetensors file: {error}") from error
    return restore(architecture, arrays)


def _module(layer: Layer, shape: Shape) -> nn.Module:
    match layer:
        case Reshape(channels, height, width):
            return nn.Unflatten(1, (channels, height, width))
        case Standardise():
            return _Standardise()
        case Scale():
            return _Scale()
        case Conv(filters, size, stride, padding, bias):
            return nn.Conv2d(shape[0], filters, size, stride, padding, bias=bias)
        case BatchNorm():
            return nn.BatchNorm2d(shape[0], NORM_SMALL) if len(shape) == 3 else nn.BatchNorm1d(shape[0], NORM_SMALL)
        case Relu():
            return nn.ReLU()
        case Prelu():
            return _Prelu(shape)
        case MaxPool(size, stride):
            return nn.MaxPool2d(size, stride)
        case AvgPool(size, stride):
            return nn.AvgPool2d(size, stride)
        case ZeroPadding(top, left, bottom, right):
            return nn.ZeroPad2d((left, right, top, bottom))
        case LocalResponseNorm():
            return _LocalResponseNorm(layer)
        case Dropout(rate):
            return nn.Dropout(rate)
        case Flatten():
            return nn.Flatten()
        case Dense(units):
            return nn.Linear(shape[0], units)
        case Residual(filters, stride):
            return _Residual(shape[0], filters, stride, projects=layer.projects(shape[0]))
        case PaddedResidual(filters):
            return _PaddedResidual(shape[0], filters)
        case GlobalAvgPool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    raise ValueError(f"there is no module for {layer}")


class _Standardise(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        every = tuple(range(1, x.dim()))
        x = x - x.mean(every, keepdim=True)
        return x / (x.square().mean(every, keepdim=True) + FLAT).sqrt()


class _Scale(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 255


class _Prelu(nn.Module):
    """The slopes have a batch of 1, so that they are laid out as the picture is when all goes to channels-last."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1, *shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        slope = self.slope.to(x.dtype)
        if x.dim() == 2:
            return prelu(x, slope[0])
        # Torch has a slope a channel: seen as one row, each position is a channel.
        rows = prelu(x.permute(0, 2, 3, 1).flatten(1), slope.permute(0, 2, 3, 1).flatten())
        n, c, h, w = x.shape
        return rows.view(n, h, w, c).permute(0, 3, 1, 2)


class _LocalResponseNorm(nn.Module):
    """Faster than torch's own, which averages in three dimensions and leaves channels-last."""

    def __init__(self, layer: LocalResponseNorm) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size, c = self.layer.size, x.shape[1]
        squares = functional.pad(x.square(), (0, 0, 0, 0, size // 2, size // 2))
        around = sum((squares[:, i : i + c] for i in range(1, size)), squares[:, :c])
        return x * (self.layer.k + self.layer.alpha / size * around) ** -self.layer.beta


class _Residual(nn.Module):
    def __init__(self, channels: int, filters: int, stride: int, *, projects: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(filters, NORM_SMALL)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters, NORM_SMALL)
        # At an odd edge the mean is of the pixels that there are.
        pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
        self.pool = pool if stride == 2 else nn.Identity()
        self.skip = nn.Conv2d(channels, filters, 1, bias=False) if projects else nn.Identity()
        self.norm = nn.BatchNorm2d(filters, NORM_SMALL) if projects else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        return functional.relu(y + self.norm(self.skip(self.pool(x))), inplace=True)


class _PaddedResidual(nn.Module):
    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, 2)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv2(functional.relu(self.conv1(x)))
        x = functional.avg_pool2d(x, 2)
        whole = tuple(max(sides) for sides in zip(x.shape[1:], y.shape[1:], strict=True))
        return functional.relu(_padded(x, whole) + _padded(y, whole))


def _padded(x: torch.Tensor, whole: Shape) -> torch.Tensor:
    """Zeros behind channels, rows and columns up to that shape."""
    more = [side - own for side, own in zip(whole, x.shape[1:], strict=True)]
    return functional.pad(x, (0, more[2], 0, more[1], 0, more[0])) if any(more) else x


def _initialise(module: nn.Module, initial: Initial) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        if initial == "he-normal":
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        else:
            nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _glorot(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
