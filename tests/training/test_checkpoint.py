"""Checkpoints: whole or not at all, read back to the last bit, and never taken for another's."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.errors import DataError
from mien.training.batches import TrainingRows
from mien.training.checkpoint import KEEP_DAYS, Checkpoint, digest, sweep
from mien.training.progress import Epoch
from mien.training.settings import TrainerOptions, TrainingSettings
from tests.training.tasks import network, rows, settings, vectors

TENSORS = {
    "model.filters": torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
    "model.count": torch.tensor(7),
    "optimiser.0.step": torch.tensor(3.0),
}
CURVES = (Epoch(1, 2.0, 0.25, 1.5, 0.5, 0.1, 3.0), Epoch(2, 1.0, 0.5, None, None, 0.1, 3.0))


def saved(folder: Path) -> Checkpoint:
    checkpoint = Checkpoint(folder, "ab" * 32, 0.0)
    assert checkpoint.save(TENSORS.items(), CURVES) is None
    return checkpoint


def full(handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_state_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    state = saved(tmp_path / "new").load()
    assert state is not None
    assert state.curves == CURVES
    assert state.arrays.keys() == TENSORS.keys()
    assert all(np.array_equal(state.arrays[name], value.numpy()) for name, value in TENSORS.items())


def test_where_there_is_none_nothing_is_said(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, "ab" * 32, 0.0)
    assert checkpoint.load() is None
    assert checkpoint.notes == []


def test_it_is_removed_once_and_twice(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path)
    checkpoint.remove()
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []


def test_another_trainings_is_not_looked_at(tmp_path: Path) -> None:
    saved(tmp_path)
    other = Checkpoint(tmp_path, "cd" * 32, 0.0)
    assert other.load() is None
    assert other.notes == []


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


@pytest.mark.parametrize("damage", [cut, flip, lambda _: b"", lambda _: b"no tensors at all", lambda d: d + b"x"])
def test_a_damaged_one_is_ignored_with_a_note(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    checkpoint = saved(tmp_path)
    checkpoint.path.write_bytes(damage(checkpoint.path.read_bytes()))
    assert checkpoint.load() is None
    assert "training starts from the beginning" in checkpoint.notes[0]


def test_a_foreign_one_under_the_same_name_is_ignored_with_a_note(tmp_path: Path) -> None:
    foreign = Checkpoint(tmp_path, "ab" * 8 + "0" * 48, 0.0)
    foreign.save(TENSORS.items(), CURVES)
    checkpoint = Checkpoint(tmp_path, "ab" * 32, 0.0)
    assert checkpoint.path == foreign.path
    assert checkpoint.load() is None
    assert len(checkpoint.notes) == 1


def test_safetensors_of_another_program_are_ignored_with_a_note(tmp_path: Path) -> None:
    from safetensors.numpy import save

    checkpoint = Checkpoint(tmp_path, "ab" * 32, 0.0)
    checkpoint.path.write_bytes(save({"x": np.zeros(3)}))
    assert checkpoint.load() is None
    assert len(checkpoint.notes) == 1


def test_a_full_disk_is_a_note_and_the_last_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = saved(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        notes = [checkpoint.save([("model.filters", torch.zeros(3))], CURVES[:1]) for _ in range(2)]
    assert notes[0] is not None
    assert "the disk is full" in notes[0]
    assert "training continues" in notes[0]
    assert checkpoint.notes == [notes[0]], "said once"
    state = checkpoint.load()
    assert state is not None
    assert state.curves == CURVES


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="could not be written"):
        Checkpoint(tmp_path / "file" / "below", "ab" * 32, 0.0)


def test_it_is_not_due_sooner_than_wanted(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path, "ab" * 32, 0.0).due()
    assert not Checkpoint(tmp_path, "ab" * 32, 600.0).due()


def test_a_large_one_is_due_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(tmp_path, "ab" * 32, 1.0)
    now = iter([100.0, 110.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    checkpoint.save(TENSORS.items(), CURVES)
    for moment, due in ((309.0, False), (311.0, True)):
        monkeypatch.setattr(time, "monotonic", lambda moment=moment: moment)
        assert checkpoint.due() == due


def changed_pixel(task: TrainingRows) -> TrainingRows:
    inputs = task.inputs.copy()
    inputs[-1, 3, 3] += 1
    return replace(task, inputs=inputs)


def varied(batch: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
    return batch


BASE = (rows(), settings(), TrainerOptions(seed=1, augment_name="policy"))


@pytest.mark.parametrize(
    ("task", "how", "run"),
    [
        (changed_pixel(BASE[0]), BASE[1], BASE[2]),
        (replace(BASE[0], y=BASE[0].y[::-1].copy()), BASE[1], BASE[2]),
        (replace(BASE[0], train=BASE[0].train[1:]), BASE[1], BASE[2]),
        (replace(BASE[0], stop=BASE[0].stop[::-1].copy()), BASE[1], BASE[2]),
        (replace(BASE[0], classes=4), BASE[1], BASE[2]),
        (vectors(), BASE[1], BASE[2]),
        (BASE[0], settings(learning_rate=0.051), BASE[2]),
        (BASE[0], settings(variants=2), BASE[2]),
        (BASE[0], BASE[1], TrainerOptions(seed=2, augment_name="policy")),
        (BASE[0], BASE[1], TrainerOptions(seed=1, augment_name="another policy")),
        (BASE[0], BASE[1], TrainerOptions(seed=1, augment_name="policy", augment=varied)),
    ],
)
def test_whatever_decides_the_outcome_changes_the_digest(
    task: TrainingRows, how: TrainingSettings, run: TrainerOptions
) -> None:
    assert digest(network(), task, how, run) != digest(network(), *BASE)


def test_the_network_and_its_starting_weights_change_the_digest() -> None:
    digests = {digest(module, *BASE) for module in (network(), network(classes=4), network(seed=2))}
    assert len(digests) == 3


def test_what_does_not_decide_the_outcome_leaves_the_digest(tmp_path: Path) -> None:
    run = TrainerOptions(
        seed=1, augment_name="policy", threads=2, folder=tmp_path, on_progress=print, minutes=3, save_seconds=9
    )
    assert digest(network(), BASE[0], BASE[1], run) == digest(network(), *BASE)
    laid = network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert digest(laid, *BASE) == digest(network(), *BASE)


def test_what_has_been_given_up_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "people"
    folder.mkdir()
    stale = [folder / "checkpoint-0.safetensors", folder / ".mien-1.part", folder / "notes.txt", tmp_path / "x.part"]
    fresh = [folder / "checkpoint-2.safetensors", folder / ".mien-3.part"]
    for path in (*stale, *fresh):
        path.write_bytes(b"x")
    for path in stale:
        os.utime(path, (time.time() - (KEEP_DAYS + 1) * 86400,) * 2)
    sweep(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [".mien-3.part", "checkpoint-2.safetensors", "notes.txt"]
    assert (tmp_path / "x.part").is_file()
    sweep(tmp_path / "nowhere")
