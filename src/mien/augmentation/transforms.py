"""The methods on tensors: those that move pixels, fused into one warp, and those that change their values.

`kornia.geometry.transform.warp_affine` gives the same pictures and takes several times as long for small faces: it
builds its grid by a matrix product for each pixel, where two sums do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from kornia.color import rgb_to_grayscale
from kornia.filters import get_gaussian_kernel1d
from torch.nn import functional

from mien.augmentation.keyed_random import Keys, normals
from mien.augmentation.policy import Fill
from mien.images import decode, degrade, encode
from mien.types import Pixels

Column = npt.NDArray[np.float64]
"""One number for each row of a batch."""

Affine = npt.NDArray[np.float64]
"""Maps (x, y) -> (a x + b y + c, d x + e y + f) of the plane, in pixels from the picture's middle: (n, 6), a to f."""

_ANY_SIZE = float("inf")
_PADDING: Mapping[Fill, str] = {"reflect": "reflection", "edge": "border"}
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def identity(n: int) -> Affine:
    """Maps that change nothing."""
    return np.tile(_IDENTITY, (n, 1))


def compose(first: Affine, after: Affine) -> Affine:
    """The maps that apply `first`, then `after`."""
    a, b, c, d, e, f = first.T
    linear = after[:, [0, 3]]
    across, down = np.stack([a, b, c], 1), np.stack([d, e, f], 1)
    out = np.concatenate([linear[:, [i]] * across + after[:, [3 * i + 1]] * down for i in (0, 1)], 1)
    out[:, [2, 5]] += after[:, [2, 5]]
    return out


def inverse(maps: Affine) -> Affine:
    """The inverse maps."""
    a, b, c, d, e, f = maps.T
    scale = 1 / (a * e - b * d)
    a, b, d, e = e * scale, -b * scale, -d * scale, a * scale
    return np.stack([a, b, -(a * c + b * f), d, e, -(d * c + e * f)], 1)


def _affine(n: int, **columns: Column | float) -> Affine:
    maps = identity(n)
    for name, values in columns.items():
        maps[:, "abcdef".index(name)] = values
    return maps


def _rotate(degrees: Column, _: Column, __: tuple[int, int]) -> Affine:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return _affine(len(degrees), a=cosine, b=-sine, d=sine, e=cosine)


MAPS: Mapping[str, Callable[[Column, Column, tuple[int, int]], Affine]] = {
    "scale": lambda factor, _, __: _affine(len(factor), a=factor, e=factor),
    "flip": lambda unused, _, __: _affine(len(unused), a=-1.0),
    "translate": lambda across, down, size: _affine(len(across), c=across * size[1], f=down * size[0]),
    "rotate": _rotate,
    "shear": lambda share, _, __: _affine(len(share), b=share),
    "zoom": lambda across, down, _: _affine(len(across), a=across, e=down),
}
"""By method: the amounts of each row, in one or two directions, and the picture's (height, width) -> maps."""


def warp(batch: torch.Tensor, maps: Affine, fill: Fill) -> torch.Tensor:
    """A batch (n, c, h, w) and a map for each row -> warped pictures, bilinear; rows that do not move are copied."""
    moved = np.flatnonzero((maps != _IDENTITY).any(1))
    out = batch if len(moved) == len(batch) else batch.clone()
    return on_rows(out, moved, lambda rows: _sample(rows, maps[moved], fill)) if len(moved) else out


def _sample(batch: torch.Tensor, maps: Affine, fill: Fill) -> torch.Tensor:
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


def tone(batch: torch.Tensor, gain: Column, bias: Column) -> torch.Tensor:
    """Each row times its gain plus its bias, in place."""
    if (gain != 1).any():
        batch.mul_(column(gain, batch))
    if bias.any():
        batch.add_(column(bias, batch))
    return batch


def erase(batch: torch.Tensor, places: npt.NDArray[np.float64], fills: Column) -> torch.Tensor:
    """Fill rectangles: `places` (n, 4) are width, height, x and y as shares, x and y of the space that is left."""
    height, width = batch.shape[-2:]
    across = _inside(places[:, 0], places[:, 2], width, batch.device)
    down = _inside(places[:, 1], places[:, 3], height, batch.device)
    inside = (down[:, :, None] & across[:, None, :])[:, None]
    return torch.where(inside, column(fills, batch), batch)


