"""The trainer: a module, rows and settings to the module with its best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel

from mien.errors import DataError
from mien.text import pluralize
from mien.training.batches import Batches, Sampling, TrainingRows, class_weights, epoch_seed, sample_epoch, score
from mien.training.checkpoint import Arrays, Checkpoint, TrainingState, digest
from mien.training.device import TrainingDevice, deterministic, move, pick_device, retain_freed_memory
from mien.training.progress import Epoch, EventLog, Meter
from mien.training.settings import TrainerOptions, TrainingSettings
from mien.types import Ints

AVERAGE_EVERY = 4
"""Steps between two updates of the average: rarer ones cost less, and over hundreds of steps it makes no difference."""

_MOST_SKIPPED = 3
"""This many steps in a row may have no finite loss and are skipped; with one more, training has failed."""

_State: TypeAlias = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModule:
    """The module with its best weights (averaged ones if the settings say so), in evaluation mode, on the CPU.

    `best_epoch` counts from 1; `epochs` were done; `ended` says why there were no more: "epochs", "patience" or
    "minutes". `samples` were seen at `images_per_second`; `seconds` are of all epochs, those before a kill too.
    """

    module: torch.nn.Module
    curves: tuple[Epoch, ...]
    best_epoch: int
    epochs: int
    ended: str
    seconds: float
    images_per_second: float
    samples: int
    notes: tuple[str, ...] = ()


def fit_module(
    module: torch.nn.Module, rows: TrainingRows, settings: TrainingSettings, options: TrainerOptions
) -> TrainedModule:
    """A module (trained in place), rows, settings -> its best weights, and how it got there.

    Training resumes where a call with the same module, rows, settings and seed was killed, and ends with the same
    weights, to the last bit, as an undisturbed one. The best epoch is the one with the highest accuracy on the stop
    rows, and among equal ones that with the lowest loss: the loss alone rises with a network's confidence long before
    its answers get worse.

    Raises:
        DataError: there is too little to learn from, the loss is not finite, or the folder cannot be written to.
    """
    _check(rows)
    device = pick_device(crops=rows.crops)
    with retain_freed_memory(), deterministic(device, options.threads):
        trainer = Trainer(module, rows, settings, options, device)
        checkpoint = None
        if options.folder is not None:
            checkpoint = Checkpoint(options.folder, digest(module, rows, settings, options), options.save_seconds)
            if state := checkpoint.load():
                trainer.restore(state)
        ended = _train(trainer, options, checkpoint)
        seconds = sum(epoch.seconds for epoch in trainer.curves)
        samples = trainer.done * trainer.rows_per_epoch
        return TrainedModule(
            module=trainer.finish(),
            curves=trainer.curves,
            best_epoch=trainer.best_epoch,
            epochs=trainer.done,
            ended=ended,
            seconds=seconds,
            images_per_second=samples / max(seconds, 1e-9),
            samples=samples,
            notes=tuple(checkpoint.notes) if checkpoint else (),
        )


def _check(rows: TrainingRows) -> None:
    classes = len(np.unique(rows.y[rows.train]))
    if len(rows.train) < 2 or classes < 2:
        raise DataError(
            f"a network cannot be trained on {pluralize(len(rows.train), 'photo')}: add photos of at least two classes"
            if len(rows.train) < 2
            else "a network cannot be trained on photos of one class: add photos of at least two classes"
        )
    broken = 0 if rows.crops else int((~np.isfinite(rows.inputs)).any(axis=1).sum())
    if broken:
        raise DataError(
            f"{broken} of {len(rows.inputs)} vectors hold values that are not finite: embed the photos again"
        )


def _train(trainer: Trainer, options: TrainerOptions, checkpoint: Checkpoint | None) -> str:
    """Epoch after epoch -> why there were no more."""
    start = time.monotonic() - sum(epoch.seconds for epoch in trainer.curves)
    events = None if checkpoint is None else EventLog(checkpoint.events, trainer.done)
    try:
        while not (ended := trainer.end(options, time.monotonic() - start)):
            epoch = trainer.epoch()
            if events is not None:
                events.record(epoch)
            trainer.meter.end(epoch)
            if trainer.done == 1 and trainer.shortened:
                trainer.meter.note(f"{trainer.epochs} of {trainer.most} epochs fit in the time")
            if checkpoint is not None and checkpoint.due():
                note = checkpoint.save(trainer.state(), trainer.curves)
                if note is not None:
                    trainer.meter.note(note)
    finally:
        if events is not None:
            events.close()
    if checkpoint is not None:
        checkpoint.remove()
    return ended


class Trainer:
    """A module in training: everything that an epoch changes, and nothing else."""

    def __init__(
        self,
        module: torch.nn.Module,
        rows: TrainingRows,
        settings: TrainingSettings,
        options: TrainerOptions,
        device: TrainingDevice,
    ) -> None:
        n = len(rows.train)
        self.most, self.rows_per_epoch = settings.epochs(n), settings.rows_per_epoch(n)
        self.curves: tuple[Epoch, ...] = ()
        self.best_epoch = 0
        self._best: _State = {}
        self._rows, self._settings, self._options, self._device = rows, settings, options, device
        self._size, self._top = settings.batch_size(n), settings.top_rate(n)
        self._steps = len(self._sample(0))
        self._module = device.move(module)
        self._parameters = [p for p in self._module.parameters() if p.requires_grad]
        self._optimiser = make_optimiser(self._module, settings)
        self._average = average_weights(self._module, settings.ema) if settings.ema else None
        self._batches = Batches(rows, device)
        self._weights = self._class_weights(rows.train) if settings.balance == "weights" else None
        self.meter = Meter(options.on_progress, self.epochs, self._steps)

    @property
    def done(self) -> int:
        """The number of epochs so far."""
        return len(self.curves)

    @property
    def epochs(self) -> int:
        """How many there will be: as many as the settings say, or as fit in the minutes at the speed of the first."""
        if self._options.minutes is None or not self.curves:
            return self.most
        return min(self.most, max(1, int(60 * self._options.minutes / max(self.curves[0].seconds, 1e-9))))

    @property
    def shortened(self) -> bool:
        """Whether fewer epochs are planned than the settings say."""
        return self.epochs < self.most

    def end(self, options: TrainerOptions, seconds: float) -> str | None:
        """Why no epoch follows, after that time; None if one does."""
        if self.done >= self.epochs:
            return "minutes" if self.shortened else "epochs"
        limits = [minutes for minutes in (options.minutes, options.max_minutes) if minutes is not None]
        if self.done and limits and seconds >= min(limits) * 60:
            return "minutes"
        if self._settings.patience and self.done - self.best_epoch >= self._settings.patience:
            return "patience"
        return None

    def epoch(self) -> Epoch:
        """Learn from the epoch's rows, look at the stop rows, and keep the weights if they are the best yet.

        Raises:
            DataError: the loss is not finite.
        """
        self.meter.begin(self.done)
        last_rate = self._learn()
        loss, accuracy = self._score_stop_rows()
        ended = Epoch(
            epoch=self.done + 1,
            loss=self.meter.loss,
            accuracy=self.meter.accuracy,
            stop_loss=loss,
            stop_accuracy=accuracy,
            learning_rate=last_rate,
            seconds=self.meter.seconds,
        )
        self.curves = (*self.curves, ended)
        self.meter.epochs = self.epochs
        if best_of(self.curves) == self.done:
            self.best_epoch = self.done
            self._best = {name: value.detach().cpu().clone() for name, value in self._scored.state_dict().items()}
        return ended

    def state(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor that `restore` needs, by name."""
        parts: dict[str, _State] = {"model": self._module.state_dict(), "optimiser": optimiser_tensors(self._optimiser)}
        if self._average is not None:
            parts["average"] = self._average.state_dict()
        if self.best_epoch != self.done:
            parts["best"] = self._best
        for part, tensors in parts.items():
            for name, tensor in tensors.items():
                yield f"{part}.{name}", tensor

    def restore(self, state: TrainingState) -> None:
        """Resume from what `state` gave, in a training of the same module, rows and settings."""
        self.curves = state.curves
        self.best_epoch = best_of(state.curves)
        self._module.load_state_dict(_part(state.arrays, "model"))
        load_optimiser(self._optimiser, _part(state.arrays, "optimiser"))
        if self._average is not None:
            self._average.load_state_dict(_part(state.arrays, "average"))
        self._best = _part(state.arrays, "best")
        if self.best_epoch == self.done:
            self._best = {name: value.detach().cpu().clone() for name, value in self._scored.state_dict().items()}
        self.meter.epochs = self.epochs
        self.meter.resume(self.done)

    def finish(self) -> torch.nn.Module:
        """The module with its best weights, in evaluation mode, on the CPU."""
        self._module.load_state_dict(self._best)
        return move(self._module, torch.device("cpu"), torch.contiguous_format).eval()

    @property
    def _scored(self) -> torch.nn.Module:
        return self._module if self._average is None else self._average.module

    def _learn(self) -> float:
        torch.manual_seed(epoch_seed(self._options.seed, self.done))
        self._module.train()
        steps, skipped, now = self.epochs * self._steps, 0, 0.0
        calm = self.done >= self._settings.first_calm_epoch(self.epochs)
        augment = self._options.weak_augment if calm else self._options.augment
        batches = self._batches.augmented(self._sample(self.done), augment)
        for k, (x, y) in enumerate(batches, self.done * self._steps):
            now = learning_rate(self._settings, self._top, k, steps, self._steps)
            for group in self._optimiser.param_groups:
                group["lr"] = now
            with self._device.autocast():
                logits = self._module(x)
            logits = logits.float()
            loss = functional.cross_entropy(
                logits, y, weight=self._weights, label_smoothing=self._settings.label_smoothing
            )
            if not self._step(loss):
                skipped += 1
                if skipped > _MOST_SKIPPED:
                    raise self._failed()
                continue
            skipped = 0
            if self._average is not None and (k + 1) % AVERAGE_EVERY == 0:
                self._average.update_parameters(self._module)
            self.meter.step(loss.item(), (logits.detach().argmax(1) == y).sum(), len(y))
        return now

    def _step(self, loss: torch.Tensor) -> bool:
        """One step of the optimiser; False, and nothing changes, where loss or gradient are not finite."""
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_grad_norm_(self._parameters, self._settings.clip or math.inf, foreach=True)
        finite = math.isfinite(loss.item()) and math.isfinite(norm.item())
        if finite:
            self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return finite

    def _score_stop_rows(self) -> tuple[float | None, float | None]:
        self._module.eval()
        state = self._scored.state_dict().values()
        if not all(bool(value.isfinite().all()) for value in state if value.is_floating_point()):
            raise self._failed()
        if not len(self._rows.stop):
            return None, None
        batches = self._batches.plain(self._rows.stop, self._settings.batch)
        weights = None if self._settings.balance == "none" else self._class_weights(self._rows.stop)
        loss, accuracy = score(self._scored, batches, self._device, weights=weights, mirror=self._settings.mirror)
        if not math.isfinite(loss):
            raise self._failed()
        return loss, accuracy

    def _sample(self, epoch: int) -> list[tuple[Ints, list[int]]]:
        rows, balanced = self._rows, self._settings.balance == "sampling"
        sampling = Sampling(self._options.seed, balanced, self._settings.variants, self.rows_per_epoch)
        return sample_epoch(rows.y, rows.train, epoch, sampling).batches(self._size)

    def _class_weights(self, numbers: Ints) -> torch.Tensor:
        return torch.from_numpy(class_weights(self._rows.y[numbers], self._rows.classes)).to(self._device.device)

    def _failed(self) -> DataError:
        return DataError(
            f"the loss was not finite in epoch {self.done + 1}, with a learning rate of {self._top:g}: lower"
            " --learning-rate, and look for broken photos in the data"
        )


