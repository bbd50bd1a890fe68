"""What a study can compare, and the recipe of each variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.errors import DataError, UnknownName
from mien.experiment.recipes import FaceOptions, Recipe, TrainOptions, build_recipe
from mien.pipeline.execute import RunOptions
from mien.text import join_names
from mien.training import NETWORK_RECIPES
from mien.training.settings import SETTINGS
from mien.training.tree import plans

LEAST_SEEDS = 3
"""With fewer there is no telling how much of a result is chance."""

_MOST_FOLDS = 5


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What to compare: the variants of `recipe` with these names, the usual ones where there are none.

    seeds: number of random splits. folds: how many fifths of each are tested. trees: files of hierarchies.

    Raises:
        DataError: a number is out of range. UnknownName: nothing of that name can be varied.
    """

    over: str
    recipe: str | None = None
    variants: tuple[str, ...] = ()
    seeds: int = LEAST_SEEDS
    folds: int = 1
    epochs: int | None = None
    trees: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.over not in OVER:
            raise UnknownName(f"--over {self.over!r} is unknown (choose from {', '.join(OVER)})")
        if self.seeds < LEAST_SEEDS:
            raise DataError(f"--seeds {self.seeds}: give {LEAST_SEEDS} or more, since a single result may be luck")
        if not 1 <= self.folds <= _MOST_FOLDS:
            raise DataError(f"--folds {self.folds}: give 1 to {_MOST_FOLDS}, each of them a fifth of the photos")
        if self.epochs is not None and self.epochs < 1:
            raise DataError(f"--epochs {self.epochs}: give 1 or more")
        if self.trees and self.over != "hierarchy":
            raise DataError(f"--hierarchy can only be used with --over hierarchy, not with --over {self.over}")
        if len(set(self.variants)) < len(self.variants):
            raise DataError("--variants names one variant twice: name each once")


@dataclass(frozen=True, slots=True)
class Variant:
    """A name, and the recipe that it stands for."""

    name: str
    recipe: Recipe

    def as_json(self) -> dict[str, Any]:
        """All that decides what is learnt from the same photos, its name aside."""
        recipe, settings = self.recipe, self.recipe.settings
        return {
            "recipe": recipe.name,
            "settings": settings and settings.to_json(),
            "policy": recipe.options.run.augment_name if settings else "",
            "tree": recipe.tree and recipe.tree.as_json(),
            "chain": recipe.spec.digest().hex(),
        }


@dataclass(frozen=True, slots=True)
class _Builder:
    """Builds variants of recipes by the options of a study."""

    options: StudyOptions
    faces: FaceOptions
    run: RunOptions

    def variant(self, name: str, recipe: str, **changes: Any) -> Variant:
        """A variant of a recipe; `changes` are options of faces (size, grey) or of training (policy, hierarchy)."""
        face_changes = {key: value for key, value in changes.items() if key in ("size", "grey")}
        train_changes = {key: value for key, value in changes.items() if key not in face_changes}
        epochs = self.options.epochs if recipe in NETWORK_RECIPES else None
        training = TrainOptions(recipe, epochs=epochs, **train_changes)
        return Variant(name, build_recipe(training, replace(self.faces, **face_changes), self.run))

    def crop_recipe(self) -> str:
        """The recipe that is varied, which has to be one that is trained on crops."""
        recipe = self.options.recipe or "resnet-small"
        fit = [name for name, settings in SETTINGS.items() if settings.inputs == "crops"]
        if recipe not in fit:
            raise DataError(
                f"--over {self.options.over} needs a recipe that is trained on pictures, which {recipe} is not:"
                f" use --recipe {', '.join(fit)}"
            )
        return recipe


def build_variants(options: StudyOptions, faces: FaceOptions, run: RunOptions) -> list[Variant]:
    """What to compare -> the variants, in the order in which they are shown.

    Raises:
        DataError, UnknownName: no such variant or recipe, or the recipe has no such variants.
        MissingExtra: one needs a package that is not installed.
    """
    return OVER[options.over](_Builder(options, faces, run))


def _recipes(builder: _Builder) -> list[Variant]:
    if builder.options.recipe is not None:
        raise DataError("--over recipe compares recipes: name them with --variants, and omit --recipe")
    names = builder.options.variants or ("head", "embedding-cnn", "finetune", "fer-cnn", "resnet-small")
    return [builder.variant(name, name) for name in names]


def _augment(builder: _Builder) -> list[Variant]:
    recipe = builder.crop_recipe()
    variants = []
    for name in builder.options.variants or ("none", "gentle", "extreme", "1", "4", "16", "64"):
        variant = builder.variant(name, recipe, policy="gentle" if name.isdigit() else name)
        if name.isdigit():  # that many variants of each photo, generated once, instead of new ones in every epoch
            options = variant.recipe.options
            settings = replace(options.settings, variants=_number(name, "variants of a photo"))
            variant = replace(variant, recipe=replace(variant.recipe, options=replace(options, settings=settings)))
        variants.append(variant)
    return variants


def _sizes(builder: _Builder) -> list[Variant]:
    recipe = builder.crop_recipe()
    names = builder.options.variants or ("32", "48", "64", "96")
    return [builder.variant(name, recipe, size=_number(name, "pixels")) for name in names]


def _colours(builder: _Builder) -> list[Variant]:
    recipe = builder.crop_recipe()
    names = builder.options.variants or ("grey", "colour")
    if unknown := [repr(name) for name in names if name not in ("grey", "colour")]:
        raise UnknownName(f"no variant is called {join_names(unknown)} (choose from grey, colour)")
    return [builder.variant(name, recipe, grey=name == "grey") for name in names]


def _hierarchies(builder: _Builder) -> list[Variant]:
    recipe = builder.options.recipe or "head"
    files = {path.stem: str(path) for path in builder.options.trees}
    if len(files) < len(builder.options.trees):
        raise DataError("--hierarchy names two files of the same name: rename one, since variants are named after them")
    names = (*(builder.options.variants or ("flat", *(() if files else plans()))), *files)
    trees = {name: None if name == "flat" else files.get(name, name) for name in names}
    return [builder.variant(name, recipe, hierarchy=tree) for name, tree in trees.items()]


def _number(name: str, what: str) -> int:
    if not (name.isascii() and name.isdigit()) or not 1 <= int(name) <= 10_000:
        raise DataError(f"--variants {name}: give numbers of {what}, such as 32,64")
    return int(name)


OVER: Mapping[str, Callable[[_Builder], list[Variant]]] = {
    "augment": _augment,
    "size": _sizes,
    "colour": _colours,
    "hierarchy": _hierarchies,
    "recipe": _recipes,
}
"""What can be varied, and how its variants are built."""
