"""What a study compares: the variants that there are, and what cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mien.errors import DataError, UnknownName
from mien.experiment.variants import OVER, StudyOptions, Variant, build_variants
from mien.pipeline.execute import RunOptions
from tests.experiment.factories import FACES

pytestmark = pytest.mark.usefixtures("made_up")


def built(over: str) -> dict[str, Variant]:
    return {variant.name: variant for variant in build_variants(StudyOptions(over), FACES, RunOptions(1))}


def test_crops_of_every_size_and_colour_are_asked_for() -> None:
    assert [variant.recipe.spec.view.size for variant in built("size").values()] == [32, 48, 64, 96]
    greys = {name: variant.recipe.spec.view.grey for name, variant in built("colour").items()}
    assert greys == {"grey": True, "colour": False}


def test_variants_of_photos_are_by_policy_or_by_number() -> None:
    settings = {name: variant.recipe.settings for name, variant in built("augment").items()}
    assert list(settings) == ["none", "gentle", "extreme", "1", "4", "16", "64"]
    policies = {name: (chosen.policy, chosen.variants) for name, chosen in settings.items() if chosen}
    assert policies["extreme"] == ("extreme", None)
    assert policies["16"] == ("gentle", 16)
    assert built("augment")["16"].recipe.options.settings.variants == 16


def test_hierarchies_are_the_shipped_ones_or_those_of_files(tmp_path: Path) -> None:
    assert next(variant.name for variant in build_variants(StudyOptions("hierarchy"), FACES, RunOptions(1))) == "flat"
    tree = tmp_path / "mine.toml"
    tree.write_text('[tree]\nleft = ["ann", "bob"]\nright = ["cy", "dee"]\n')
    made = build_variants(StudyOptions("hierarchy", trees=(tree,)), FACES, RunOptions(1))
    assert [variant.name for variant in made] == ["flat", "mine"]
    assert made[1].recipe.tree is not None
    assert made[1].recipe.tree.leaves == ("ann", "bob", "cy", "dee")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"over": "luck"}, UnknownName, "augment, size, colour, hierarchy, recipe"),
        ({"over": "size", "seeds": 2}, DataError, "3 or more"),
        ({"over": "size", "folds": 6}, DataError, "1 to 5"),
        ({"over": "size", "epochs": 0}, DataError, "1 or more"),
        ({"over": "size", "trees": (Path("x.toml"),)}, DataError, "can only be used with --over hierarchy"),
        ({"over": "size", "variants": ("32", "32")}, DataError, "twice"),
    ],
)
def test_options_that_cannot_be_are_one_sentence(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        StudyOptions(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (StudyOptions("size", variants=("big",)), "give numbers of pixels"),
        (StudyOptions("colour", variants=("blue",)), "grey, colour"),
        (StudyOptions("augment", recipe="head"), "trained on pictures, which head is not"),
        (StudyOptions("recipe", recipe="head"), "name them with --variants"),
        (StudyOptions("recipe", variants=("magic",)), "magic"),
        (StudyOptions("hierarchy", variants=("flat", "none-such")), "none-such"),
        (StudyOptions("hierarchy", trees=(Path("a/x.toml"), Path("b/x.toml"))), "two files of the same name"),
    ],
)
def test_variants_that_there_are_not_are_named(options: StudyOptions, words: str) -> None:
    with pytest.raises((DataError, UnknownName), match=words):
        build_variants(options, FACES, RunOptions(1))


def test_all_that_can_be_varied_has_variants() -> None:
    for over in OVER:
        made = build_variants(StudyOptions(over), FACES, RunOptions(1))
        assert len(made) >= 2
        assert len({str(variant.as_json()) for variant in made}) == len(made)