def best_of(curves: tuple[Epoch, ...]) -> int:
    """The epoch (from 1) of the highest stop accuracy, and among equals of the lowest loss; without any, the last."""
    if curves[-1].stop_accuracy is None:
        return len(curves)
    return min(curves, key=lambda e: (-(e.stop_accuracy or 0.0), e.stop_loss, e.epoch)).epoch


def learning_rate(settings: TrainingSettings, top: float, step: int, steps: int, per_epoch: int) -> float:
    """The learning rate of a step (from 0) out of `steps`, `per_epoch` of them per epoch.

    It rises evenly to `top` over the warm-up. "cosine" lets it fall to zero at the last step along half a wave
    (Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts). Why not `LambdaLR`: docs/decisions/017.
    """
    rising = min(1.0, (step + 1) / (settings.warm_up * per_epoch)) if settings.warm_up else 1.0
    falling = 0.5 + 0.5 * math.cos(math.pi * step / steps) if settings.schedule == "cosine" else 1.0
    return top * rising * falling


def average_weights(module: torch.nn.Module, decay: float) -> AveragedModel:
    """A copy that averages a module's weights and batch statistics exponentially, updated every `AVERAGE_EVERY` steps.

    It follows closely at first, by (1 + step) / (100 + step), so that the initial weights are soon forgotten.
    """

    def update(averages: list[torch.Tensor], values: list[torch.Tensor], updates: torch.Tensor) -> None:
        step = AVERAGE_EVERY * int(updates)
        if averages[0].is_floating_point():
            weight = 1 - min(decay**AVERAGE_EVERY, (1 + step) / (100 + step))
            torch._foreach_lerp_(averages, values, weight)
        else:  # counters
            torch._foreach_copy_(averages, values)

    average = AveragedModel(module, multi_avg_fn=update, use_buffers=True)  # type: ignore[arg-type]
    average.n_averaged += 1  # the copy itself, which the first update would otherwise replace
    return average.eval().requires_grad_(False)


