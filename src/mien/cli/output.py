"""What the user sees: results on stdout, progress and notes on stderr; the only place that prints."""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

import typer

from mien.errors import MienWarning
from mien.text import escape

if TYPE_CHECKING:
    from mien.types import Rejected


@dataclass(frozen=True, slots=True)
class Output:
    """How a verb speaks: `json` turns results into one object a line, `quiet` suppresses progress and notes."""

    json: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        warnings.showwarning = self._show_warning  # what the public functions want to say becomes a note

    @property
    def progress(self) -> bool:
        """Whether long work shows how far along it is."""
        return not self.quiet

    def call(self, function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
        """Call a public function with the options of its verb, which have the same names there.

        given: the local variables of the verb; what the function does not take is passed over.
        """
        given = {**given, "cache": not given.get("no_cache", False), "progress": not self.quiet}
        return function(**{name: given[name] for name in signature(function).parameters if name in given})

    def record(self, fields: dict[str, Any], text: str | None = None) -> None:
        """One result: the fields as JSON, or `text` for a person (nothing where it is None).

        Names in the fields and in the text may hold anything: what a terminal would act on is escaped.
        """
        if self.json:
            typer.echo(_json_line(fields))
        elif text is not None:
            for name in _strings(fields):  # a line break of the text's own is meant, one inside a name is not
                text = text.replace(name, escape(name)) if "\n" in name else text
            typer.echo(_encodable(_escape_lines(text)))

    def table(self, rows: Sequence[Sequence[object]]) -> None:
        """Rows of cells in columns, for a person."""
        cells = [[str(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            self.record({}, "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def note(self, text: str) -> None:
        """A message to the user that is not a result, of one line or several."""
        if not self.quiet:
            typer.echo(_escape_lines(text), err=True)

    def warn(self, text: str) -> None:
        """What went wrong with a part of the work, which is said even with --quiet."""
        typer.echo(_escape_lines(text), err=True)

    def notes(self, texts: Iterable[str]) -> None:
        """Several notes of one line each."""
        for text in texts:
            self.note(f"note: {escape(text)}")

    def rejections(self, rejected: Sequence[Rejected]) -> None:
        """A table of what was rejected and why, with the first few of each kind."""
        if not rejected or self.quiet:
            return
        counts = Counter((item.stage, item.reason) for item in rejected)
        self.note(f"{len(rejected)} rejected:")
        for (stage, reason), count in counts.most_common():
            some = [item for item in rejected if (item.stage, item.reason) == (stage, reason)][:3]
            names = ", ".join(escape(item.key) for item in some) + (", ..." if count > len(some) else "")
            self.note(f"  {count:>6}  {reason} at {stage}: {reason.meaning}  ({names})")

    def _show_warning(self, message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, MienWarning):
            self.notes([str(message)])


def _json_line(fields: dict[str, Any]) -> str:
    """One line of JSON: readable where that is safe to print, else with everything but ASCII escaped."""
    line = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    return line if _encodable(escape(line)) == line else json.dumps(fields, allow_nan=False)


def _escape_lines(text: str) -> str:
    return "\n".join(escape(line) for line in text.split("\n"))


def _encodable(text: str) -> str:
    """The text as far as stdout can show it, and escapes for the rest."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from (*_strings(name), *_strings(inner))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
