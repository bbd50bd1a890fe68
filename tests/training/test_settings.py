"""Settings: what is out of range is refused in a sentence, and little data changes batch and rate."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mien.errors import DataError
from mien.training.networks import ARCHITECTURES
from mien.training.settings import SETTINGS, TrainingSettings
from tests.training.tasks import SMALL

HOUR = 3600
IMAGES_PER_SECOND = {"fer-cnn": 600, "resnet-small": 450, "alexnet": 14}
"""Measured on two cores with bfloat16."""


@pytest.mark.parametrize("name", SETTINGS)
def test_named_settings_are_read_back_from_json(name: str) -> None:
    assert TrainingSettings.from_json(json.loads(json.dumps(SETTINGS[name].to_json()))) == SETTINGS[name]


@pytest.mark.parametrize("name", SETTINGS)
def test_named_settings_name_an_architecture(name: str) -> None:
    assert SETTINGS[name].architecture in ARCHITECTURES


@pytest.mark.parametrize("name", IMAGES_PER_SECOND)
@pytest.mark.parametrize("n", [60, 300, 5000, 28709, 400_000])
def test_a_recipe_ends_within_an_hour_on_two_cores(name: str, n: int) -> None:
    settings = SETTINGS[name]
    assert settings.epochs(n) * settings.rows_per_epoch(n) / IMAGES_PER_SECOND[name] < HOUR


def test_a_number_of_variants_is_read_back() -> None:
    settings = replace(SMALL, variants=8)
    assert TrainingSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("samples", 0),
        ("most_epochs", 0),
        ("batch", 1),
        ("patience", -1),
        ("variants", 0),
        ("size", 4),
        ("learning_rate", 0.0),
        ("learning_rate", -0.1),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("weight_decay", -1.0),
        ("warm_up", -1.0),
        ("clip", float("nan")),
        ("momentum", 1.0),
        ("label_smoothing", 1.0),
        ("ema", -0.1),
        ("ema", 1.0),
    ],
)
def test_what_is_out_of_range_is_refused_in_a_sentence(field: str, value: Any) -> None:
    with pytest.raises(DataError, match=r"^(the|crops).* must"):
        replace(SMALL, **{field: value})


def test_vectors_need_no_size() -> None:
    assert replace(SMALL, inputs="vectors", size=0).size == 0


@pytest.mark.parametrize(
    "changed",
    [{"optimiser": "magic"}, {"batch": 2.5}, {"ema": "much"}, {"variants": 1.5}, {"unknown": 1}, {"batch": 0}],
)
def test_settings_of_a_stranger_are_refused_in_a_sentence(changed: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        TrainingSettings.from_json({**SMALL.to_json(), **changed})


def test_settings_that_are_no_object_are_refused() -> None:
    with pytest.raises(DataError, match="invalid training settings"):
        TrainingSettings.from_json([1])


def test_epochs_follow_from_the_rows_to_see() -> None:
    settings = replace(SMALL, samples=1000, most_epochs=50)
    assert [settings.epochs(n) for n in (1, 20, 30, 60, 100)] == [50, 50, 34, 17, 10]


def test_very_much_data_is_seen_in_parts_so_that_there_are_epochs_to_choose_from() -> None:
    settings = replace(SMALL, samples=1000, most_epochs=50)
    assert [(settings.epochs(n), settings.rows_per_epoch(n)) for n in (333, 100_000)] == [(10, 100), (10, 100)]
    assert replace(settings, most_epochs=2).rows_per_epoch(100_000) == 500


def test_a_batch_is_smaller_where_the_data_is_small() -> None:
    settings = replace(SMALL, batch=128)
    assert [settings.batch_size(n) for n in (10, 100, 240, 400, 700, 1279, 1280, 30_000)] == [
        16,
        16,
        16,
        32,
        64,
        64,
        128,
        128,
    ]


def test_a_small_batch_that_was_asked_for_stays() -> None:
    assert [replace(SMALL, batch=8).batch_size(n) for n in (10, 100, 10_000)] == [8, 8, 8]


def test_a_smaller_batch_takes_smaller_steps() -> None:
    settings = replace(SMALL, batch=128, learning_rate=0.1)
    assert settings.top_rate(30_000) == 0.1
    assert settings.top_rate(400) == pytest.approx(0.05)


@pytest.mark.parametrize(("calm", "first"), [(0.0, 20), (0.15, 17), (0.5, 10), (0.99, 0)])
def test_a_share_of_the_epochs_is_calm(calm: float, first: int) -> None:
    how = replace(SETTINGS["resnet-small"], calm=calm, samples=2000, most_epochs=20)
    assert (how.epochs(100), how.first_calm_epoch(20)) == (20, first)


def test_not_all_epochs_can_be_calm() -> None:
    with pytest.raises(DataError, match="the calm share is 1"):
        replace(SETTINGS["resnet-small"], calm=1.0)
