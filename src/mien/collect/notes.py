"""The wording of notes: numbers with their nouns, and the first few of many; knows no data."""

from __future__ import annotations

from collections.abc import Sequence


def listed(things: Sequence[object], most: int = 3) -> str:
    """The first few of many: `a, b, c and 4 more`."""
    shown = ", ".join(str(thing) for thing in things[:most])
    return shown if len(things) <= most else f"{shown} and {len(things) - most} more"


def counted(n: int, one: str) -> str:
    """A number and its noun: `1 photo`, `2 photos`."""
    return f"{n} {one if n == 1 else one + 's'}"
