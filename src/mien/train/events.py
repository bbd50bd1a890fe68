"""Curves as TensorBoard reads them; knows epochs, and nothing of how they are trained."""

from __future__ import annotations

import time
from contextlib import suppress
from io import BufferedWriter
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from mien.train.job import Epoch


class Events:
    """TensorBoard's event files of one training in a folder; what an earlier call left beyond epoch `done` is cut off.

    They are a convenience: a disk that is full ends them and nothing else. They are written here and now, for
    TensorBoard's own writer has a thread, which fails with a traceback of its own.
    """

    def __init__(self, folder: Path, done: int) -> None:
        self._file: BufferedWriter | None = None
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / f"events.out.tfevents.{time.time_ns()}").open("xb")
        self._write(
            Event(file_version="brain.Event:2"),
            Event(step=done + 1, session_log=SessionLog(status=SessionLog.START)),
        )

    def record(self, epoch: Epoch) -> None:
        """One epoch's loss, accuracy and learning rate."""
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

    def _write(self, *events: Event) -> None:
        if self._file is None:
            return
        try:
            for event in events:
                event.wall_time = time.time()
                RecordWriter(self._file).write(event.SerializeToString())
            self._file.flush()
        except OSError:
            self.close()
