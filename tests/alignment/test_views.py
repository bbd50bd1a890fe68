"""Views as data: what may be changed, and what a bundle remembers of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mien.alignment.views import OPENFACE_LANDMARKS, VIEWS, View, ViewOptions, view
from mien.errors import DataError, UnknownName


@pytest.mark.parametrize("name", list(VIEWS))
def test_a_view_survives_json(name: str) -> None:
    made = view(name)
    assert View.from_json(json.loads(json.dumps(made.as_json()))) == made


@pytest.mark.parametrize(("name", "size"), [("openface", 96), ("dlib", 150), ("arcface", 112), ("fer", 48)])
def test_sizes_are_those_of_the_networks(name: str, size: int) -> None:
    assert view(name).size == size


@pytest.mark.parametrize("name", list(VIEWS))
def test_templates_are_inside_the_crop(name: str) -> None:
    made = view(name)
    assert all(0 < value < 1 for point in made.template for value in point)
    assert len(made.template) == len(made.indices)


def test_openface_has_two_sets_of_landmarks() -> None:
    for landmarks, (indices, template) in OPENFACE_LANDMARKS.items():
        made = view("openface", ViewOptions(landmarks=landmarks))
        assert (made.indices, made.template) == (indices, template)


def test_the_size_can_be_chosen() -> None:
    assert view("openface", ViewOptions(size=534)).size == 534


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dlib", ViewOptions(landmarks="outerEyesAndNose")),
        ("openface", ViewOptions(landmarks="ears")),
        ("dlib", ViewOptions(margin=0.2)),
        ("box", ViewOptions(margin=-1)),
        ("box", ViewOptions(size=0)),
        ("box", ViewOptions(size=100_000)),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_sentence(name: str, options: ViewOptions) -> None:
    with pytest.raises(DataError) as caught:
        view(name, options)
    assert "\n" not in str(caught.value)


def test_an_unknown_view_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="openface, dlib, arcface, fer, box"):
        view("sideways")


@pytest.mark.parametrize("fields", [{}, {"name": "x"}, {**view("dlib").as_json(), "size": -1}])
def test_invalid_fields_of_a_view_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        View.from_json(fields)


def test_the_fer_view_puts_the_eyes_where_fer2013_has_them() -> None:
    right, left = np.array(view("fer").template, np.float64)[:2]
    # Measured there between the corners of the eyes: YuNet's points are a pixel of 48 higher, and wider apart.
    assert np.allclose((right + left) / 2, ((0.309 + 0.682) / 2, 0.386 - 1 / 48), atol=0.01)
    assert np.allclose(left - right, (1.08 * (0.682 - 0.309), 0), atol=0.01)
