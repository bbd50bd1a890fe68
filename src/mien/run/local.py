"""The plain runner: one item after the other, in this thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mien.stage import AnyStage, apply
from mien.types import Rejected


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def stream(stages: Sequence[AnyStage], items: Iterable[Any], keep_going: bool) -> Iterator[Any | Rejected]:
    """Drive items through the stages lazily: at most one batch of each stage is alive, however many items there are."""
    for stage in stages:
        items = _through(stage, items, keep_going)
    yield from items


def _through(stage: AnyStage, items: Iterable[Any], keep_going: bool) -> Iterator[Any | Rejected]:
    for batch in batches(items, stage.batch_size):
        yield from apply(stage, batch, keep_going)


@dataclass(frozen=True, slots=True)
class Local:
    """Runs everything in the calling thread; `workers` is 1 whatever is asked."""

    workers: int = 1
    keep_going: bool = False

    def __call__(self, stages: Sequence[AnyStage], items: Iterable[Any], /) -> Iterator[Any | Rejected]:
        return stream(stages, items, self.keep_going)
