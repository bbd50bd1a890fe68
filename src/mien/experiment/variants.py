"""What a study may vary, and the recipe that each variant is; trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.errors import DataError, UnknownName
from mien.experiment.recipes import FaceOptions, Recipe, TrainOptions, build_recipe
from mien.pipeline.execute import RunOptions
from mien.text import join_names
from mien.train import NETWORKS
from mien.train.settings import SETTINGS
from mien.train.tree import plans

LEAST_SEEDS = 3
"""With fewer there is no telling how much a result owes to chance."""

_MOST_FOLDS = 5


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What a user may say about a study.

    over: what is varied. recipe: what it is varied of. variants: their names, all the usual ones where empty. seeds:
    how many splits are drawn; folds: how many fifths of each are tested. trees: hierarchies beside those named.

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
            raise UnknownName(f"nothing called {self.over!r} can be varied (there are: {', '.join(OVER)})")
        if self.seeds < LEAST_SEEDS:
            raise DataError(f"--seeds {self.seeds}: give {LEAST_SEEDS} or more, for one result may be luck")
        if not 1 <= self.folds <= _MOST_FOLDS:
            raise DataError(f"--folds {self.folds}: give 1 to {_MOST_FOLDS}, each of them a fifth of the photos")
        if self.epochs is not None and self.epochs < 1:
            raise DataError(f"--epochs {self.epochs}: give 1 or more")
        if self.trees and self.over != "hierarchy":
            raise DataError(f"--hierarchy goes with --over hierarchy, and not with --over {self.over}")
        if len(set(self.variants)) < len(self.variants):
            raise DataError("--variants names one of them twice: name each once")


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant: its name, and the recipe that is ready to run."""

    name: str
    recipe: Recipe

    def as_json(self) -> dict[str, Any]:
        """All that decides what is learnt from the same photos, its name aside."""
        recipe = self.recipe
        return {
            "recipe": recipe.name,
            "settings": None if recipe.settings is None else recipe.settings.to_json(),
            "policy": "" if recipe.settings is None else recipe.options.run.described,
            "tree": None if recipe.tree is None else recipe.tree.as_json(),
            "chain": recipe.spec.digest().hex(),
        }


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a user asked for, and how a recipe is made ready for it."""

    options: StudyOptions
    faces: FaceOptions
    drive: RunOptions

    def way(self, name: str, recipe: str, **changes: Any) -> Variant:
        """A variant of a recipe; `changes` are options of faces (size, grey) or of training (policy, hierarchy)."""
        of_faces = {key: value for key, value in changes.items() if key in ("size", "grey")}
        of_training = {key: value for key, value in changes.items() if key not in of_faces}
        epochs = self.options.epochs if recipe in NETWORKS else None
        training = TrainOptions(recipe, epochs=epochs, **of_training)
        return Variant(name, build_recipe(training, replace(self.faces, **of_faces), self.drive))


def build_variants(options: StudyOptions, faces: FaceOptions, drive: RunOptions) -> list[Variant]:
    """What a user asked for -> the variants, in the order in which they are shown.

    Raises:
        DataError, UnknownName: a variant or recipe that there is not, or a recipe that this cannot be varied of.
        MissingExtra: one needs a package that is not installed.
    """
    return OVER[options.over](_Asked(options, faces, drive))


def _recipes(asked: _Asked) -> list[Variant]:
    if asked.options.recipe is not None:
        raise DataError("--over recipe compares recipes: name them with --variants, and leave --recipe out")
    names = asked.options.variants or ("head", "embedding-cnn", "finetune", "fer-cnn", "resnet-small")
    return [asked.way(name, name) for name in names]


def _augment(asked: _Asked) -> list[Variant]:
    recipe = _of_pictures(asked)
    made = []
    for name in asked.options.variants or ("none", "gentle", "extreme", "1", "4", "16", "64"):
        if name.isdigit():
            made.append(_fixed(asked.way(name, recipe, policy="gentle"), _number(name, "variants of a photo")))
        else:
            made.append(asked.way(name, recipe, policy=name))
    return made


def _fixed(way: Variant, variants: int) -> Variant:
    """The same with so many variants of a photo, drawn once, instead of new ones in every epoch."""
    assert way.recipe.settings is not None
    settings = replace(way.recipe.settings, variants=variants)
    options = replace(way.recipe.options, settings=settings)
    return replace(way, recipe=replace(way.recipe, options=options))


def _sizes(asked: _Asked) -> list[Variant]:
    recipe = _of_pictures(asked)
    names = asked.options.variants or ("32", "48", "64", "96")
    return [asked.way(name, recipe, size=_number(name, "pixels")) for name in names]


def _colours(asked: _Asked) -> list[Variant]:
    recipe = _of_pictures(asked)
    names = asked.options.variants or ("grey", "colour")
    if others := [name for name in names if name not in ("grey", "colour")]:
        raise UnknownName(f"there is no variant called {join_names(list(map(repr, others)))} (there are: grey, colour)")
    return [asked.way(name, recipe, grey=name == "grey") for name in names]


def _hierarchies(asked: _Asked) -> list[Variant]:
    recipe = asked.options.recipe or "head"
    files = {path.stem: str(path) for path in asked.options.trees}
    if len(files) < len(asked.options.trees):
        raise DataError("--hierarchy names two files of one name: rename one, for variants are called by these")
    names = (*(asked.options.variants or ("flat", *(() if files else plans()))), *files)
    return [
        asked.way(name, recipe) if name == "flat" else asked.way(name, recipe, hierarchy=files.get(name, name))
        for name in dict.fromkeys(names)
    ]


def _of_pictures(asked: _Asked) -> str:
    recipe = asked.options.recipe or "resnet-small"
    fit = [name for name, settings in SETTINGS.items() if settings.inputs == "crops"]
    if recipe not in fit:
        raise DataError(
            f"--over {asked.options.over} needs a recipe that learns from pictures, and {recipe} is none:"
            f" use --recipe {', '.join(fit)}"
        )
    return recipe


def _number(name: str, what: str) -> int:
    if not (name.isascii() and name.isdigit()) or not 1 <= int(name) <= 10_000:
        raise DataError(f"--variants {name}: give numbers of {what}, such as 32,64")
    return int(name)


OVER: Mapping[str, Callable[[_Asked], list[Variant]]] = {
    "augment": _augment,
    "size": _sizes,
    "colour": _colours,
    "hierarchy": _hierarchies,
    "recipe": _recipes,
}
"""What can be varied, and what makes the variants of it."""
