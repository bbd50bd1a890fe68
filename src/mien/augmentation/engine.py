"""Applies a policy: draws random numbers for each row, warps once, then changes pixel values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from mien.augmentation import transforms
from mien.augmentation.keyed_random import Keys, keys, uniforms
from mien.augmentation.policy import GEOMETRY, METHODS, Policy, Step
from mien.augmentation.transforms import MAPS, Affine, Column, compose, identity, warp
from mien.types import Pixels

_NUMBERS = 8  # for each step: whether, how far in up to two directions, and where
_CHUNK = 1 << 18  # values worked on at a time, so that they stay in the processor's cache

_NEED_MEANS = frozenset({"contrast", "erasing"})


def apply(policy: Policy, batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
    """A batch (n, c, h, w), float32 in 0..255, and a seed for each row -> a new batch; `batch` is not modified."""
    if batch.ndim != 4 or batch.shape[1] not in (1, 3) or batch.dtype != torch.float32:
        raise ValueError(f"a batch is float32 (n, 1 or 3, h, w), not {batch.dtype} {tuple(batch.shape)}")
    if len(seeds) != len(batch):
        raise ValueError(f"{len(batch)} pictures, but {len(seeds)} seeds")
    if not policy.steps or not batch.numel():
        return batch.clone()
    out = torch.empty_like(batch)
    with _one_thread():
        for rows, changed in _chunks(policy, batch, keys(seeds)):
            torch.clamp(changed, 0, 255, out=out[rows])
    return out


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch from using several threads, which would wait for each other longer than the work takes.

    To use more cores, call `apply` from several threads.
    """
    before = torch.get_num_threads()
    if before > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before > 1:
            torch.set_num_threads(before)


def variants(policy: Policy, face: Pixels, seeds: Sequence[int]) -> Pixels:
    """A face (h, w, 3) or (h, w) -> one variant for each seed, (n, h, w, 3) or (n, h, w)."""
    planes = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(face).transpose(2, 0, 1), dtype=np.float32))
    batch = planes.expand(len(seeds), *planes.shape)
    out = np.empty((len(seeds), *face.shape[:2], len(planes)), np.uint8)
    with _one_thread():
        for rows, changed in _chunks(policy, batch, keys(seeds)):
            whole = changed.clamp_(0, 255).round_().to(torch.uint8).numpy()
            for channel in range(len(planes)):  # three plain copies are faster than one transposed copy
                out[rows, ..., channel] = whole[:, channel]
    return out if face.ndim == 3 else out[..., 0]


def _chunks(policy: Policy, batch: torch.Tensor, row_keys: Keys) -> Iterator[tuple[slice, torch.Tensor]]:
    """Slices of the rows, and the variants of these, whose values may be outside 0..255."""
    draws = _draw(policy, row_keys)
    maps = _maps(draws, len(batch), (batch.shape[-2], batch.shape[-1]))
    size = max(1, _CHUNK // batch.shape[1:].numel()) if batch.device.type == "cpu" else len(batch)
    need_means = any(draw.step.method in _NEED_MEANS for draw in draws)
    for start in range(0, len(batch), size):
        rows = slice(start, start + size)
        tones = _Tones(batch[rows], need_means)
        warped = warp(batch[rows], maps[rows], policy.fill)
        yield rows, _change(warped, [draw.only(rows) for draw in draws], row_keys[rows], tones)


@dataclass(frozen=True, slots=True, eq=False)
class _StepDraw:
    """The random draw for a step, by row: whether it happens, how far, and the numbers (n, 8) in [0, 1) behind it.

    first, second: the amounts, in two directions if the method has two; the neutral value where it does not happen.
    """

    step: Step
    hit: npt.NDArray[np.bool_]
    first: Column
    second: Column
    numbers: npt.NDArray[np.float64]

    def only(self, rows: slice) -> _StepDraw:
        """The draw for some of the rows."""
        return _StepDraw(self.step, self.hit[rows], self.first[rows], self.second[rows], self.numbers[rows])


def _draw(policy: Policy, row_keys: Keys) -> list[_StepDraw]:
    numbers = uniforms(row_keys, len(policy.steps) * _NUMBERS).reshape(len(row_keys), len(policy.steps), _NUMBERS)
    draws = []
    for i, step in enumerate(policy.steps):
        own, neutral = numbers[:, i], METHODS[step.method].neutral
        hit = own[:, 0] < step.probability
        amounts = np.where(hit[:, None], step.low + (step.high - step.low) * own[:, 1:3], neutral)
        draws.append(_StepDraw(step, hit, amounts[:, 0], amounts[:, 1], own))
    return draws


def _maps(draws: Sequence[_StepDraw], n: int, size: tuple[int, int]) -> Affine:
    """All steps that move pixels, as one map for each row."""
    maps = identity(n)
    for draw in draws:
        if draw.step.method in GEOMETRY:
            step_maps = MAPS[draw.step.method](draw.first, draw.second, size)
            maps = compose(maps, np.where(draw.hit[:, None], step_maps, identity(1)))
    return maps


def _change(x: torch.Tensor, draws: Sequence[_StepDraw], row_keys: Keys, tones: _Tones) -> torch.Tensor:
    """Apply all steps that change pixel values, in order; `x` may be modified."""
    for stream, draw in enumerate(draws):
        if draw.step.method in GEOMETRY or not draw.hit.any():
            continue
        if draw.step.method == "brightness":
            tones.brightness(draw.first)
        elif draw.step.method == "contrast":
            tones.contrast(draw.first)
        else:
            x = _apply_step(tones.apply_to(x), draw, row_keys, tones.mean, stream)
    return tones.apply_to(x)


class _Tones:
    """Pending changes of brightness and contrast, in one pass; `mean` is that of each row after them."""

    def __init__(self, batch: torch.Tensor, needed: bool) -> None:
        n = len(batch)
        # Rows of integer grey levels are summed exactly in 32 bits, and these sums in 64: equal in every batch.
        sums = batch.sum(3).sum((1, 2), dtype=torch.float64).cpu().numpy() if needed else np.zeros(n)
        self.mean: Column = sums / batch.shape[1:].numel()
        self._gain, self._bias = np.ones(n), np.zeros(n)

    def brightness(self, factors: Column) -> None:
        self._gain, self._bias, self.mean = self._gain * factors, self._bias * factors, self.mean * factors

    def contrast(self, factors: Column) -> None:
        self._gain, self._bias = self._gain * factors, self._bias * factors + self.mean * (1 - factors)

    def apply_to(self, batch: torch.Tensor) -> torch.Tensor:
        """Apply the pending changes, in place."""
        gain, bias = self._gain, self._bias
        self._gain, self._bias = np.ones_like(gain), np.zeros_like(bias)
        return transforms.tone(batch, gain, bias)


def _apply_step(x: torch.Tensor, draw: _StepDraw, row_keys: Keys, means: Column, stream: int) -> torch.Tensor:
    method, hit, amounts = draw.step.method, np.flatnonzero(draw.hit), draw.first[draw.hit]
    if method == "erasing":
        return transforms.erase(x, np.column_stack([draw.first, draw.second, draw.numbers[:, 3:5]]), means)
    changes: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "noise": lambda rows: transforms.noise(rows, amounts, row_keys[hit], stream),
        "grey": transforms.grey,
        "blur": lambda rows: transforms.blur(rows, amounts, draw.step.high),
        "resize": lambda rows: transforms.resize(rows, amounts),
        "jpeg": lambda rows: transforms.jpeg(rows, amounts),
    }
    return transforms.on_rows(x, hit, changes[method])
