"""The runners: in the calling thread, one batch after the other, or on threads; results in order, few in flight."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeAlias

from mien.stage import AnyStage, apply
from mien.types import Rejected

Timing: TypeAlias = Callable[[str, float], None]
"""Hears the name of a stage and the seconds that one batch took."""

_END = object()


def no_timing(stage: str, seconds: float, /) -> None:
    """Ignores the measurement."""


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def run_stages(
    stages: Sequence[AnyStage], items: Iterable[Any], keep_going: bool = False, timing: Timing = no_timing
) -> Iterator[Any | Rejected]:
    """Drive items through the stages, lazily and in order; less than one batch ever waits before a stage."""
    waiting: list[list[Any]] = [[] for _ in range(len(stages) + 1)]
    for item in chain(items, [_END]):
        if item is not _END:
            waiting[0].append(item)
        for i, stage in enumerate(stages):
            while waiting[i] and (item is _END or len(waiting[i]) >= stage.batch_size):
                batch, waiting[i] = waiting[i][: stage.batch_size], waiting[i][stage.batch_size :]
                start = time.perf_counter()
                waiting[i + 1] += apply(stage, batch, keep_going)
                timing(stage.name, time.perf_counter() - start)
        results, waiting[-1] = waiting[-1], []
        yield from results


@dataclass(frozen=True, slots=True)
class Local:
    """Runs everything in the calling thread, whatever number of workers is asked for."""

    workers: int = 1
    keep_going: bool = False
    timing: Timing = no_timing

    def __call__(self, stages: Sequence[AnyStage], items: Iterable[Any], /) -> Iterator[Any | Rejected]:
        return run_stages(stages, items, self.keep_going, self.timing)


@dataclass(frozen=True, slots=True)
class Threads:
    """Runs chunks of items on `workers` threads, which is enough: the libraries that do the work let go of the GIL.

    A chunk is as large as the largest batch that a stage asks for, and each worker streams its chunk through all
    stages, so that photos are decoded and let go a few at a time. One chunk a worker waits beside the one in work.
    """

    workers: int
    keep_going: bool = False
    timing: Timing = no_timing

    def __call__(self, stages: Sequence[AnyStage], items: Iterable[Any], /) -> Iterator[Any | Rejected]:
        size = max((stage.batch_size for stage in stages), default=1)
        pending: deque[Future[list[Any]]] = deque()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="mien") as pool:
            try:
                for chunk in batches(items, size):
                    pending.append(pool.submit(self._work, stages, chunk))
                    if len(pending) >= 2 * self.workers:
                        yield from pending.popleft().result()
                while pending:
                    yield from pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _work(self, stages: Sequence[AnyStage], chunk: list[Any]) -> list[Any]:
        return list(run_stages(stages, chunk, self.keep_going, self.timing))
