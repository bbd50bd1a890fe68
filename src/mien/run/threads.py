"""The threaded runner: chunks of items on worker threads, results in order, and never more in flight than needed.

Threads are enough because the work is done in libraries that let go of the interpreter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mien.run.local import Timing, batches, no_timing, run_stages
from mien.stage import AnyStage
from mien.types import Rejected


@dataclass(frozen=True, slots=True)
class Threads:
    """Runs chunks of items on `workers` threads.

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
