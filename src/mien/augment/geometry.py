"""The methods that move pixels, fused into one warp a picture: amounts and tensors in, tensors out.

`kornia.geometry.transform.warp_affine` gives the same pictures and takes several times as long for small faces: it
builds its grid by a matrix product for each pixel, where two sums do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from mien.augment.policy import Fill

Column = npt.NDArray[np.float64]
Affine = npt.NDArray[np.float64]
"""Maps (x, y) -> (a x + b y + c, d x + e y + f) of the plane, in pixels from the picture's middle: (n, 6), a to f."""

_PADDING: Mapping[Fill, str] = {"reflect": "reflection", "edge": "border"}
_STILL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def identity(n: int) -> Affine:
    """Maps that move nothing."""
    return np.tile(_STILL, (n, 1))


def followed(first: Affine, after: Affine) -> Affine:
    """The maps `first`, and then `after`."""
    a, b, c, d, e, f = first.T
    linear = after[:, [0, 3]]
    across, down = np.stack([a, b, c], 1), np.stack([d, e, f], 1)
    out = np.concatenate([linear[:, [i]] * across + after[:, [3 * i + 1]] * down for i in (0, 1)], 1)
    out[:, [2, 5]] += after[:, [2, 5]]
    return out


def inverse(maps: Affine) -> Affine:
    """The maps back."""
    a, b, c, d, e, f = maps.T
    scale = 1 / (a * e - b * d)
    a, b, d, e = e * scale, -b * scale, -d * scale, a * scale
    return np.stack([a, b, -(a * c + b * f), d, e, -(d * c + e * f)], 1)


def _of(n: int, **columns: Column | float) -> Affine:
    maps = identity(n)
    for name, values in columns.items():
        maps[:, "abcdef".index(name)] = values
    return maps


def _rotate(degrees: Column, _: Column, __: tuple[int, int]) -> Affine:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return _of(len(degrees), a=cosine, b=-sine, d=sine, e=cosine)


MAPS: Mapping[str, Callable[[Column, Column, tuple[int, int]], Affine]] = {
    "scale": lambda factor, _, __: _of(len(factor), a=factor, e=factor),
    "flip": lambda any_, _, __: _of(len(any_), a=-1.0),
    "translate": lambda across, down, size: _of(len(across), c=across * size[1], f=down * size[0]),
    "rotate": _rotate,
    "shear": lambda share, _, __: _of(len(share), b=share),
    "zoom": lambda across, down, _: _of(len(across), a=across, e=down),
}
"""A method's name -> how far in each row, once or in two directions, and the picture's (height, width) -> maps."""


def warp(batch: torch.Tensor, maps: Affine, fill: Fill) -> torch.Tensor:
    """A batch (n, c, h, w) and a map a row -> the moved pictures, bilinear; rows that do not move are copied."""
    moved = np.flatnonzero((maps != _STILL).any(1))
    if len(moved) == len(batch):
        return _sampled(batch, maps, fill)
    out = batch.clone()
    if len(moved):
        index = torch.from_numpy(moved).to(batch.device)
        out[index] = _sampled(batch[index], maps[moved], fill)
    return out


def _sampled(batch: torch.Tensor, maps: Affine, fill: Fill) -> torch.Tensor:
    n, _, height, width = batch.shape
    # grid_sample counts from -1 at the outer edge of the first pixel to 1 at that of the last.
    tall = height / width
    theta = inverse(maps) * (1, tall, 2 / width, 1 / tall, 1, 2 / height)
    a, b, c, d, e, f = torch.from_numpy(theta.T.astype(np.float32)).to(batch.device)[:, :, None]
    x, y = _centres(width, batch.device), _centres(height, batch.device)
    grid = torch.empty(n, height, width, 2, device=batch.device)
    torch.add((a * x)[:, None, :], (b * y + c)[:, :, None], out=grid[..., 0])
    torch.add((d * x)[:, None, :], (e * y + f)[:, :, None], out=grid[..., 1])
    return functional.grid_sample(batch, grid, mode="bilinear", padding_mode=_PADDING[fill], align_corners=False)


@lru_cache(maxsize=32)
def _centres(side: int, device: torch.device) -> torch.Tensor:
    return (2 * torch.arange(side, device=device, dtype=torch.float32) + 1) / side - 1
