"""Work off the event loop: a line of jobs, a few threads, and jobs of one kind taken together; knows no face.

A thread that is free takes the job that waits longest, and with it others of its kind: its share of them, so that two
threads halve what waits. Nothing waits for company, so a request that comes alone is answered as soon as it can be.
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

AT_ONCE = 8
"""Jobs that are taken together at most: more would let the first of them wait for the last."""


class Closed(Exception):
    """No more work is taken: the service is about to stop."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    kind: Hashable
    work: Work
    given: Any
    done: Future[Any] = field(default_factory=Future)


class Workers:
    """So many threads. together: hears how many jobs were taken each time; waiting: how many wait after each change."""

    def __init__(
        self,
        count: int,
        together: Callable[[int], None] = lambda _: None,
        waiting: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._line: deque[_Job] = deque()
        self._changed = Condition()
        self._closed = False
        self._together, self._waiting = together, waiting
        self._threads = [Thread(target=self._run, name=f"mien-{i}", daemon=True) for i in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, kind: Hashable, work: Work, given: Any) -> Future[Any]:
        """Have `work` done on what is given, together with what others gave for the same kind of work.

        Raises:
            Closed: the service is about to stop.
        """
        job = _Job(kind, work, given)
        with self._changed:
            if self._closed:
                raise Closed
            self._line.append(job)
            self._waiting(len(self._line))
            self._changed.notify()
        return job.done

    def call(self, work: Callable[[], Any]) -> Future[Any]:
        """Have something done by itself."""
        return self.submit(object(), lambda _: [work()], None)

    def close(self) -> None:
        """Take no more, do what waits, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while jobs := self._next():
            self._together(len(jobs))
            try:
                results = jobs[0].work([job.given for job in jobs])
                for job, result in zip(jobs, results, strict=True):
                    job.done.set_result(result)
            except Exception as error:  # noqa: BLE001 (whoever asked is told; the thread has more to do)
                for job in jobs:
                    if not job.done.done():
                        job.done.set_exception(error)

    def _next(self) -> list[_Job]:
        """The jobs to do now; none when it is time to end. Who has given up waiting is passed over."""
        with self._changed:
            while True:
                while not self._line:
                    if self._closed:
                        return []
                    self._changed.wait()
                if jobs := [job for job in self._share() if job.done.set_running_or_notify_cancel()]:
                    return jobs

    def _share(self) -> list[_Job]:
        kind = self._line[0].kind
        alike = sum(job.kind == kind for job in self._line)
        most = min(AT_ONCE, math.ceil(alike / len(self._threads)))
        taken: list[_Job] = []
        left: deque[_Job] = deque()
        for job in self._line:
            (taken if job.kind == kind and len(taken) < most else left).append(job)
        self._line = left
        self._waiting(len(left))
        return taken
