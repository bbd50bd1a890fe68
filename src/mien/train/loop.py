"""The one trainer: a module, rows and settings to the best weights; knows no recipe, no picture file and no bundle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from mien.errors import DataError
from mien.train.checkpoint import Checkpoint, digest
from mien.train.device import place, repeatable
from mien.train.job import Fitted, Rows, Run
from mien.train.memory import kept
from mien.train.settings import Settings
from mien.train.training import Training

if TYPE_CHECKING:
    from mien.train.events import Events


def fit_module(module: torch.nn.Module, rows: Rows, settings: Settings, run: Run) -> Fitted:
    """A module (trained in place), rows, settings -> its best weights and how it came to them.

    Training goes on where a call with the same module, rows, settings and seed was killed, and ends with the same
    weights, to the last bit, as an undisturbed one. The best epoch is the one with the highest accuracy on the stop
    rows, and among equal ones that with the lowest loss: the loss alone rises with a network's confidence long before
    its answers get worse.

    Raises:
        DataError: there is too little to learn from, the loss is no number, or the folder cannot be written.
    """
    _check(rows)
    where = place(crops=rows.crops)
    with kept(), repeatable(where, run.threads):
        training = Training(module, rows, settings, run, where)
        checkpoint = _checkpoint(module, rows, settings, run)
        if checkpoint is not None and (saved := checkpoint.load()):
            training.restore(saved)
        ended = _train(training, settings, run, checkpoint)
        seconds = sum(epoch.seconds for epoch in training.curves)
        samples = training.done * training.rows_an_epoch
        return Fitted(
            module=training.finish(),
            curves=training.curves,
            best_epoch=training.best_epoch,
            epochs=training.done,
            ended=ended,
            seconds=seconds,
            images_per_second=samples / max(seconds, 1e-9),
            samples=samples,
            notes=tuple(checkpoint.notes) if checkpoint else (),
        )


def _check(rows: Rows) -> None:
    if len(rows.train) < 2 or len(np.unique(rows.y[rows.train])) < 2:
        raise DataError(
            f"there are {len(rows.train)} photos to train a network on, of"
            f" {len(np.unique(rows.y[rows.train]))} classes: give photos of at least two classes"
        )
    broken = 0 if rows.crops else int((~np.isfinite(rows.inputs)).any(axis=1).sum())
    if broken:
        raise DataError(
            f"{broken} of {len(rows.inputs)} vectors hold values that are not finite: embed the photos anew"
        )


def _checkpoint(module: torch.nn.Module, rows: Rows, settings: Settings, run: Run) -> Checkpoint | None:
    if run.folder is None:
        return None
    return Checkpoint(run.folder, digest(module, rows, settings, run), run.save_seconds)


def _train(training: Training, settings: Settings, run: Run, checkpoint: Checkpoint | None) -> str:
    """Epoch after epoch -> why there were no more."""
    start = time.monotonic() - sum(epoch.seconds for epoch in training.curves)
    events = _events(checkpoint, training.done)
    try:
        while not (ended := _end(training, settings, run, time.monotonic() - start)):
            epoch = training.epoch()
            if events is not None:
                events.record(epoch)
            training.meter.end(epoch)
            if training.done == 1 and training.shortened:
                training.meter.note(f"{training.epochs} of {training.most} epochs fit in the time")
            if checkpoint is not None and checkpoint.due():
                note = checkpoint.save(training.state(), training.curves)
                if note is not None:
                    training.meter.note(note)
    finally:
        if events is not None:
            events.close()
    if checkpoint is not None:
        checkpoint.remove()
    return ended


def _end(training: Training, settings: Settings, run: Run, seconds: float) -> str | None:
    if training.done >= training.epochs:
        return "minutes" if training.shortened else "epochs"
    limits = [minutes for minutes in (run.minutes, run.limit) if minutes is not None]
    if training.done and limits and seconds >= min(limits) * 60:
        return "minutes"
    if settings.patience and training.waited >= settings.patience:
        return "patience"
    return None


def _events(checkpoint: Checkpoint | None, done: int) -> Events | None:
    if checkpoint is None:
        return None
    from mien.train.events import Events

    return Events(checkpoint.events, done)