def noise(batch: torch.Tensor, deviations: Column, rows: Keys, stream: int) -> torch.Tensor:
    """Add noise of these deviations in grey levels, drawn by each row's key."""
    grain = normals(rows, stream, batch[0].numel()) * deviations[:, None].astype(np.float32)
    return batch + torch.from_numpy(grain).to(batch.device).view(batch.shape)


def grey(batch: torch.Tensor) -> torch.Tensor:
    """Make the three channels equal; a single channel stays as it is."""
    return rgb_to_grayscale(batch).repeat(1, 3, 1, 1) if batch.shape[1] == 3 else batch


def blur(batch: torch.Tensor, shares: Column, most: float) -> torch.Tensor:
    """Gaussian blur whose deviation is this share of the longer side; the kernel reaches three times the largest one.

    Computed as sums of shifted pictures, because a convolution's last digits depend on the rest of the batch.
    """
    side = max(batch.shape[-2:])
    reach = int(np.ceil(3 * most * side))
    deviations = torch.from_numpy(np.maximum(shares * side, 1e-3).astype(np.float32)).to(batch.device)
    weights = get_gaussian_kernel1d(2 * reach + 1, deviations[:, None])[:, reach:, None, None, None]
    for axis, pad in ((3, (reach, reach, 0, 0)), (2, (0, 0, reach, reach))):
        wide, length = functional.pad(batch, pad, mode="replicate"), batch.shape[axis]
        batch = wide.narrow(axis, reach, length) * weights[:, 0]
        for far in range(1, reach + 1):
            both = wide.narrow(axis, reach - far, length) + wide.narrow(axis, reach + far, length)
            batch.add_(both.mul_(weights[:, far]))
    return batch


def resize(batch: torch.Tensor, shares: Column) -> torch.Tensor:
    """Reduce the size, as of a small face in a photo, and enlarge it again."""
    return _as_pictures(batch, degrade, shares)


def jpeg(batch: torch.Tensor, qualities: Column) -> torch.Tensor:
    """Encode as JPEG of this quality, by the encoder that photos are saved with, and decode again."""
    return _as_pictures(batch, _recompressed, qualities)


def on_rows(
    batch: torch.Tensor, rows: npt.NDArray[np.int64], change: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Apply `change` to some rows, in place unless these are all of them."""
    if len(rows) == len(batch):
        return change(batch)
    index = torch.from_numpy(rows).to(batch.device)
    batch[index] = change(batch[index])
    return batch


def column(values: Column, batch: torch.Tensor) -> torch.Tensor:
    """A number for each row (n, 1, 1, 1), on the batch's device."""
    return torch.from_numpy(values.astype(np.float32)).to(batch.device).view(-1, 1, 1, 1)


def _inside(shares: Column, places: Column, side: int, device: torch.device) -> torch.Tensor:
    lengths = np.round(shares * side)
    starts = np.floor(places * (side - lengths + 1))
    spans = torch.from_numpy(np.stack([starts, starts + lengths])).to(device)
    pixels = torch.arange(side, device=device)
    return (pixels >= spans[0][:, None]) & (pixels < spans[1][:, None])


def _as_pictures(batch: torch.Tensor, change: Callable[[Pixels, float], Pixels], amounts: Column) -> torch.Tensor:
    """Apply `change` to each row as uint8 pixels, (h, w, 3) or (h, w)."""
    whole = batch.round().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    pictures = whole if whole.shape[3] == 3 else whole[..., 0]
    changed = np.stack([change(row, amount) for row, amount in zip(pictures, amounts, strict=True)])
    back = torch.from_numpy(changed.reshape(whole.shape)).to(batch.device)
    return back.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)


def _recompressed(pixels: Pixels, quality: float) -> Pixels:
    read = decode(encode(pixels, "jpeg", round(quality)), max_megapixels=_ANY_SIZE).pixels
    return read if pixels.ndim == 3 else read[..., 0]
