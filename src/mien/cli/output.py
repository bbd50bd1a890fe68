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

from mien.text import escape

if TYPE_CHECKING:
    from mien.pipeline.execute import RunOptions
    from mien.types import Rejected

T = TypeVar("T")

_PATIENCE = 1.0  # seconds before a progress bar is worth showing


@dataclass(frozen=True, slots=True)
class Output:
    """How a verb speaks: `json` turns results into one object a line, `quiet` keeps progress and notes back."""

    json: bool = False
    quiet: bool = False

    def record(self, fields: dict[str, Any], text: str | None = None) -> None:
        """One result: the fields as JSON, or `text` for a person (nothing where it is None).

        Names in the fields and in the text may hold anything: what a terminal would act on is spelt out.
        """
        if self.json:
            typer.echo(_line(fields))
        elif text is not None:
            for name in _texts(fields):  # a line break of the text's own is meant, and one inside of a name is not
                text = text.replace(name, escape(name)) if "\n" in name else text
            typer.echo(_encodable(_lines(text)))

    def note(self, text: str) -> None:
        """A word to the user that is no result, of one line or several."""
        if not self.quiet:
            typer.echo(_lines(text), err=True)

    def warn(self, text: str) -> None:
        """What went wrong with a part of the work, which is said even where notes are not wanted."""
        typer.echo(_lines(text), err=True)

    def notes(self, texts: Iterable[str]) -> None:
        """Several words of one line each."""
        for text in texts:
            self.note(f"note: {escape(text)}")

    def tell(self, text: str) -> None:
        """A sentence that the user should read."""
        self.notes([text])

    def rejections(self, rejected: Sequence[Rejected]) -> None:
        """A table of what went no further and why, with the first few of each kind."""
        if not rejected or self.quiet:
            return
        counts = Counter((item.stage, item.reason) for item in rejected)
        self.note(f"{len(rejected)} rejected:")
        for (stage, reason), count in counts.most_common():
            some = [item for item in rejected if (item.stage, item.reason) == (stage, reason)][:3]
            names = ", ".join(escape(item.key) for item in some) + (", ..." if count > len(some) else "")
            self.note(f"  {count:>6}  {reason} at {stage}: {reason.meaning}  ({names})")

    def track(self, items: Iterable[T], total: int, what: str, /) -> Iterable[T]:
        """The same items, with a progress bar once it takes longer than a moment (and stderr is a terminal)."""
        return items if self.quiet or not sys.stderr.isatty() else _tracked(items, total, what)

    def drive(self, workers: int | None = None, *, keep_going: bool = False, no_cache: bool = False) -> RunOptions:
        """How a flow is driven, showing its progress here."""
        from mien.cli.training import Training
        from mien.pipeline.execute import RunOptions

        return RunOptions(workers, keep_going, not no_cache, self.track, Training(self.tell, self.quiet), self.tell)


def _line(fields: dict[str, Any]) -> str:
    """One line of JSON: readable where that is safe to print, else with everything but ASCII escaped."""
    line = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    return line if _encodable(escape(line)) == line else json.dumps(fields, allow_nan=False)


def _lines(text: str) -> str:
    return "\n".join(escape(line) for line in text.split("\n"))


def _encodable(text: str) -> str:
    """The text as far as stdout has letters for it, and the others spelt out."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from (*_texts(name), *_texts(inner))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


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


def seconds(value: float) -> float:
    """Rounded for a record: milliseconds are enough."""
    return round(value, 3)
