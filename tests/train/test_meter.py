"""Progress: means so far, what is left, and no more often than anybody can read."""

from __future__ import annotations

import pytest
import torch

from mien.train.job import Epoch, Progress
from mien.train.meter import Meter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("mien.train.meter.time.monotonic", clock)
    return clock


def steps(meter: Meter, clock: Clock, count: int, seconds: float) -> None:
    for _ in range(count):
        clock.now += seconds
        meter.step(2.0, torch.tensor(5), 10)


def test_a_few_reports_a_second_and_no_more(clock: Clock) -> None:
    seen: list[Progress] = []
    steps(Meter(seen.append, 2, 1000), clock, 100, 0.01)
    assert 3 <= len(seen) <= 5


def test_means_speed_and_time_left_are_told(clock: Clock) -> None:
    seen: list[Progress] = []
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
    seen: list[Progress] = []
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
    seen: list[Progress] = []
    meter = Meter(seen.append, 10, 10)
    meter.resume(8)
    steps(meter, clock, 10, 1.0)
    assert (seen[-1].epoch, seen[-1].seconds_left) == (9, 10.0)


def test_a_note_is_told_at_once(clock: Clock) -> None:
    seen: list[Progress] = []
    Meter(seen.append, 1, 1).note("the disk is full")
    assert [told.note for told in seen] == ["the disk is full"]


def test_nobody_need_watch(clock: Clock) -> None:
    steps(Meter(None, 1, 3), clock, 3, 1.0)
