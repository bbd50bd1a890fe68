"""Wording that several rooms share; knows text, and nothing of what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import category

_JOINERS = "\u200c\u200d"  # Persian, Hindi and others are spelt with them
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def escape(text: str) -> str:
    r"""A text of somebody else -> one line that can be printed anywhere.

    Control characters, those that turn text around, and bytes of file names that are not UTF-8 are spelt out, as
    `\x1b`, `\u202e` or `\n`, so that a name neither writes to the terminal as it likes nor breaks a page.
    """
    if text.isprintable():
        return text
    return "".join(_spelt(c) if category(c) in _UNSEEN and c not in _JOINERS else c for c in text)


def _spelt(c: str) -> str:
    if "\udc80" <= c <= "\udcff":  # how Python keeps a byte that is not UTF-8
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape").decode("ascii")


def join_names(things: Sequence[object], most: int = 5) -> str:
    """The first few of many: `a, b, c and 4 more`."""
    shown = ", ".join(str(thing) for thing in things[:most])
    return shown if len(things) <= most else f"{shown} and {len(things) - most} more"


def pluralize(n: int, one: str) -> str:
    """A number and its noun: `1 photo`, `2 photos`."""
    return f"{n} {one if n == 1 else one + 's'}"
