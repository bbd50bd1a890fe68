"""What the user sees: results on stdout, progress and notes on stderr; the only place that prints."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from mien.flows.drive import Drive
    from mien.types import Rejected

T = TypeVar("T")

_PATIENCE = 1.0  # seconds before a progress bar is worth showing


@dataclass(frozen=True, slots=True)
class Output:
    """How a verb speaks: `json` turns results into one object a line, `quiet` keeps progress and notes back."""

    json: bool = False
    quiet: bool = False

    def record(self, fields: dict[str, Any], text: str | None = None) -> None:
        """One result: the fields as JSON, or `text` for a person (nothing where it is None)."""
        if self.json:
            typer.echo(json.dumps(fields, ensure_ascii=False, allow_nan=False))
        elif text is not None:
            typer.echo(text)

    def note(self, text: str) -> None:
        """A word to the user that is no result."""
        if not self.quiet:
            typer.echo(text, err=True)

    def notes(self, texts: Iterable[str]) -> None:
        """Several of them."""
        for text in texts:
            self.note(f"note: {text}")

    def rejections(self, rejected: Sequence[Rejected]) -> None:
        """A table of what went no further and why, with the first few of each kind."""
        if not rejected or self.quiet:
            return
        counts = Counter((item.stage, item.reason) for item in rejected)
        self.note(f"{len(rejected)} rejected:")
        for (stage, reason), count in counts.most_common():
            some = [item for item in rejected if (item.stage, item.reason) == (stage, reason)][:3]
            names = ", ".join(item.key for item in some) + (", ..." if count > len(some) else "")
            self.note(f"  {count:>6}  {reason} at {stage}: {reason.meaning}  ({names})")

    def track(self, items: Iterable[T], total: int, what: str, /) -> Iterable[T]:
        """The same items, with a progress bar once it takes longer than a moment (and stderr is a terminal)."""
        return items if self.quiet or not sys.stderr.isatty() else _tracked(items, total, what)

    def drive(self, workers: int | None = None, *, keep_going: bool = False, no_cache: bool = False) -> Drive:
        """How a flow is driven, showing its progress here."""
        from mien.flows.drive import Drive

        return Drive(workers, keep_going=keep_going, cache=not no_cache, track=self.track)


def _tracked(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
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


def many(count: int, one: str) -> str:
    """A number with its word: 1 face, 2 faces."""
    return f"{count} {one}" + "s" * (count != 1)


def seconds(value: float) -> float:
    """Rounded for a record: milliseconds are enough."""
    return round(value, 3)
