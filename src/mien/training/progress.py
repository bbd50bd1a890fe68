"""How a training goes while it runs: the record of each epoch, reports to a watcher, and TensorBoard's events."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Any

import torch

_PAUSE = 0.25
"""Seconds between two reports."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The results of one epoch, from which curves are drawn; `stop_*` are None without rows for early stopping.

    `loss` and `accuracy` are of the rows as they were learnt from, augmented and while the network changed.
    `learning_rate` is that of the last step; `seconds` are of the whole epoch.
    """

    epoch: int
    loss: float
    accuracy: float
    stop_loss: float | None
    stop_accuracy: float | None
    learning_rate: float
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Every field, as strict JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where training stands: `epoch` of `epochs` (from 1), `batch` of `batches`, and the epoch's means so far.

    `seconds_left` is until the last possible epoch. `ended` is the epoch's record once it is over. `note` is something
    that the user should know at once.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    images_per_second: float
    seconds_left: float
    ended: Epoch | None = None
    note: str | None = None


class Meter:
    """Loss and accuracy since the epoch began, reported a few times a second.

    There are at most `epochs` epochs, of `batches` batches each.
    """

    def __init__(self, report: Callable[[TrainingProgress], None] | None, epochs: int, batches: int) -> None:
        self._report = report
        self.epochs = epochs
        self._batches = batches
        self._reported = -_PAUSE
        self.resume(0)

    def resume(self, done: int) -> None:
        """That many epochs were done by an earlier call."""
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
        """One batch was learnt: its mean loss, and how many of its rows were right (a tensor, read when needed)."""
        self._batch += 1
        self._rows += rows
        self._loss += loss * rows
        self._right = self._right.to(right.device) + right
        if time.monotonic() - self._reported >= _PAUSE:
            self._send(None, None)

    def end(self, ended: Epoch) -> None:
        """The epoch is over."""
        self._send(ended, None)

    def note(self, note: str) -> None:
        """Something that the user should know at once."""
        self._send(None, note)

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

    def _send(self, ended: Epoch | None, note: str | None) -> None:
        now = self._reported = time.monotonic()
        if self._report is None:
            return
        done = (self._epoch - self._done) * self._batches + self._batch
        left = (self.epochs - self._epoch) * self._batches - self._batch
        self._report(
            TrainingProgress(
                epoch=self._epoch + 1,
                epochs=self.epochs,
                batch=self._batch,
                batches=self._batches,
                loss=self.loss,
                accuracy=self.accuracy,
                images_per_second=self._rows / max(now - self._began, 1e-9),
                seconds_left=(now - self._start) / max(done, 1) * left,
                ended=ended,
                note=note,
            )
        )


class EventLog:
    """TensorBoard's event file of one training in a folder; what an earlier call left beyond epoch `done` is cut off.

    It is a convenience: a full disk ends it and nothing else. `SummaryWriter` has a thread, which then fails with a
    traceback on the user's terminal (docs/decisions/017), so records are written here directly.
    """

    def __init__(self, folder: Path, done: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        self._file: BufferedWriter | None = None
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / f"events.out.tfevents.{time.time_ns()}").open("xb")
        self._write(Event(file_version="brain.Event:2"))
        self._write(Event(step=done + 1, session_log=SessionLog(status=SessionLog.START)))

    def record(self, epoch: Epoch) -> None:
        """One epoch's loss, accuracy and learning rate."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = {
            "loss/train": epoch.loss,
            "accuracy/train": epoch.accuracy,
            "loss/stop": epoch.stop_loss,
            "accuracy/stop": epoch.stop_accuracy,
            "learning rate": epoch.learning_rate,
        }
        known = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if value is not None]
        self._write(Event(step=epoch.epoch, summary=Summary(value=known)))

    def close(self) -> None:
        """No epoch follows."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _write(self, event: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        if self._file is None:
            return
        event.wall_time = time.time()
        try:
            RecordWriter(self._file).write(event.SerializeToString())
            self._file.flush()
        except OSError:
            self.close()
