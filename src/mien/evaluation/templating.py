"""Puts numbers and other people's texts safely into the HTML and Markdown templates of this room."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from mien.evaluation.confidence import between, percent
from mien.text import escape

_MARKDOWN = re.compile(r"([\\`*_\[\]{}<>|#~])")


@cache
def environment(finalize: Callable[[Any], Any], **filters: Callable[..., Any]) -> Environment:
    """The templates of this room; those that end in .html escape what is put in."""
    templates = Environment(
        loader=PackageLoader("mien.evaluation", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    templates.filters.update(percent=percent, between=between, **filters)
    return templates


def printable(value: Any) -> Any:
    """A value -> itself; in a text, characters that would break a page or reverse its direction are spelt out."""
    return escape(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def markdown(value: Any) -> Any:
    """A value -> itself; in a text, everything is escaped that Markdown, or HTML inside it, would act on."""
    if not isinstance(value, str):
        return value
    return _MARKDOWN.sub(r"\\\1", printable(value).replace("&", "&amp;"))
