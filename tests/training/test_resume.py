"""Going on after a kill: the same call ends with the weights of an undisturbed one, and another does not."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mien.training.settings import TrainerOptions, TrainingSettings
from mien.training.trainer import TrainedModule, fit_module
from tests.training.tasks import network, rows, same, settings

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.training.tasks import network, rows
from tests.training.test_resume import HOW, Darker, run
from mien.training.trainer import fit_module

class Killer(Darker):
    def __call__(self, batch, seeds):
        self.batches = getattr(self, "batches", 0) + 1
        if self.batches == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch, seeds)

fit_module(network(), rows(), HOW[sys.argv[1]], run(Path(sys.argv[2]), Killer()))
"""
"""Dies in the third batch of the third epoch."""

HOW = {
    "averaged": settings(),
    "adam": settings(optimiser="adamw", learning_rate=0.01, ema=0.0, schedule="constant", balance="sampling"),
}


class Darker:
    """A variant of each row by its seed."""

    def __call__(self, batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        return batch - torch.tensor([seed % 50 for seed in seeds], dtype=torch.float32)[:, None, None, None]


def run(folder: Path | None, augment: Darker | None = None) -> TrainerOptions:
    return TrainerOptions(seed=3, folder=folder, augment=augment or Darker(), save_seconds=0.0)


class Stop(Exception):
    pass


def interrupted(folder: Path, how: TrainingSettings, after: int) -> None:
    """A training that ends so early that its checkpoint stays."""
    ended: list[int] = []

    def stop(batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        ended.append(1)
        if len(ended) > 5 * after + 2:
            raise Stop
        return Darker()(batch, seeds)

    with pytest.raises(Stop):
        fit_module(network(), rows(), how, replace(run(folder), augment=stop))
    assert list(folder.glob("checkpoint-*"))


def without_times(fitted: TrainedModule) -> list[object]:
    return [replace(epoch, seconds=0.0) for epoch in fitted.curves]


@pytest.mark.parametrize("name", HOW)
def test_after_a_kill_in_an_epoch_the_same_call_ends_with_the_same_weights(name: str, tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, name, str(tmp_path)], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in tmp_path.glob("checkpoint-*")] == [".safetensors"]
    seen: list[int] = []
    resumed = fit_module(
        network(), rows(), HOW[name], replace(run(tmp_path), on_progress=lambda told: seen.append(told.epoch))
    )
    undisturbed = fit_module(network(), rows(), HOW[name], run(None))
    assert min(seen) == 3, "two epochs were behind"
    assert same(resumed.module, undisturbed.module)
    assert without_times(resumed) == without_times(undisturbed)
    assert (resumed.best_epoch, resumed.samples) == (undisturbed.best_epoch, undisturbed.samples)
    assert resumed.notes == ()
    assert not list(tmp_path.glob("checkpoint-*"))


def test_the_best_epoch_survives_when_it_was_not_the_last(tmp_path: Path) -> None:
    how = settings(learning_rate=1e-9, ema=0.0, label_smoothing=0.0, samples=800, most_epochs=10)
    undisturbed = fit_module(network(), rows(), how, run(None))
    assert undisturbed.best_epoch < 7
    interrupted(tmp_path, how, undisturbed.best_epoch + 2)
    resumed = fit_module(network(), rows(), how, run(tmp_path))
    assert resumed.best_epoch == undisturbed.best_epoch
    assert same(resumed.module, undisturbed.module)


def test_two_kills_are_no_worse_than_one(tmp_path: Path) -> None:
    interrupted(tmp_path, HOW["averaged"], 1)
    interrupted(tmp_path, HOW["averaged"], 2)
    resumed = fit_module(network(), rows(), HOW["averaged"], run(tmp_path))
    assert same(resumed.module, fit_module(network(), rows(), HOW["averaged"], run(None)).module)


def test_a_training_with_other_settings_starts_anew_and_leaves_the_checkpoint(tmp_path: Path) -> None:
    interrupted(tmp_path, HOW["averaged"], 2)
    other = replace(HOW["averaged"], learning_rate=0.04)
    resumed = fit_module(network(), rows(), other, run(tmp_path))
    assert same(resumed.module, fit_module(network(), rows(), other, run(None)).module)
    assert len(list(tmp_path.glob("checkpoint-*"))) == 1


def test_a_damaged_checkpoint_is_ignored_with_a_note(tmp_path: Path) -> None:
    interrupted(tmp_path, HOW["averaged"], 2)
    (path,) = tmp_path.glob("checkpoint-*")
    path.write_bytes(path.read_bytes()[:-50])
    resumed = fit_module(network(), rows(), HOW["averaged"], run(tmp_path))
    assert "starts from the beginning" in resumed.notes[0]
    assert same(resumed.module, fit_module(network(), rows(), HOW["averaged"], run(None)).module)


def test_time_that_was_spent_before_a_kill_counts(tmp_path: Path) -> None:
    interrupted(tmp_path, HOW["averaged"], 2)
    resumed = fit_module(network(), rows(), HOW["averaged"], replace(run(tmp_path), minutes=1e-9))
    assert (resumed.ended, resumed.epochs) == ("minutes", 2)
