"""Carries a policy out: draws what happens to each row, warps once, then changes pixels; knows no file and no face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from mien.augment import pixels
from mien.augment.draws import Keys, keys, uniforms
from mien.augment.geometry import MAPS, Affine, followed, identity, warp
from mien.augment.methods import GEOMETRY, METHODS
from mien.augment.policy import Policy, Step
from mien.types import Pixels

_DRAWS = 8
"""Numbers set aside for each step: whether, how far in up to two directions, and where."""

_AT_ONCE = 1 << 18
"""Values worked on at a time: what is being done to them stays in the processor's cache."""

_NEED_MEANS = frozenset({"contrast", "erasing"})

Column = npt.NDArray[np.float64]


def apply(policy: Policy, batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
    """A batch (n, c, h, w), float32 in 0..255, and a seed a row -> a new batch; `batch` itself is left as it is."""
    if batch.ndim != 4 or batch.shape[1] not in (1, 3) or batch.dtype != torch.float32:
        raise ValueError(f"a batch is float32 (n, 1 or 3, h, w), not {batch.dtype} {tuple(batch.shape)}")
    if len(seeds) != len(batch):
        raise ValueError(f"{len(batch)} pictures, but {len(seeds)} seeds")
    if not policy.steps or not batch.numel():
        return batch.clone()
    out = torch.empty_like(batch)
    with _one_thread():
        for some, made in _parts(policy, batch, keys(seeds)):
            torch.clamp(made, 0, 255, out=out[some])
    return out


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch from sharing this work out to its threads, which wait for each other longer than it takes.

    Whoever wants more of it at a time calls `apply` from threads of his own.
    """
    before = torch.get_num_threads()
    if before > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before > 1:
            torch.set_num_threads(before)


def pictures(policy: Policy, face: Pixels, seeds: Sequence[int]) -> Pixels:
    """A face (h, w, 3) or (h, w) -> one variant a seed, (n, h, w, 3) or (n, h, w)."""
    planes = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(face).transpose(2, 0, 1), dtype=np.float32))
    batch = planes.expand(len(seeds), *planes.shape)
    out = np.empty((len(seeds), *face.shape[:2], len(planes)), np.uint8)
    with _one_thread():
        for some, made in _parts(policy, batch, keys(seeds)):
            whole = made.clamp_(0, 255).round_().to(torch.uint8).numpy()
            for channel in range(len(planes)):  # three plain copies are faster than one that turns the axes round
                out[some, ..., channel] = whole[:, channel]
    return out if face.ndim == 3 else out[..., 0]


def _parts(policy: Policy, batch: torch.Tensor, rows: Keys) -> Iterator[tuple[slice, torch.Tensor]]:
    """Some rows of a batch at a time -> which they are, and their variants, of values that may lie outside 0..255."""
    drawn = _draw(policy, rows)
    shifts = _shifts(drawn, len(batch), (batch.shape[-2], batch.shape[-1]))
    size = max(1, _AT_ONCE // batch.shape[1:].numel()) if batch.device.type == "cpu" else len(batch)
    need_means = any(it.step.method in _NEED_MEANS for it in drawn)
    for start in range(0, len(batch), size):
        some = slice(start, start + size)
        tones = _Tones(batch[some], need_means)
        moved = warp(batch[some], shifts[some], policy.fill)
        yield some, _changed(moved, [it.only(some) for it in drawn], rows[some], tones)


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What was drawn for a step, a row each: whether it happens, how far, and the numbers (n, 8) in [0, 1) behind it.

    first, second: how far, for methods with two directions in both; where it does not happen, what changes nothing.
    """

    step: Step
    hit: npt.NDArray[np.bool_]
    first: Column
    second: Column
    numbers: npt.NDArray[np.float64]

    def only(self, some: slice) -> _Drawn:
        """For some of the rows."""
        return _Drawn(self.step, self.hit[some], self.first[some], self.second[some], self.numbers[some])


def _draw(policy: Policy, rows: Keys) -> list[_Drawn]:
    numbers = uniforms(rows, len(policy.steps) * _DRAWS).reshape(len(rows), len(policy.steps), _DRAWS)
    drawn = []
    for i, step in enumerate(policy.steps):
        own, neutral = numbers[:, i], METHODS[step.method].neutral
        hit = own[:, 0] < step.probability
        amounts = np.where(hit[:, None], step.low + (step.high - step.low) * own[:, 1:3], neutral)
        drawn.append(_Drawn(step, hit, amounts[:, 0], amounts[:, 1], own))
    return drawn


def _shifts(drawn: Sequence[_Drawn], n: int, size: tuple[int, int]) -> Affine:
    """All steps that move pixels as one map a row."""
    whole = identity(n)
    for it in drawn:
        if it.step.method in GEOMETRY:
            made = MAPS[it.step.method](it.first, it.second, size)
            whole = followed(whole, np.where(it.hit[:, None], made, identity(1)))
    return whole


def _changed(x: torch.Tensor, drawn: Sequence[_Drawn], rows: Keys, tones: _Tones) -> torch.Tensor:
    """All steps that change what pixels hold, in order; `x` may be written to."""
    for stream, it in enumerate(drawn):
        if it.step.method in GEOMETRY or not it.hit.any():
            continue
        if it.step.method == "brightness":
            tones.brighter(it.first)
        elif it.step.method == "contrast":
            tones.contrast(it.first)
        else:
            x = _one(tones.settle(x), it, rows, tones.means(), stream)
    return tones.settle(x)


class _Tones:
    """Brightness and contrast that are still to be carried out: both together cost one pass over the pixels."""

    def __init__(self, batch: torch.Tensor, needed: bool) -> None:
        n = len(batch)
        # Lines of whole grey levels are summed exactly in 32 bits, and these sums in 64: the same in every batch.
        sums = batch.sum(3).sum((1, 2), dtype=torch.float64).cpu().numpy() if needed else np.zeros(n)
        self._mean: Column = sums / batch.shape[1:].numel()
        self._gain, self._bias = np.ones(n), np.zeros(n)

    def brighter(self, factors: Column) -> None:
        self._gain, self._bias, self._mean = self._gain * factors, self._bias * factors, self._mean * factors

    def contrast(self, factors: Column) -> None:
        self._gain, self._bias = self._gain * factors, self._bias * factors + self._mean * (1 - factors)

    def means(self) -> Column:
        """The mean of each row as it will be."""
        return self._mean

    def settle(self, batch: torch.Tensor) -> torch.Tensor:
        """Carry them out, in place."""
        gain, bias = self._gain, self._bias
        self._gain, self._bias = np.ones_like(gain), np.zeros_like(bias)
        return pixels.tone(batch, gain, bias)


def _one(x: torch.Tensor, it: _Drawn, rows: Keys, means: Column, stream: int) -> torch.Tensor:
    method, hit, amounts = it.step.method, np.flatnonzero(it.hit), it.first[it.hit]
    if method == "erasing":
        return pixels.erase(x, np.column_stack([it.first, it.second, it.numbers[:, 3:5]]), means)
    if method == "noise":
        return pixels.on_rows(x, hit, lambda some: pixels.noise(some, amounts, rows[hit], stream))
    if method == "grey":
        return pixels.on_rows(x, hit, pixels.grey)
    if method == "blur":
        return pixels.on_rows(x, hit, lambda some: pixels.blur(some, amounts, it.step.high))
    if method == "resize":
        return pixels.on_rows(x, hit, lambda some: pixels.resize(some, amounts))
    return pixels.on_rows(x, hit, lambda some: pixels.jpeg(some, amounts))
