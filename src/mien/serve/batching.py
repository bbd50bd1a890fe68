"""A queue of jobs for a few threads, off the event loop; jobs of one kind are processed in batches.

An idle thread takes the job that has waited longest, and its share of the other jobs of that kind, so that two threads
halve what waits. No job waits for a batch to fill: a request that comes alone is answered as soon as possible.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

Work = Callable[[Sequence[Any]], Sequence[Any]]
"""Inputs of several jobs -> as many results."""

MAX_BATCH = 8
"""Jobs in a batch; with more, the first would wait too long for the last."""


class Closed(Exception):
    """No more jobs are accepted: the service is stopping."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    kind: Hashable
    work: Work
    value: Any
    future: Future[Any] = field(default_factory=Future)


class Workers:
    """Threads that process jobs. on_batch: called with the size of each batch; on_queue: with the queue's length."""

    def __init__(
        self,
        count: int,
        on_batch: Callable[[int], None] = lambda _: None,
        on_queue: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._queue: deque[_Job] = deque()
        self._changed = Condition()
        self._closed = False
        self._on_batch, self._on_queue = on_batch, on_queue
        self._threads = [Thread(target=self._run, name=f"mien-{i}", daemon=True) for i in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, kind: Hashable, work: Work, value: Any) -> Future[Any]:
        """Queue `work` on a value, to be done in one call with the values of other jobs of that kind; or `Closed`."""
        job = _Job(kind, work, value)
        with self._changed:
            if self._closed:
                raise Closed
            self._queue.append(job)
            self._on_queue(len(self._queue))
            self._changed.notify()
        return job.future

    def call(self, work: Callable[[], Any]) -> Future[Any]:
        """Queue a function, to be called alone."""
        return self.submit(object(), lambda _: [work()], None)

    def close(self) -> None:
        """Accept no more jobs, finish the queue, and stop the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while jobs := self._next():
            self._on_batch(len(jobs))
            try:
                results = jobs[0].work([job.value for job in jobs])
                for job, result in zip(jobs, results, strict=True):
                    job.future.set_result(result)
            except Exception as error:  # noqa: BLE001 (the caller gets it; the thread goes on)
                for job in jobs:
                    if not job.future.done():
                        job.future.set_exception(error)

    def _next(self) -> list[_Job]:
        """The next batch; empty when the thread has to stop. Cancelled jobs are skipped."""
        with self._changed:
            while True:
                while not self._queue:
                    if self._closed:
                        return []
                    self._changed.wait()
                if jobs := [job for job in self._take() if job.future.set_running_or_notify_cancel()]:
                    return jobs

    def _take(self) -> list[_Job]:
        alike = [job for job in self._queue if job.kind == self._queue[0].kind]
        batch = alike[: min(MAX_BATCH, math.ceil(len(alike) / len(self._threads)))]
        self._queue = deque(job for job in self._queue if job not in batch)
        self._on_queue(len(self._queue))
        return batch
