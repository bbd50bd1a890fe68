"""Training on labelled data: the table of recipes; knows nothing of files, bundles or commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mien.registry import Registry

NETWORKS = ("embedding-cnn", "finetune", "fer-cnn", "resnet-small", "alexnet")
"""The recipes that train a network; `train.settings.SETTINGS` says how."""

RECIPES: Registry[Callable[..., Any]] = Registry(
    "recipe",
    {"head": "mien.train.head:fit_head", **dict.fromkeys(NETWORKS, "mien.train.network:fit_network")},
    dict.fromkeys(NETWORKS, "train"),
)
"""A recipe's name, and the function that fits it: `(inputs, labels, *, groups, splits, options) -> Fit`."""

BRANCHED: Registry[Callable[..., Any]] = Registry(
    "way of branching", {"hierarchy": "mien.train.hierarchy:fit_hierarchy"}, {"hierarchy": "train"}
)
"""What makes classifiers out of a recipe and a tree over the labels: as a recipe, with `tree` and `fit`."""
