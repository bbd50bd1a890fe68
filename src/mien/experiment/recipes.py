"""What the user said about training, as a recipe: how photos are prepared, and what is trained on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy.typing as npt

from mien import models
from mien.config import settings
from mien.errors import DataError
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec, build_crop_spec, build_spec
from mien.run import cores
from mien.text import safe_name
from mien.training import NETWORK_RECIPES, RECIPES, TREE_RECIPES
from mien.training.head import HeadOptions
from mien.training.settings import SETTINGS, Balance, TrainerOptions, TrainingSettings
from mien.training.tree import Tree, open_tree

if TYPE_CHECKING:
    from mien.training import Fit

_BALANCES: tuple[str, ...] = get_args(Balance)
_ENDLESS = 2**62  # samples to see, where the user gives the number of epochs


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """How faces are prepared. size, grey: of the crops that a network takes; the recipe's own where None."""

    detector: str = "auto"
    embedder: str = "auto"
    faces: str = "find"
    min_face: int | None = None
    size: int | None = None
    grey: bool | None = None


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train; what is None is the recipe's own.

    false_accept_rate: the share of strangers that may be accepted as somebody known. policy: name or file of an
    augmentation policy. hierarchy: name or file of a tree over the labels. minutes: the time limit.
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
    def network_options(self) -> list[str]:
        """The options given that only networks take."""
        names = {"learning_rate": "learning-rate", "policy": "augment"}
        fields = ("epochs", "minutes", "learning_rate", "policy", "balance")
        return [names.get(field, field) for field in fields if getattr(self, field) is not None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe: how photos are prepared (`spec`), and how it is trained: by `fit`, which takes `options`.

    tree: over the labels, where they are classified step by step.
    """

    name: str
    spec: PipelineSpec
    fit: Callable[..., Fit]
    options: Any
    tree: Tree | None = None

    @property
    def settings(self) -> TrainingSettings | None:
        """How its network is trained; None where it has none."""
        return getattr(self.options, "settings", None)

    @property
    def weights(self) -> int:
        """Parameters of the networks of all nodes of a tree; 0 where they are few, or depend on the photos."""
        if self.tree is None or self.settings is None or self.settings.inputs != "crops":
            return 0
        return sum(_weights(self.settings, len(node.children)) for node in self.tree.nodes)

    def within(self, minutes: float) -> Recipe:
        """The same, in as many epochs as fit in that many minutes; a head is not limited."""
        if self.settings is None:
            return self
        return replace(self, options=replace(self.options, run=replace(self.options.run, minutes=self.share(minutes))))

    def share(self, minutes: float) -> float:
        """The minutes of each training: the nodes of a tree share the total evenly."""
        return minutes if self.tree is None else minutes / len(self.tree.nodes)

    def learn(
        self,
        inputs: npt.NDArray[Any],
        labels: Sequence[str],
        groups: Sequence[str | None],
        splits: Sequence[str | None],
        seed: int,
    ) -> Fit:
        """Inputs as the spec prepares them, and a label, group and split each -> the trained head or network.

        Raises:
            DataError: too few photos, labels that are not those of the tree, or training failed.
        """
        options = replace(self.options, seed=seed)
        if self.tree is None:
            return self.fit(inputs, labels, groups=groups, splits=splits, options=options)
        learn: Callable[..., Fit] = TREE_RECIPES.load("hierarchy")
        return learn(inputs, labels, groups=groups, splits=splits, options=options, tree=self.tree, fit=self.fit)


def build_recipe(options: TrainOptions, faces: FaceOptions, run: RunOptions, name: str = "trial") -> Recipe:
    """Options -> the recipe; checkpoints and curves go into a folder of that name.

    Raises:
        UnknownName: no such recipe, detector or embedder. DataError: the recipe does not take an option.
        MissingExtra: it needs a package that is not installed.
    """
    tree = None if options.hierarchy is None else open_tree(options.hierarchy)
    fit = RECIPES.load(options.recipe)
    if options.recipe in NETWORK_RECIPES:
        chosen = _settings(options, faces)
        network = _network(chosen, options, run, name)
        recipe = Recipe(options.recipe, _spec(chosen, faces), fit, network, tree)
        return recipe if options.minutes is None else recipe.within(options.minutes)
    if given := options.network_options:
        raise DataError(
            f"--{given[0]} applies to networks only: choose --recipe {', '.join(NETWORK_RECIPES)}, or omit it"
        )
    if faces.size is not None or faces.grey is not None:
        raise DataError(f"recipe {options.recipe!r} takes embeddings, not crops: omit --size and --colour")
    if faces.embedder in models.CARDS and models.get_card(faces.embedder).layout:
        raise DataError(f"embedder {faces.embedder!r} is an inner layer for --recipe finetune: choose another one")
    spec = build_spec(faces.detector, faces.embedder, faces.faces, min_face=faces.min_face)
    return Recipe(options.recipe, spec, fit, HeadOptions(options.seed, options.false_accept_rate), tree)


def _settings(options: TrainOptions, faces: FaceOptions) -> TrainingSettings:
    """The recipe's own settings, changed as the user said."""
    chosen = SETTINGS[options.recipe]
    if chosen.inputs == "vectors" and (faces.size is not None or faces.grey is not None or options.policy is not None):
        raise DataError(f"recipe {options.recipe!r} takes embeddings, not crops: omit --size, --colour and --augment")
    if options.balance not in (None, *_BALANCES):
        raise DataError(f"--balance {options.balance}: use {', '.join(_BALANCES)}")
    changes: dict[str, Any] = {
        "size": faces.size,
        "grey": faces.grey,
        "policy": options.policy,
        "calm": None if options.policy is None else 0.0,  # a policy that was given is used in all epochs
        "learning_rate": options.learning_rate,
        "balance": options.balance,
        "most_epochs": options.epochs,
        "samples": None if options.epochs is None else _ENDLESS,
    }
    changed = replace(chosen, **{name: value for name, value in changes.items() if value is not None})
    if changed.inputs == "crops":
        _weights(changed, 2)  # refuses a size that it cannot take, before photos are looked at
    return changed


def _weights(chosen: TrainingSettings, classes: int) -> int:
    """How many weights a network for crops has; raises DataError where it does not take crops of that size."""
    from mien.training.networks import count_weights  # here and below, since they import torch

    return count_weights(chosen.architecture, (1 if chosen.grey else 3, chosen.size, chosen.size), classes)


def _spec(chosen: TrainingSettings, faces: FaceOptions) -> PipelineSpec:
    if chosen.inputs == "vectors":
        embedder = chosen.embedder if faces.embedder == "auto" else faces.embedder
        return build_spec(faces.detector, embedder, faces.faces, min_face=faces.min_face)
    if faces.embedder != "auto":
        raise DataError(f"recipe {chosen.architecture!r} takes crops, not embeddings: omit --embedder")
    return build_crop_spec(
        chosen.size, grey=chosen.grey, detector=faces.detector, faces=faces.faces, min_face=faces.min_face
    )


def _network(chosen: TrainingSettings, options: TrainOptions, run: RunOptions, name: str) -> Any:
    from mien.augmentation.policy import load_policy
    from mien.training.checkpoint import sweep
    from mien.training.network_recipe import NetworkOptions

    names = [chosen.policy, chosen.calm_policy if chosen.calm else "none"]
    policies = [None if name == "none" or chosen.inputs != "crops" else load_policy(name) for name in names]
    augment, calm = (None if policy is None else policy.apply for policy in policies)
    home = settings().home / "training"
    sweep(home)
    trainer = TrainerOptions(
        # A network of embeddings is so small that threads would spend their time waiting for each other.
        threads=1 if chosen.inputs == "vectors" else run.workers or cores(),
        folder=home / safe_name(name),
        on_progress=run.progress.training,
        augment=augment,
        weak_augment=calm,
        augment_name=" then ".join(repr(policy) for policy in policies if policy is not None),
    )
    return NetworkOptions(chosen, options.seed, options.false_accept_rate, trainer)
