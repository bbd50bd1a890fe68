"""Dataclasses out of JSON that anybody may have written; knows annotations, and no class by name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import EllipsisType, NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def from_dict(kind: type[T], fields: object) -> T:
    """A JSON object -> the dataclass `kind`, whose annotations say what each field must hold.

    They may be str, bool, int, float (finite), Literal, one of these or None, tuples of these, and dataclasses.

    Raises:
        ValueError: a field is missing, unknown, or holds something else; the message names it.
    """
    hints = get_type_hints(kind)
    if not isinstance(fields, Mapping):
        raise ValueError(f"its {kind.__name__.lower()} is no object")  # noqa: TRY004  (callers catch one kind of error)
    if missing := hints.keys() - fields.keys():
        raise ValueError(f"{min(missing)!r} is missing")
    if len(fields) > len(hints):
        raise ValueError(f"its {kind.__name__.lower()} has fields that there are not")
    return kind(**{name: _value(hint, fields[name], name) for name, hint in hints.items()})


def _value(hint: Any, value: object, name: str) -> Any:
    if hasattr(hint, "__dataclass_fields__"):
        return from_dict(hint, value)
    if get_origin(hint) is UnionType:
        one = next(each for each in get_args(hint) if each is not NoneType)
        return None if value is None else _value(one, value, name)
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        hints = _of_each(get_args(hint), len(value))
        if len(hints) == len(value):
            return tuple(_value(each, item, name) for each, item in zip(hints, value, strict=True))
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= sys.float_info.max:  # false for NaN as well
            return float(value)
    elif type(value) is hint or (get_origin(hint) is Literal and value in get_args(hint)):
        return value
    raise ValueError(f"{name!r} holds something else than it should")


def _of_each(hints: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    return hints[:1] * count if isinstance(hints[-1], EllipsisType) else hints
