"""TensorBoard's files: what a curve needs, once, also where training went on after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mien.train.events import Events
from mien.train.job import Epoch


def epoch(number: int, stop: float | None = 0.5) -> Epoch:
    return Epoch(number, 1 / number, 0.4, stop, stop, 0.01, 2.0)


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    read = EventAccumulator(str(folder))
    read.Reload()
    return {name: [(e.step, round(e.value, 4)) for e in read.Scalars(name)] for name in read.Tags()["scalars"]}


def test_loss_accuracy_and_rate_are_recorded_by_epoch(tmp_path: Path) -> None:
    events = Events(tmp_path / "new", 0)
    for number in (1, 2):
        events.record(epoch(number))
    events.close()
    found = curves(tmp_path / "new")
    assert found["loss/train"] == [(1, 1.0), (2, 0.5)]
    assert found["learning rate"] == [(1, 0.01), (2, 0.01)]
    assert set(found) == {"loss/train", "loss/stop", "accuracy/train", "accuracy/stop", "learning rate"}


def test_without_stop_rows_there_is_no_curve_of_them(tmp_path: Path) -> None:
    events = Events(tmp_path, 0)
    events.record(epoch(1, stop=None))
    events.close()
    assert set(curves(tmp_path)) == {"loss/train", "accuracy/train", "learning rate"}


def test_epochs_that_a_kill_undid_are_replaced(tmp_path: Path) -> None:
    before = Events(tmp_path, 0)
    for number in (1, 2, 3):
        before.record(epoch(number))
    before.close()
    after = Events(tmp_path, 1)
    after.record(epoch(2))
    after.close()
    assert [step for step, _ in curves(tmp_path)["loss/train"]] == [1, 2]


def test_the_same_training_again_is_one_curve(tmp_path: Path) -> None:
    for _ in range(2):
        events = Events(tmp_path, 0)
        for number in (1, 2, 3):
            events.record(epoch(number))
        events.close()
    assert [step for step, _ in curves(tmp_path)["loss/train"]] == [1, 2, 3]


def test_a_folder_that_cannot_be_made_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    events = Events(tmp_path / "file" / "below", 0)
    events.record(epoch(1))
    events.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_disk_that_fills_up_ends_nothing_and_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    events = Events(tmp_path / "fills", 0)
    full = Path("/dev/full").open("wb")  # noqa: SIM115  (Events closes it)
    events.close()
    events._file = full
    for number in (1, 2):
        events.record(epoch(number))
    events.close()
    assert full.closed
    assert capfd.readouterr() == ("", "")
