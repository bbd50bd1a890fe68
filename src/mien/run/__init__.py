"""Runners: how a sequence of stages is driven over many items, in this thread or in several."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from mien.registry import Registry
from mien.run.runners import Timing, no_timing
from mien.stage import AnyStage
from mien.types import Rejected


class Runner(Protocol):
    """Drives items through stages: `[stage, ...], items -> results`, in the order of the items.

    Every runner calls `mien.stage.apply` and nothing else, takes items only as fast as it can work them off, and
    gives the same results as every other one.
    """

    def __call__(self, stages: Sequence[AnyStage], items: Iterable[Any], /) -> Iterator[Any | Rejected]: ...


class RunnerFactory(Protocol):
    """Makes a runner: `workers` at most at once; with `keep_going` a failure costs only its item.

    timing: hears the name of a stage and the seconds that one batch took.
    """

    def __call__(self, *, workers: int, keep_going: bool, timing: Timing) -> Runner: ...


RUNNERS: Registry[RunnerFactory] = Registry(
    "runner", {"local": "mien.run.runners:Local", "threads": "mien.run.runners:Threads"}
)


def runner(workers: int | None = None, keep_going: bool = False, timing: Timing = no_timing) -> Runner:
    """The runner for a number of workers, by default as many as there are cores."""
    workers = workers or cores()
    return RUNNERS.load("local" if workers == 1 else "threads")(workers=workers, keep_going=keep_going, timing=timing)


def cores() -> int:
    """How many cores this process may use (a container's limit counts, where Python can see it)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
