"""How numbers and strangers' texts are put into a page: percent signs, hostile names, templates of this room."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mien import text
from mien.evaluate.intervals import Interval

_MARKDOWN = re.compile(r"([\\`*_\[\]{}<>|#~])")


def environment(finalize: Callable[[Any], Any]) -> Environment:
    """The templates of this room; those that end in .html escape what is put in."""
    made = Environment(
        loader=PackageLoader("mien.evaluate", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    made.filters.update(percent=percent, between=between)
    return made


def printable(value: Any) -> Any:
    """A value -> itself, or for text: with the characters spelt out that break a page or turn its text around."""
    return text.escape(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def markdown(value: Any) -> Any:
    """A value -> itself, or for text: with everything escaped that Markdown or HTML inside it would act on."""
    if not isinstance(value, str):
        return value
    return _MARKDOWN.sub(r"\\\1", printable(value).replace("&", "&amp;"))


def percent(share: float | None) -> str:
    """A share -> "97.5 %", with a second digit where one would make a lie of it: 99.96 % is not all."""
    if share is None:
        return "–"
    text = f"{100 * share:.1f}"
    if text in {"100.0", "0.0"} and share not in {0, 1}:
        text = f"{100 * share:.2f}"
    return f"{text.removesuffix('.0') if share in {0, 1} else text}\u00a0%"


def between(interval: Interval | None) -> str:
    """An interval -> "95.1 to 98.8 %"."""
    if interval is None:
        return "–"
    low, high = (percent(end) for end in interval)
    return f"{low.removesuffix(chr(0xA0) + '%')} to {high}"
