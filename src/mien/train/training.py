"""The state of one training and its next epoch; knows modules, optimisers and averages, and no file."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from mien.errors import DataError
from mien.train.average import Average
from mien.train.batches import Batches
from mien.train.checkpoint import Arrays, Saved
from mien.train.device import Place, move
from mien.train.draws import Choice, class_weights, draw, epoch_seed
from mien.train.job import Epoch, Rows, Run
from mien.train.meter import Meter
from mien.train.optimise import optimiser, remember, remembered
from mien.train.schedule import rate
from mien.train.scoring import score
from mien.train.settings import Settings
from mien.types import Ints

_SKIPPED = 3
"""So many steps in a row may come to no number and are left out; with one more, training has failed."""

State = dict[str, torch.Tensor]


class Training:
    """A module being trained: everything that an epoch changes, and nothing else."""

    def __init__(self, module: torch.nn.Module, rows: Rows, settings: Settings, run: Run, where: Place) -> None:
        n = len(rows.train)
        self.most, self._minutes, self.rows_an_epoch = settings.epochs(n), run.minutes, settings.rows_of(n)
        self.curves: tuple[Epoch, ...] = ()
        self.best_epoch = 0
        self._best: State = {}
        self._rows, self._settings, self._seed, self._where = rows, settings, run.seed, where
        self._size, self._top = settings.batch_of(n), settings.rate_of(n)
        self._per_epoch = len(self._drawn(0))
        self._module = where.move(module)
        self._parameters = [p for p in self._module.parameters() if p.requires_grad]
        self._optimiser = optimiser(self._module, settings)
        self._average = Average(self._module, settings.ema) if settings.ema else None
        self._batches = Batches(rows, where)
        self._augment, self._calm = run.augment, run.calm
        self._weights = self._class_weights(rows.train) if settings.balance == "weights" else None
        self.meter = Meter(run.watch, self.epochs, self._per_epoch)

    @property
    def done(self) -> int:
        """How many epochs are behind."""
        return len(self.curves)

    @property
    def epochs(self) -> int:
        """How many there will be: as many as the settings say, or as fit in the minutes by what the first one took."""
        if self._minutes is None or not self.curves:
            return self.most
        return min(self.most, max(1, int(60 * self._minutes / max(self.curves[0].seconds, 1e-9))))

    @property
    def shortened(self) -> bool:
        """Whether fewer epochs are planned than the settings say."""
        return self.epochs < self.most

    @property
    def waited(self) -> int:
        """How many epochs ago the best one was."""
        return self.done - self.best_epoch

    def epoch(self) -> Epoch:
        """Learn from the epoch's rows, look at the stop rows, and keep the weights if they are the best yet.

        Raises:
            DataError: the loss is no number.
        """
        self.meter.begin(self.done)
        last_rate = self._learn()
        loss, accuracy = self._look()
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
        parts: dict[str, State] = {"model": self._module.state_dict(), "optimiser": dict(remembered(self._optimiser))}
        if self._average is not None:
            parts["average"] = self._average.module.state_dict()
        if self.best_epoch != self.done:
            parts["best"] = self._best
        for part, tensors in parts.items():
            for name, tensor in tensors.items():
                yield f"{part}.{name}", tensor

    def restore(self, saved: Saved) -> None:
        """Go on from the state that `state` gave, in a training of the same module, rows and settings."""
        self.curves = saved.curves
        self.best_epoch = best_of(saved.curves)
        self._module.load_state_dict(_part(saved.arrays, "model"))
        remember(self._optimiser, _part(saved.arrays, "optimiser"))
        if self._average is not None:
            self._average.module.load_state_dict(_part(saved.arrays, "average"))
        self._best = _part(saved.arrays, "best")
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
        torch.manual_seed(epoch_seed(self._seed, self.done))
        self._module.train()
        steps, skipped, now = self.epochs * self._per_epoch, 0, 0.0
        augment = self._augment if self.done < self._settings.calm_from(self.epochs) else self._calm
        batches = self._batches.varied(self._drawn(self.done), augment)
        for k, (x, y) in enumerate(batches, self.done * self._per_epoch):
            now = rate(self._settings, self._top, k, steps, self._per_epoch)
            for group in self._optimiser.param_groups:
                group["lr"] = now
            with self._where.autocast():
                logits = self._module(x)
            logits = logits.float()
            loss = functional.cross_entropy(
                logits, y, weight=self._weights, label_smoothing=self._settings.label_smoothing
            )
            if not self._step(loss):
                skipped += 1
                if skipped > _SKIPPED:
                    raise self._failed()
                continue
            skipped = 0
            if self._average is not None:
                self._average.follow(k + 1)
            self.meter.step(loss.item(), (logits.detach().argmax(1) == y).sum(), len(y))
        return now

    def _step(self, loss: torch.Tensor) -> bool:
        """One step down the gradient; False, and nothing is changed, where loss or gradient are no numbers."""
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_grad_norm_(self._parameters, self._settings.clip or math.inf, foreach=True)
        finite = math.isfinite(loss.item()) and math.isfinite(norm.item())
        if finite:
            self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return finite

    def _look(self) -> tuple[float | None, float | None]:
        self._module.eval()
        state = self._scored.state_dict().values()
        if not all(bool(value.isfinite().all()) for value in state if value.is_floating_point()):
            raise self._failed()
        if not len(self._rows.stop):
            return None, None
        batches = self._batches.plain(self._rows.stop, self._settings.batch)
        weights = None if self._settings.balance == "none" else self._class_weights(self._rows.stop)
        loss, accuracy = score(self._scored, batches, self._where, weights=weights, mirror=self._settings.mirror)
        if not math.isfinite(loss):
            raise self._failed()
        return loss, accuracy

    def _drawn(self, epoch: int) -> list[tuple[Ints, list[int]]]:
        rows, balanced = self._rows, self._settings.balance == "sampling"
        chosen = Choice(self._seed, balanced, self._settings.variants, self.rows_an_epoch)
        return draw(rows.y, rows.train, epoch, chosen).batches(self._size)

    def _class_weights(self, numbers: Ints) -> torch.Tensor:
        return torch.from_numpy(class_weights(self._rows.y[numbers], self._rows.classes)).to(self._where.device)

    def _failed(self) -> DataError:
        return DataError(
            f"the loss was no longer a number in epoch {self.done + 1}, with a learning rate of {self._top:g}: give a"
            " lower --learning-rate, and look for broken rows in the data"
        )


def best_of(curves: tuple[Epoch, ...]) -> int:
    """The epoch (from 1) of the highest stop accuracy, and among equals of the lowest loss; without any, the last."""
    if curves[-1].stop_accuracy is None:
        return len(curves)
    return min(curves, key=lambda e: (-(e.stop_accuracy or 0.0), e.stop_loss, e.epoch)).epoch


def _part(arrays: Arrays, part: str) -> State:
    return {
        name.removeprefix(f"{part}."): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(f"{part}.")
    }
