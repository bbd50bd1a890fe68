"""Curves as TensorBoard reads them; knows epochs, and nothing of how they are trained."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from mien.train.job import Epoch


class Events:
    """TensorBoard's event files of one training in a folder; what an earlier call left beyond epoch `done` is cut off.

    They are a convenience: a disk that is full ends them and nothing else.
    """

    def __init__(self, folder: Path, done: int) -> None:
        self._writer: SummaryWriter | None = None
        with suppress(OSError):
            self._writer = SummaryWriter(str(folder), purge_step=done + 1)

    def record(self, epoch: Epoch) -> None:
        """One epoch's loss, accuracy and learning rate."""
        values = {
            "loss/train": epoch.loss,
            "accuracy/train": epoch.accuracy,
            "loss/stop": epoch.stop_loss,
            "accuracy/stop": epoch.stop_accuracy,
            "learning rate": epoch.learning_rate,
        }
        try:
            if self._writer is not None:
                for name, value in values.items():
                    if value is not None:
                        self._writer.add_scalar(name, value, epoch.epoch)
                self._writer.flush()
        except OSError:
            self._writer = None

    def close(self) -> None:
        """Write what is still in memory."""
        with suppress(OSError):
            if self._writer is not None:
                self._writer.close()
