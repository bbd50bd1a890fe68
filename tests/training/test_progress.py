"""Progress: means so far, time left, and TensorBoard's events."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mien.training.progress import Epoch, EventLog, Meter, TrainingProgress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def steps(meter: Meter, clock: Clock, count: int, seconds: float) -> None:
    for _ in range(count):
        clock.now += seconds
        meter.step(2.0, torch.tensor(5), 10)


def test_a_few_reports_a_second_and_no_more(clock: Clock) -> None:
    seen: list[TrainingProgress] = []
    steps(Meter(seen.append, 2, 1000), clock, 100, 0.01)
    assert 3 <= len(seen) <= 5


def test_means_speed_and_time_left_are_told(clock: Clock) -> None:
    seen: list[TrainingProgress] = []
    meter = Meter(seen.append, 3, 10)
    steps(meter, clock, 5, 1.0)
    told = seen[-1]
    assert (told.epoch, told.epochs, told.batch, told.batches) == (1, 3, 5, 10)
    assert (told.loss, told.accuracy, told.images_per_second) == (2.0, 0.5, 10.0)
    assert told.seconds_left == pytest.approx(25.0)
    assert told.ended is None


def test_means_are_over_rows_and_not_over_batches(clock: Clock) -> None:
    meter = Meter(None, 1, 2)
    meter.step(1.0, torch.tensor(3), 3)
    meter.step(5.0, torch.tensor(0), 1)
    assert (meter.loss, meter.accuracy) == (2.0, 0.75)


def test_the_end_of_an_epoch_is_always_told(clock: Clock) -> None:
    seen: list[TrainingProgress] = []
    meter = Meter(seen.append, 2, 2)
    steps(meter, clock, 2, 0.001)
    ended = Epoch(1, 2.0, 0.5, None, None, 0.1, 0.002)
    meter.end(ended)
    assert seen[-1].ended is ended
    meter.begin(1)
    steps(meter, clock, 1, 1.0)
    last = seen[-1]
    assert (last.epoch, last.batch) == (2, 1)
    assert last.ended is None


def test_epochs_of_an_earlier_call_do_not_count_as_speed(clock: Clock) -> None:
    seen: list[TrainingProgress] = []
    meter = Meter(seen.append, 10, 10)
    meter.resume(8)
    steps(meter, clock, 10, 1.0)
    assert (seen[-1].epoch, seen[-1].seconds_left) == (9, 10.0)


def test_a_note_is_told_at_once(clock: Clock) -> None:
    seen: list[TrainingProgress] = []
    Meter(seen.append, 1, 1).note("the disk is full")
    assert [told.note for told in seen] == ["the disk is full"]


def test_nobody_need_watch(clock: Clock) -> None:
    steps(Meter(None, 1, 3), clock, 3, 1.0)


def epoch(number: int, stop: float | None = 0.5) -> Epoch:
    return Epoch(number, 1 / number, 0.4, stop, stop, 0.01, 2.0)


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    read = EventAccumulator(str(folder))
    read.Reload()
    return {name: [(e.step, round(e.value, 4)) for e in read.Scalars(name)] for name in read.Tags()["scalars"]}


def test_loss_accuracy_and_rate_are_recorded_by_epoch(tmp_path: Path) -> None:
    events = EventLog(tmp_path / "new", 0)
    for number in (1, 2):
        events.record(epoch(number))
    events.close()
    found = curves(tmp_path / "new")
    assert found["loss/train"] == [(1, 1.0), (2, 0.5)]
    assert found["learning rate"] == [(1, 0.01), (2, 0.01)]
    assert set(found) == {"loss/train", "loss/stop", "accuracy/train", "accuracy/stop", "learning rate"}


def test_without_stop_rows_there_is_no_curve_of_them(tmp_path: Path) -> None:
    events = EventLog(tmp_path, 0)
    events.record(epoch(1, stop=None))
    events.close()
    assert set(curves(tmp_path)) == {"loss/train", "accuracy/train", "learning rate"}


def test_epochs_that_a_kill_undid_are_replaced(tmp_path: Path) -> None:
    before = EventLog(tmp_path, 0)
    for number in (1, 2, 3):
        before.record(epoch(number))
    before.close()
    after = EventLog(tmp_path, 1)
    after.record(epoch(2))
    after.close()
    assert [step for step, _ in curves(tmp_path)["loss/train"]] == [1, 2]


def test_the_same_training_again_is_one_curve(tmp_path: Path) -> None:
    for _ in range(2):
        events = EventLog(tmp_path, 0)
        for number in (1, 2, 3):
            events.record(epoch(number))
        events.close()
    assert [step for step, _ in curves(tmp_path)["loss/train"]] == [1, 2, 3]


def test_a_folder_that_cannot_be_made_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    events = EventLog(tmp_path / "file" / "below", 0)
    events.record(epoch(1))
    events.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_disk_that_fills_up_ends_nothing_and_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    events = EventLog(tmp_path / "fills", 0)
    full = Path("/dev/full").open("wb")  # noqa: SIM115  (Events closes it)
    events.close()
    events._file = full
    for number in (1, 2):
        events.record(epoch(number))
    events.close()
    assert full.closed
    assert capfd.readouterr() == ("", "")
