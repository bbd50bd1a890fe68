"""Training on labelled data: the table of recipes, and what every recipe gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mien.models.head import Doubles, Scorer
from mien.registry import Registry
from mien.types import Ints

if TYPE_CHECKING:
    from mien.training.calibration import UnknownThreshold

NETWORK_RECIPES = ("embedding-cnn", "finetune", "fer-cnn", "resnet-small", "alexnet")
"""The recipes that train a network; `training.settings.SETTINGS` says how."""

RECIPES: Registry[Callable[..., Any]] = Registry(
    "recipe",
    {
        "head": "mien.training.head:fit_head",
        **dict.fromkeys(NETWORK_RECIPES, "mien.training.network_recipe:fit_network"),
    },
    dict.fromkeys(NETWORK_RECIPES, "train"),
)
"""A recipe's name, and the function that fits it: `(inputs, labels, *, groups, splits, options) -> Fit`."""

TREE_RECIPES: Registry[Callable[..., Any]] = Registry(
    "tree recipe", {"hierarchy": "mien.training.hierarchy:fit_hierarchy"}, {"hierarchy": "train"}
)
"""Fits one classifier per node of a tree over the labels: called as a recipe, with `tree` and `fit` besides."""

TRAINED_ON = "trained_on"
"""The name of the array of fingerprints in a bundle."""

Fingerprints: TypeAlias = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutPredictions:
    """Predictions for photos that the classifier had not seen: what its quality is measured by.

    method: "out-of-fold" (new folds, drawn after the choice of the head, each with the temperature of the others),
    "held-out" (a part kept back), or "val" or "test", the split of that name, with its strangers. rows (m,): numbers of
    the input rows. probabilities: (m, k). familiarity: (m,).
    """

    method: str
    rows: Ints
    probabilities: Doubles
    familiarity: Doubles


@dataclass(frozen=True, slots=True)
class FoldCounts:
    """How the photos were split: folds, units that stay together, copies found, photos that were never tested on."""

    number: int
    units: int
    copies: int
    training_only: int


class StorableScorer(Scorer, Protocol):
    """A head or a network, and what a bundle keeps of it."""

    @property
    def kind(self) -> str: ...

    def to_json(self) -> dict[str, Any]: ...

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]: ...


class Fit(Protocol):
    """A trained classifier, and all that is known about how good it is.

    counts: photos of each label. seen: numbers of the rows that it learnt from. held_out: its predictions for photos
    that it had not seen. parts: the files of its network by name; none for a head.
    """

    @property
    def head(self) -> StorableScorer: ...

    @property
    def counts(self) -> Mapping[str, int]: ...

    @property
    def seen(self) -> Ints: ...

    @property
    def held_out(self) -> HeldOutPredictions: ...

    @property
    def unknown(self) -> UnknownThreshold: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def parts(self) -> Mapping[str, bytes]: ...

    def as_json(self) -> dict[str, Any]: ...


def fingerprints(rows: Iterable[npt.NDArray[Any]]) -> Fingerprints:
    """Vectors or crops, n of them -> (n,) short digests by which they are recognised; they cannot be turned back.

    Each is the first 8 bytes of the SHA-256 of the row's float32, both little-endian. The same photo through the same
    pipeline gives the same vector to the last bit; a photo that was saved again gives another.
    """
    # One after the other: all crops at once would take four times their room as float32.
    sums = (sha256(np.asarray(row, dtype="<f4").tobytes()).digest() for row in rows)
    return np.array([int.from_bytes(digest[:8], "little") for digest in sums], dtype=np.uint64)
