"""Dataclasses out of JSON that anybody may have written: msgspec checks the types, and this the rest."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

T = TypeVar("T")


def from_dict(kind: type[T], fields: object) -> T:
    """A JSON object -> the dataclass `kind`, with every field present, none unknown, and each of its annotated type.

    Raises:
        ValueError: a field is missing, unknown, or of another type, or a number is not finite; the message names it.
    """
    _check_fields(kind, fields, kind.__name__)
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise ValueError(_message(str(error), kind.__name__)) from error


def _check_fields(hint: Any, value: object, name: str) -> None:
    """What msgspec lets pass: fields that are missing but have a default, unknown ones, and NaN and infinity."""
    if is_dataclass(hint) and isinstance(value, Mapping):
        hints = get_type_hints(hint)
        if missing := hints.keys() - value.keys():
            raise ValueError(f"{min(missing)!r} is missing")
        if unknown := sorted(map(repr, value.keys() - hints.keys())):
            raise ValueError(f"unknown field{'s' if len(unknown) > 1 else ''}: {', '.join(unknown)}"[:200])
        for field, inner in hints.items():
            _check_fields(inner, value[field], field)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_fields(next(iter(get_args(hint)), None), item, name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name!r} must be a finite number")
    elif value is not None:
        for inner in get_args(hint):  # a dataclass or None
            if is_dataclass(inner):
                _check_fields(inner, value, name)


def _message(text: str, kind: str) -> str:
    """Msgspec's "Expected `int`, got `str` - at `$.size`" -> "'size' must be int, not str"."""
    problem, _, path = text.partition(" - at `$.")
    name = repr(path.rstrip("`")) if path else kind
    if match := re.fullmatch("Expected (.+), got (.+)", problem):
        return f"{name} must be {match[1]}, not {match[2]}".replace("`", "")
    return f"{name} must be something else ({problem[0].lower()}{problem[1:]:.100})"
