"""The methods that change what pixels hold, for all rows at once: amounts and tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from kornia.color import rgb_to_grayscale
from kornia.filters import get_gaussian_kernel1d
from torch.nn import functional

from mien.augment.draws import Keys, normals
from mien.images import decode, degrade, encode
from mien.types import Pixels

Column = npt.NDArray[np.float64]
_ANY_SIZE = float("inf")


def tone(batch: torch.Tensor, gain: Column, bias: Column) -> torch.Tensor:
    """Each row times its gain plus its bias, in place."""
    if (gain != 1).any():
        batch.mul_(column(gain, batch))
    if bias.any():
        batch.add_(column(bias, batch))
    return batch


def erase(batch: torch.Tensor, places: npt.NDArray[np.float64], fills: Column) -> torch.Tensor:
    """Rectangles filled in: `places` (n, 4) are width, height, x and y as shares, x and y of the room that is left."""
    height, width = batch.shape[-2:]
    across = _within(places[:, 0], places[:, 2], width, batch.device)
    down = _within(places[:, 1], places[:, 3], height, batch.device)
    inside = (down[:, :, None] & across[:, None, :])[:, None]
    return torch.where(inside, column(fills, batch), batch)


def noise(batch: torch.Tensor, deviations: Column, rows: Keys, stream: int) -> torch.Tensor:
    """Grain of so many grey levels, drawn by each row's key."""
    grain = normals(rows, stream, batch[0].numel()) * deviations[:, None].astype(np.float32)
    return batch + torch.from_numpy(grain).to(batch.device).view(batch.shape)


def grey(batch: torch.Tensor) -> torch.Tensor:
    """Three channels that hold the same; one channel stays as it is."""
    return rgb_to_grayscale(batch).repeat(1, 3, 1, 1) if batch.shape[1] == 3 else batch


def blur(batch: torch.Tensor, shares: Column, most: float) -> torch.Tensor:
    """A Gaussian whose deviation is this share of the longer side; the kernel reaches three times the largest one.

    Sums of shifted pictures, because a convolution's last digits depend on what else is in the batch.
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
    """Made smaller, as a small face in a photo is, and back to the size that it had."""
    return _as_pictures(batch, degrade, shares)


def jpeg(batch: torch.Tensor, qualities: Column) -> torch.Tensor:
    """Saved as a JPEG of this quality, by the coder that photos are saved with, and read again."""
    return _as_pictures(batch, _saved, qualities)


def on_rows(
    batch: torch.Tensor, rows: npt.NDArray[np.int64], change: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """`change` carried out on some rows, in place where it is not all of them."""
    if len(rows) == len(batch):
        return change(batch)
    index = torch.from_numpy(rows).to(batch.device)
    batch[index] = change(batch[index])
    return batch


def column(values: Column, batch: torch.Tensor) -> torch.Tensor:
    """A number a row, (n, 1, 1, 1), where the batch is."""
    return torch.from_numpy(values.astype(np.float32)).to(batch.device).view(-1, 1, 1, 1)


def _within(shares: Column, places: Column, side: int, device: torch.device) -> torch.Tensor:
    lengths = np.round(shares * side)
    starts = np.floor(places * (side - lengths + 1))
    spans = torch.from_numpy(np.stack([starts, starts + lengths])).to(device)
    pixels = torch.arange(side, device=device)
    return (pixels >= spans[0][:, None]) & (pixels < spans[1][:, None])


def _as_pictures(batch: torch.Tensor, change: Callable[[Pixels, float], Pixels], amounts: Column) -> torch.Tensor:
    """`change` carried out on each row as whole grey levels, (h, w, 3) or (h, w)."""
    whole = batch.round().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    pictures = whole if whole.shape[3] == 3 else whole[..., 0]
    made = np.stack([change(row, amount) for row, amount in zip(pictures, amounts, strict=True)])
    back = torch.from_numpy(made.reshape(whole.shape)).to(batch.device)
    return back.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)


def _saved(pixels: Pixels, quality: float) -> Pixels:
    read = decode(encode(pixels, "jpeg", round(quality)), max_megapixels=_ANY_SIZE).pixels
    return read if pixels.ndim == 3 else read[..., 0]