def make_optimiser(module: torch.nn.Module, settings: TrainingSettings) -> Optimizer:
    """A module's parameters -> their optimiser; weight decay is on matrices and filters only."""
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    learning_rate = settings.learning_rate
    if settings.optimiser == "sgd":
        return SGD(groups, learning_rate, momentum=settings.momentum, nesterov=settings.nesterov, fused=True)
    kind = Adam if settings.optimiser == "adam" else AdamW
    return kind(groups, learning_rate, fused=True)


def optimiser_tensors(make_optimiser: Optimizer) -> _State:
    """The optimiser's state of each parameter, under names such as `3.momentum_buffer`."""
    return {
        f"{number}.{name}": value
        for number, state in make_optimiser.state_dict()["state"].items()
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def load_optimiser(make_optimiser: Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Restore what `optimiser_tensors` gave."""
    parameters = [p for group in make_optimiser.param_groups for p in group["params"]]
    state: dict[int, _State] = {}
    for name, tensor in tensors.items():
        number, key = name.split(".")
        parameter = parameters[int(number)]
        same = tensor.shape == parameter.shape  # the fused kernels want it to lie in memory as the parameter does
        value = torch.empty_like(parameter, requires_grad=False).copy_(tensor) if same else tensor
        state.setdefault(int(number), {})[key] = value
    make_optimiser.load_state_dict({"state": state, "param_groups": make_optimiser.state_dict()["param_groups"]})


def _part(arrays: Arrays, part: str) -> _State:
    return {
        name.removeprefix(f"{part}."): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(f"{part}.")
    }
