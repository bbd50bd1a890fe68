"""Jobs of one kind are taken together, in bounded threads, and none is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from threading import Event

import pytest

from mien.serve.batching import MAX_BATCH, Closed, Workers


class Held:
    """Work that waits until it is let go, and notes with what it was called."""

    def __init__(self) -> None:
        self.go, self.begun = Event(), Event()
        self.calls: list[list[int]] = []

    def __call__(self, given: Sequence[int]) -> list[int]:
        self.begun.set()
        assert self.go.wait(30)
        self.calls.append(list(given))
        return [10 * value for value in given]


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(1)
    yield pool
    pool.close()


def test_a_job_alone_is_done_at_once(workers: Workers) -> None:
    assert workers.submit("a", lambda given: [value + 1 for value in given], 1).result(30) == 2
    assert workers.call(lambda: "done").result(30) == "done"


def test_what_waits_is_taken_together_by_kind(workers: Workers) -> None:
    first, a, b = Held(), Held(), Held()
    for held in (a, b):
        held.go.set()
    begun = workers.submit("first", first, 0)
    assert first.begun.wait(30)
    waiting = [workers.submit("ab"[i % 2], (a, b)[i % 2], i) for i in range(6)]
    first.go.set()
    assert begun.result(30) == 0
    assert [job.result(30) for job in waiting] == [0, 10, 20, 30, 40, 50]
    assert (a.calls, b.calls) == ([[0, 2, 4]], [[1, 3, 5]])


def test_no_more_are_taken_together_than_are_good_for_the_first(workers: Workers) -> None:
    first, rest = Held(), Held()
    rest.go.set()
    workers.submit("first", first, 0)
    assert first.begun.wait(30)
    waiting = [workers.submit("rest", rest, i) for i in range(2 * MAX_BATCH + 1)]
    first.go.set()
    assert [job.result(30) for job in waiting] == [10 * i for i in range(2 * MAX_BATCH + 1)]
    assert [len(call) for call in rest.calls] == [MAX_BATCH, MAX_BATCH, 1]


def test_two_threads_share_what_waits() -> None:
    workers, holds, rest = Workers(2), [Held(), Held()], Held()
    for hold in holds:
        workers.submit(hold, hold, 0)
        assert hold.begun.wait(30)
    waiting = [workers.submit("rest", rest, i) for i in range(4)]
    rest.go.set()
    for hold in holds:
        hold.go.set()
    assert [job.result(30) for job in waiting] == [0, 10, 20, 30]
    assert max(len(call) for call in rest.calls) <= 2
    workers.close()


def test_who_has_given_up_is_passed_over(workers: Workers) -> None:
    first, rest = Held(), Held()
    rest.go.set()
    workers.submit("first", first, 0)
    assert first.begun.wait(30)
    cancelled, waiting = workers.submit("rest", rest, 1), workers.submit("rest", rest, 2)
    assert cancelled.cancel()
    first.go.set()
    assert waiting.result(30) == 20
    assert rest.calls == [[2]]
    with pytest.raises(CancelledError):
        cancelled.result(30)


def test_a_failure_is_told_to_those_who_asked_and_to_nobody_else(workers: Workers) -> None:
    def fail(_: Sequence[int]) -> list[int]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        workers.submit("a", fail, 1).result(30)
    assert workers.call(lambda: 5).result(30) == 5


def test_closing_finishes_what_waits_and_takes_no_more() -> None:
    workers, held = Workers(1), Held()
    jobs = [workers.submit("a", held, i) for i in range(20)]
    held.go.set()
    workers.close()
    assert [job.result(0) for job in jobs] == [10 * i for i in range(20)]
    with pytest.raises(Closed):
        workers.submit("a", held, 1)


def test_the_lengths_are_told() -> None:
    together: list[int] = []
    waiting: list[int] = []
    workers = Workers(1, together.append, waiting.append)
    workers.call(lambda: 1).result(30)
    workers.close()
    assert (together, waiting) == ([1], [1, 0])
