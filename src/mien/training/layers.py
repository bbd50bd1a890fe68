"""Layers of networks that PyTorch lacks, or that it trains or exports to ONNX less well."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

_NEARLY_ZERO = 1e-30
"""The zero of exported padding. ONNX Runtime merges padding with exact zeros into the pooling behind it, where it no
longer counts: the maximum of negative values and zeros would be negative (onnxruntime issue 18136)."""


class Standardise(nn.Module):
    """Each picture minus its mean, over its standard deviation, so that lighting and contrast drop out.

    One squared grey level is added to the variance, so that a flat picture becomes zeros and not noise.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        axes = tuple(range(1, x.dim()))
        x = x - _mean(x, axes)
        return x / (_mean(x * x if torch.compiler.is_exporting() else x.square(), axes) + 1.0).sqrt()


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


def _pad_to(x: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Zeros behind channels, rows and columns up to that shape."""
    more = [side - own for side, own in zip(shape, x.shape[1:], strict=True)]
    return functional.pad(x, (0, more[2], 0, more[1], 0, more[0])) if any(more) else x


def _onnx(operator: str, x: torch.Tensor, *inputs: torch.Tensor, **attributes: float) -> torch.Tensor:
    """One ONNX operator in an exported graph, where torch would write several: same shape out as in."""
    return torch.onnx.ops.symbolic(operator, (x, *inputs), {**attributes}, dtype=x.dtype, shape=x.shape)
