"""How long work shows how far along it is: nothing, or bars on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from mien.training.progress import TrainingProgress

T = TypeVar("T")

_PATIENCE = 1.0  # seconds before a bar is worth showing
_SECONDS_BETWEEN_LINES = 30.0  # where there is no terminal


class Progress(Protocol):
    """Shows how far along loops and trainings are."""

    def track(self, items: Iterable[T], total: int, what: str, /) -> Iterable[T]:
        """The same items, counted while they are consumed."""

    def training(self, state: TrainingProgress, /) -> None:
        """Hears after each batch and each epoch how a training stands."""


class NoProgress:
    """Shows nothing."""

    def track(self, items: Iterable[T], total: int, what: str, /) -> Iterable[T]:  # noqa: ARG002
        return items

    def training(self, state: TrainingProgress, /) -> None:
        pass


@dataclass(slots=True)
class TerminalProgress:
    """Bars on stderr where it is a terminal; elsewhere only a line for a long training now and then."""

    _bar: Bars | None = None
    _shown_at: float = field(default_factory=time.monotonic)

    def track(self, items: Iterable[T], total: int, what: str, /) -> Iterable[T]:
        return _tracked(items, total, what) if _on_terminal() else items

    def training(self, state: TrainingProgress, /) -> None:
        if state.note:
            self._stop()
            _print_line(f"note: {state.note}")
        elif not _on_terminal():
            if state.ended and time.monotonic() - self._shown_at > _SECONDS_BETWEEN_LINES:
                self._shown_at = time.monotonic()
                _print_line(training_line(state))
        elif state.ended and state.epoch >= state.epochs:
            self._stop()
        else:
            self._draw(state)

    def _draw(self, state: TrainingProgress) -> None:
        if self._bar is None:
            self._bar = _bars("{task.description}", times=False)
            self._bar.add_task("", total=1.0)
            self._bar.start()
        done = (state.epoch - 1 + state.batch / max(1, state.batches)) / state.epochs
        self._bar.update(self._bar.task_ids[0], completed=done, description=training_line(state))

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def training_line(state: TrainingProgress) -> str:
    """A training's epoch, loss, accuracy, images per second and the time that is left."""
    minutes, seconds = divmod(round(state.seconds_left), 60)
    held_out = state.ended.stop_accuracy if state.ended else None
    validation = "" if held_out is None else f", {held_out:.1%} on validation photos"
    return (
        f"epoch {state.epoch}/{state.epochs}  loss {state.loss:.3f}  accuracy {state.accuracy:.1%}{validation}"
        f"  {state.images_per_second:.0f} images/s  {minutes}:{seconds:02d} left at most"
    )


def _tracked(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    bar = _bars(what, times=True)
    task, start, shown = bar.add_task(what, total=total), time.monotonic(), False
    try:
        for item in items:
            if not shown and time.monotonic() - start > _PATIENCE:
                bar.start()
                shown = True
            yield item
            bar.advance(task)
    finally:
        bar.stop()


def _bars(what: str, *, times: bool) -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rest = (MofNCompleteColumn(), TimeRemainingColumn()) if times else ()
    return Progress(BarColumn(), TextColumn(what), *rest, console=Console(stderr=True), transient=True)


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _print_line(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"{text}\n")
