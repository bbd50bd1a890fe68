"""Dataclasses out of JSON: only what the annotations say is taken."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mien.validate import from_dict


@dataclass(frozen=True, slots=True)
class Corner:
    x: float
    y: float = 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    name: str
    colour: Literal["red", "blue"]
    sides: int
    filled: bool
    corner: Corner
    counts: tuple[int, ...] = ()
    places: tuple[tuple[float, float], ...] = ()
    limit: int | None = None


_SHAPE = Shape("square", "blue", 4, True, Corner(0.5, 1.0), (1, 2), ((0.0, 1.0), (2.0, 3.0)))
_FIELDS = json.loads(json.dumps(asdict(_SHAPE)))


def test_what_was_written_is_read_back() -> None:
    assert from_dict(Shape, _FIELDS) == _SHAPE


@pytest.mark.parametrize("limit", [None, 3])
def test_a_field_may_be_a_number_or_nothing(limit: int | None) -> None:
    assert from_dict(Shape, {**_FIELDS, "limit": limit}).limit == limit


def test_a_whole_number_is_a_number_with_a_fraction_too() -> None:
    assert from_dict(Corner, {"x": 3, "y": 0}) == Corner(3.0, 0.0)
    assert isinstance(from_dict(Corner, {"x": 3, "y": 0}).x, float)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 5),
        ("name", None),
        ("name", []),
        ("colour", "green"),
        ("colour", []),
        ("colour", None),
        ("limit", "3"),
        ("limit", 3.5),
        ("sides", 4.0),
        ("sides", True),
        ("sides", "4"),
        ("filled", 1),
        ("filled", "yes"),
        ("corner", [0.5, 1.0]),
        ("corner", {"x": 0.5}),
        ("corner", {"x": float("nan"), "y": 0}),
        ("corner", {"x": float("inf"), "y": 0}),
        ("corner", {"x": 10**400, "y": 0}),
        ("corner", {"x": True, "y": 0}),
        ("counts", 5),
        ("counts", "12"),
        ("counts", [1, 2.5]),
        ("counts", {"1": 2}),
        ("places", [[0.0]]),
        ("places", [[0.0, 1.0, 2.0]]),
        ("places", [0.0, 1.0]),
    ],
)
def test_whatever_is_not_what_the_annotation_says_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"must be|is missing"):
        from_dict(Shape, {**_FIELDS, name: value})


@pytest.mark.parametrize("name", list(_FIELDS))
def test_a_field_that_is_missing_is_named_even_where_there_is_a_default(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is missing"):
        from_dict(Shape, {key: value for key, value in _FIELDS.items() if key != name})


def test_unknown_fields_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^unknown fields: 'mass', 'weight'$"):
        from_dict(Shape, {**_FIELDS, "weight": 1, "mass": 2})
    with pytest.raises(ValueError, match=r"^unknown field: 'z'$"):
        from_dict(Shape, {**_FIELDS, "corner": {"x": 1, "y": 2, "z": 3}})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sides": "4"}, "'sides' must be int, not str"),
        ({"places": [[0.0]]}, r"'places\[0\]' must be array of length 2, not 1"),
        ({"colour": "green"}, r"'colour' must be something else \(invalid enum value 'green'\)"),
        ({"corner": {"x": float("nan"), "y": 0}}, "'x' must be a finite number"),
        ({"counts": [1, float("inf")]}, "'counts' must be a finite number"),
    ],
)
def test_a_message_names_the_field_and_what_it_must_be(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        from_dict(Shape, {**_FIELDS, **fields})


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Shape must be object, not array$"):
        from_dict(Shape, [])


_JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=8,
)


@given(_JSON, some.sampled_from(list(_FIELDS)))
def test_any_json_is_taken_or_refused_with_one_kind_of_error(value: Any, name: str) -> None:
    for fields in (value, {**_FIELDS, name: value}):
        try:
            made = from_dict(Shape, fields)
        except ValueError:
            continue
        assert {type(made.name), type(made.sides), type(made.filled)} == {str, int, bool}
