"""Both runners: the same answers, in order, with every key accounted for, and no more in flight than needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from mien.errors import DataError, StageError
from mien.run import RUNNERS, Runner, cores, runner
from mien.run.runners import no_timing
from mien.stage import Needs
from mien.types import Origin, PhotoRef, Reason, Rejected

_EVERY = pytest.mark.parametrize("name", RUNNERS.names())


def _refs(n: int) -> list[PhotoRef]:
    return [PhotoRef(Origin(f"{i:05d}"), data=b"") for i in range(n)]


def _runner(name: str, keep_going: bool = False) -> Runner:
    return RUNNERS.load(name)(workers=3, keep_going=keep_going, timing=no_timing)


@dataclass(frozen=True)
class Echo:
    """Passes items on; rejects every seventh, raises on those named in `broken`."""

    batch_size: int = 4
    broken: frozenset[str] = frozenset()
    name: str = "echo"
    needs: Needs = field(default_factory=Needs)
    seen: list[int] = field(default_factory=list)

    def __call__(self, batch: Sequence[PhotoRef], /) -> Iterator[PhotoRef | Rejected]:
        self.seen.append(len(batch))
        for item in batch:
            if item.key in self.broken:
                raise RuntimeError("no luck")
            yield Rejected(item.origin, self.name, Reason.NO_FACE) if int(item.key) % 7 == 0 else item


@_EVERY
@pytest.mark.parametrize("n", [0, 1, 5, 100])
def test_every_key_comes_out_once_in_order(name: str, n: int) -> None:
    results = list(_runner(name)([Echo(1), Echo(3)], _refs(n)))
    assert [result.key for result in results] == [ref.key for ref in _refs(n)]
    assert sum(isinstance(result, Rejected) for result in results) == len(range(0, n, 7))


@_EVERY
def test_what_one_stage_rejects_no_later_stage_sees(name: str) -> None:
    later = Echo(2)
    list(_runner(name)([Echo(4), later], _refs(70)))
    assert sum(later.seen) == 60


@_EVERY
@pytest.mark.parametrize("size", [1, 2, 5, 64])
def test_the_batch_size_does_not_change_the_answer(name: str, size: int) -> None:
    kinds = [(r.key, type(r)) for r in _runner(name)([Echo(size)], _refs(50))]
    assert sorted(kinds, key=lambda kind: kind[0]) == [
        (ref.key, Rejected if int(ref.key) % 7 == 0 else PhotoRef) for ref in _refs(50)
    ]


@_EVERY
def test_an_accident_stops_the_run_with_stage_and_photo_named(name: str) -> None:
    with pytest.raises(StageError, match=r"stage echo failed on .*00008.*RuntimeError: no luck"):
        list(_runner(name)([Echo(4, frozenset({"00008"}))], _refs(30)))


@_EVERY
def test_keep_going_sets_only_the_broken_photo_aside(name: str) -> None:
    results = list(_runner(name, keep_going=True)([Echo(4, frozenset({"00008"}))], _refs(30)))
    errors = [r for r in results if isinstance(r, Rejected) and r.reason is Reason.ERROR]
    assert [error.key for error in errors] == ["00008"]
    assert "no luck" in errors[0].detail
    assert len(results) == 30


@_EVERY
def test_a_sentence_for_the_user_is_not_swallowed_by_keep_going(name: str) -> None:
    @dataclass(frozen=True)
    class Full(Echo):
        def __call__(self, batch: Sequence[PhotoRef], /) -> Iterator[PhotoRef | Rejected]:
            raise DataError("the disk is full")

    with pytest.raises(DataError, match="disk"):
        list(_runner(name, keep_going=True)([Full()], _refs(9)))


@_EVERY
def test_a_stage_that_loses_a_photo_is_found_out(name: str) -> None:
    @dataclass(frozen=True)
    class Leaky(Echo):
        def __call__(self, batch: Sequence[PhotoRef], /) -> Iterator[PhotoRef | Rejected]:
            yield from batch[1:]

    with pytest.raises(StageError, match="lost 00000"):
        list(_runner(name)([Leaky()], _refs(3)))


@_EVERY
def test_items_are_taken_only_as_fast_as_they_are_worked_off(name: str) -> None:
    taken = []

    def source() -> Iterator[PhotoRef]:
        for ref in _refs(1000):
            taken.append(ref)
            yield ref

    results = iter(_runner(name)([Echo(4)], source()))
    next(results)
    time.sleep(0.05)
    assert len(taken) <= 2 * 3 * 4 + 4


@_EVERY
def test_a_reader_that_stops_early_stops_the_work(name: str) -> None:
    before = threading.active_count()
    results = _runner(name)([Echo(1)], _refs(500))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() <= before


def test_threads_work_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=5)

    @dataclass(frozen=True)
    class Meet(Echo):
        def __call__(self, batch: Sequence[PhotoRef], /) -> Iterator[PhotoRef | Rejected]:
            meeting.wait()
            yield from batch

    assert len(list(RUNNERS.load("threads")(workers=2, keep_going=False, timing=no_timing)([Meet(1)], _refs(2)))) == 2


def test_one_worker_needs_no_threads_and_none_said_means_as_many_as_cores() -> None:
    assert type(runner(1)).__name__ == "Local"
    assert type(runner(2)).__name__ == "Threads"
    assert getattr(runner(), "workers", 1) in (1, cores())
