"""Recipes made ready to run: which chain prepares their inputs, and the function that learns from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy.typing as npt

from mien import models
from mien.config import settings
from mien.errors import DataError
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec, build_crop_spec, build_spec
from mien.run import cores
from mien.text import safe_name
from mien.train import BRANCHED, NETWORKS, RECIPES
from mien.train.architectures import ARCHITECTURES
from mien.train.head import HeadOptions
from mien.train.settings import SETTINGS, Balance, Settings
from mien.train.tree import Tree, open_tree

if TYPE_CHECKING:
    from mien.augment.policy import Policy
    from mien.train.architecture import Architecture
    from mien.train.fit import Fit

_BALANCES: tuple[str, ...] = get_args(Balance)
_ENDLESS = 2**62  # rows to see, where the user says how many epochs


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """What a user may say about how faces are prepared.

    size and grey are of the crops that a network looks at, and the recipe's own where None.
    """

    detector: str = "auto"
    embedder: str = "auto"
    faces: str = "find"
    min_face: int = 20
    size: int | None = None
    grey: bool | None = None


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a user may say about training; what is None is for the recipe to say.

    false_accept_rate: the share of strangers that may be taken for somebody known. policy: name or file of the variants
    that crops are seen in. hierarchy: name or file of a tree over the labels. minutes: when to end.
    """

    recipe: str = "head"
    seed: int = 0
    false_accept_rate: float = 0.01
    hierarchy: str | None = None
    epochs: int | None = None
    minutes: float | None = None
    learning_rate: float | None = None
    policy: str | None = None
    balance: str | None = None

    @property
    def of_networks(self) -> list[str]:
        """The options that were said and only networks understand."""
        given: dict[str, Any] = {"epochs": self.epochs, "minutes": self.minutes, "learning-rate": self.learning_rate}
        given |= {"augment": self.policy, "balance": self.balance}
        return [name for name, value in given.items() if value is not None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe with all that the user said: the chain whose end it takes, and how it learns.

    fit, options: the function of the table of recipes, and what it takes. tree: over the labels, where they are to be
    told apart step by step.
    """

    name: str
    spec: PipelineSpec
    fit: Callable[..., Fit]
    options: Any
    tree: Tree | None = None

    @property
    def settings(self) -> Settings | None:
        """How its network is trained; None where it trains none."""
        return getattr(self.options, "settings", None)

    @property
    def weights(self) -> int:
        """Numbers that the networks of all questions of a tree fit; 0 where that is little, or the photos decide it."""
        if self.tree is None or self.settings is None or self.settings.inputs != "crops":
            return 0
        return sum(_architecture(self.settings, len(node.children)).weights for node in self.tree.nodes)

    def within(self, minutes: float) -> Recipe:
        """The same, in so many epochs as fit in so many minutes; a head takes no notice."""
        if self.settings is None:
            return self
        return replace(self, options=replace(self.options, run=replace(self.options.run, minutes=self.share(minutes))))

    def share(self, minutes: float) -> float:
        """Of so many minutes those of each training: the questions of a tree share them evenly."""
        return minutes if self.tree is None else minutes / len(self.tree.nodes)

    def learn(
        self,
        inputs: npt.NDArray[Any],
        labels: Sequence[str],
        groups: Sequence[str | None],
        splits: Sequence[str | None],
        seed: int,
    ) -> Fit:
        """Inputs as the chain makes them, and a label, group and split each -> what was learnt.

        Raises:
            DataError: too little to learn from, labels that are not those of the tree, or training failed.
        """
        options = replace(self.options, seed=seed)
        learn = self.fit
        if self.tree is not None:
            learn = partial(BRANCHED.load("hierarchy"), tree=self.tree, fit=self.fit)
        return learn(inputs, labels, groups=groups, splits=splits, options=options)


def build_recipe(options: TrainOptions, faces: FaceOptions, drive: RunOptions, name: str = "trial") -> Recipe:
    """What the user said -> the recipe, ready to run; checkpoints and curves go into a folder of that name.

    Raises:
        UnknownName: no such recipe, detector or embedder. DataError: an option that does not go with the recipe.
        MissingExtra: it needs a package that is not installed.
    """
    tree = None if options.hierarchy is None else open_tree(options.hierarchy)
    fit = RECIPES.load(options.recipe)
    if options.recipe in NETWORKS:
        chosen = _settings(options, faces)
        network = _network(chosen, options, drive, name)
        recipe = Recipe(options.recipe, _chain(chosen, faces), fit, network, tree)
        return recipe if options.minutes is None else recipe.within(options.minutes)
    if given := options.of_networks:
        raise DataError(f"--{given[0]} goes with a network: choose --recipe {', '.join(NETWORKS)}, or leave it out")
    if faces.size is not None or faces.grey is not None:
        raise DataError(f"recipe {options.recipe!r} takes vectors: leave out --size and --colour")
    if faces.embedder in models.CARDS and models.get_card(faces.embedder).layout:
        raise DataError(f"embedder {faces.embedder!r} gives an inner layer, not a face's vector: use --recipe finetune")
    way = build_spec(faces.detector, faces.embedder, faces.faces, min_face=faces.min_face)
    return Recipe(options.recipe, way, fit, HeadOptions(options.seed, options.false_accept_rate), tree)


def _settings(options: TrainOptions, faces: FaceOptions) -> Settings:
    """The recipe's own settings, with what the user said in their place."""
    chosen = SETTINGS[options.recipe]
    if chosen.inputs == "vectors" and (faces.size is not None or faces.grey is not None or options.policy is not None):
        raise DataError(f"recipe {options.recipe!r} takes vectors: leave out --size, --colour and --augment")
    if options.balance not in (None, *_BALANCES):
        raise DataError(f"--balance {options.balance}: use {', '.join(_BALANCES)}")
    said: dict[str, Any] = {
        "size": faces.size,
        "grey": faces.grey,
        "policy": options.policy,
        "calm": None if options.policy is None else 0.0,  # who names the variants means all epochs
        "learning_rate": options.learning_rate,
        "balance": options.balance,
        "most_epochs": options.epochs,
        "samples": None if options.epochs is None else _ENDLESS,
    }
    made = replace(chosen, **{name: value for name, value in said.items() if value is not None})
    if made.inputs == "crops":
        _architecture(made, 2)  # which refuses a size that it cannot take, before photos are looked at
    return made


def _architecture(chosen: Settings, classes: int) -> Architecture:
    return ARCHITECTURES[chosen.architecture]((1 if chosen.grey else 3, chosen.size, chosen.size), classes)


def _chain(chosen: Settings, faces: FaceOptions) -> PipelineSpec:
    if chosen.inputs == "vectors":
        embedder = chosen.embedder if faces.embedder == "auto" else faces.embedder
        return build_spec(faces.detector, embedder, faces.faces, min_face=faces.min_face)
    if faces.embedder != "auto":
        raise DataError(f"recipe {chosen.architecture!r} looks at the face itself: leave out --embedder")
    return build_crop_spec(
        chosen.size, grey=chosen.grey, detector=faces.detector, faces=faces.faces, min_face=faces.min_face
    )


def _network(chosen: Settings, options: TrainOptions, drive: RunOptions, name: str) -> Any:
    from mien.train.checkpoint import sweep  # here and below, because torch stands behind them
    from mien.train.job import Run
    from mien.train.network import NetworkOptions

    policies = [_policy(chosen.policy, chosen), _policy(chosen.calm_policy, chosen) if chosen.calm else None]
    augment, calm = (None if policy is None else policy.apply for policy in policies)
    home = settings().home / "training"
    sweep(home)
    run = Run(
        # A network of vectors is so small that threads would spend their time waiting for each other.
        threads=1 if chosen.inputs == "vectors" else drive.workers or cores(),
        folder=home / safe_name(name),
        watch=drive.watch,
        augment=augment,
        calm=calm,
        described=" then ".join(repr(policy) for policy in policies if policy is not None),
    )
    return NetworkOptions(chosen, options.seed, options.false_accept_rate, run)


def _policy(name: str, chosen: Settings) -> Policy | None:
    if chosen.inputs != "crops" or name == "none":
        return None
    from mien.augment.policy import policy

    return policy(name)
