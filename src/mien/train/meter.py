"""How an epoch goes while it runs, and who is told; knows losses and the clock, and no network."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from mien.train.job import Epoch, Progress

_PAUSE = 0.25
"""Seconds between two reports."""


class Meter:
    """Loss and accuracy since the epoch began, told to a watcher a few times a second.

    There may be so many `epochs`, of so many `batches` each.
    """

    def __init__(self, watch: Callable[[Progress], None] | None, epochs: int, batches: int) -> None:
        self._watch = watch
        self.epochs = epochs
        self._batches = batches
        self._told = -_PAUSE
        self.resume(0)

    def resume(self, done: int) -> None:
        """So many epochs were done by an earlier call."""
        self._done = done
        self._start = time.monotonic()
        self.begin(done)

    def begin(self, epoch: int) -> None:
        """An epoch (from 0) begins."""
        self._epoch = epoch
        self._began = time.monotonic()
        self._batch = self._rows = 0
        self._loss = 0.0
        self._right = torch.zeros((), dtype=torch.int64)

    def step(self, loss: float, right: torch.Tensor, rows: int) -> None:
        """One batch was learnt: its mean loss, how many of its rows were right (a tensor, read when needed)."""
        self._batch += 1
        self._rows += rows
        self._loss += loss * rows
        self._right = self._right.to(right.device) + right
        if time.monotonic() - self._told >= _PAUSE:
            self._tell(None, None)

    def end(self, ended: Epoch) -> None:
        """The epoch is over."""
        self._tell(ended, None)

    def note(self, note: str) -> None:
        """Something that the user should know at once."""
        self._tell(None, note)

    @property
    def loss(self) -> float:
        """The mean so far."""
        return self._loss / max(self._rows, 1)

    @property
    def accuracy(self) -> float:
        """The mean so far."""
        return float(self._right) / max(self._rows, 1)

    @property
    def seconds(self) -> float:
        """Since the epoch began."""
        return time.monotonic() - self._began

    def _tell(self, ended: Epoch | None, note: str | None) -> None:
        now = self._told = time.monotonic()
        if self._watch is None:
            return
        passed = (self._epoch - self._done) * self._batches + self._batch
        left = (self.epochs - self._epoch) * self._batches - self._batch
        self._watch(
            Progress(
                epoch=self._epoch + 1,
                epochs=self.epochs,
                batch=self._batch,
                batches=self._batches,
                loss=self.loss,
                accuracy=self.accuracy,
                images_per_second=self._rows / max(now - self._began, 1e-9),
                seconds_left=(now - self._start) / max(passed, 1) * left,
                ended=ended,
                note=note,
            )
        )
