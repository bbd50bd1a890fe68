"""How a network is trained: the settings of each recipe, and the options of one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mien import validate
from mien.errors import DataError

if TYPE_CHECKING:
    import torch

    from mien.training.progress import TrainingProgress

MIN_BATCH = 16
"""With little data a batch shrinks no further, so that batch statistics keep their meaning."""

BATCHES_PER_EPOCH = 10
"""With little data the batch shrinks until an epoch has about this many."""

MIN_EPOCHS = 10
"""With very much data an epoch takes a part of it, so that there are this many."""

Balance: TypeAlias = Literal["none", "weights", "sampling"]

Augment: TypeAlias = "Callable[[torch.Tensor, Sequence[int]], torch.Tensor]"
"""Crops (n, c, h, w) float32 in 0..255 and one seed per row -> the same shape; each row by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How a network is trained.

    architecture: its name. inputs, size, grey: what it sees, crops of `size` pixels or vectors (`size` 0).
    embedder: what makes the vectors, unless the user chooses another.
    policy: the name of the augmentation of crops. variants: the number of fixed variants of each row, or None: new ones
    in every epoch. calm: the last share of the epochs, in which crops are augmented by the milder `calm_policy`, so
    that the network ends on pictures like those that it will see in use. samples: how many rows to see in all, repeats
    included. most_epochs: the upper limit of epochs. batch: rows per step; with little data fewer. learning_rate: at
    that batch. weight_decay: on matrices and filters, not on biases and norms. warm_up: epochs in which the learning
    rate rises. ema: the decay of the averaged weights (0: no average). clip: the largest gradient norm (0: any).
    mirror: predictions are the mean over a crop and its mirror image. patience: epochs without a better one after which
    training stops (0: never). balance: "weights" makes rare classes count more in the loss, "sampling" draws them more
    often.

    Raises:
        DataError: a value is out of range.
    """

    architecture: str
    inputs: Literal["crops", "vectors"] = "crops"
    embedder: str = "auto"
    size: int = 0
    grey: bool = False
    policy: str = "none"
    variants: int | None = None
    calm: float = 0.0
    calm_policy: str = "none"
    samples: int
    most_epochs: int
    batch: int = 128
    optimiser: Literal["adam", "adamw", "sgd"] = "sgd"
    learning_rate: float
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warm_up: float = 0.0
    label_smoothing: float = 0.0
    ema: float = 0.0
    clip: float = 5.0
    mirror: bool = False
    patience: int = 0
    balance: Balance = "none"

    def __post_init__(self) -> None:
        whole = {"samples": 1, "most_epochs": 1, "batch": 2, "patience": 0}
        for name, least in whole.items():
            if getattr(self, name) < least:
                raise DataError(f"{_label(name)} is {getattr(self, name)}: it must be {least} or more")
        if self.variants is not None and self.variants < 1:
            raise DataError(f"the number of variants is {self.variants}: it must be 1 or more")
        if self.size < 8 and self.inputs == "crops":
            raise DataError(f"crops of {self.size} pixels are too small to learn from: they must have 8 or more")
        for name in ("learning_rate", "weight_decay", "warm_up", "clip"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0) or (name == "learning_rate" and value == 0):
                raise DataError(f"{_label(name)} is {value}: it must be a number above 0")
        for name in ("momentum", "label_smoothing", "ema", "calm"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"{_label(name)} is {getattr(self, name)}: it must be at least 0 and below 1")

    def rows_per_epoch(self, n: int) -> int:
        """How many of `n` rows an epoch takes: all, unless too few epochs would be left to choose the best of."""
        return min(n, math.ceil(self.samples / min(MIN_EPOCHS, self.most_epochs)))

    def epochs(self, n: int) -> int:
        """How many epochs `n` rows are trained for."""
        return min(self.most_epochs, math.ceil(self.samples / max(self.rows_per_epoch(n), 1)))

    def first_calm_epoch(self, epochs: int) -> int:
        """The first epoch (from 0) with the milder augmentation; the number of epochs where there is none."""
        return epochs - round(epochs * self.calm)

    def batch_size(self, n: int) -> int:
        """How many of `n` rows a step takes: a power of two where the data is too small for the whole batch."""
        if n >= BATCHES_PER_EPOCH * self.batch:
            return self.batch
        small = 1 << max(n // BATCHES_PER_EPOCH, 1).bit_length() - 1
        return min(self.batch, max(MIN_BATCH, small))

    def top_rate(self, n: int) -> float:
        """The peak learning rate for `n` rows: it falls with the batch's root (Krizhevsky 2014, arXiv:1404.5997)."""
        return self.learning_rate * math.sqrt(self.batch_size(n) / self.batch)

    def to_json(self) -> dict[str, Any]:
        """Every field, as strict JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> TrainingSettings:
        """The inverse of `to_json`.

        Raises:
            DataError: a field is missing, unknown, or has another type.
        """
        try:
            return validate.from_dict(cls, value)
        except ValueError as error:
            raise DataError(f"invalid training settings: {error}") from error


def _label(name: str) -> str:
    names = {"ema": "the decay of the weight average", "samples": "the number of rows to see", "calm": "the calm share"}
    return names.get(name, f"the {name.replace('_', ' ')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerOptions:
    """What one run needs besides the settings: the seed, the machine, and who is told about progress.

    folder: for a checkpoint and, in a folder of its own, TensorBoard's events (None: neither). augment, weak_augment:
    of all epochs, and of the last ones. augment_name: what these two are, which decides the outcome and cannot be seen
    in the rows, the settings or the module: a checkpoint made with others is not resumed. minutes: after the first
    epoch, as many are planned as fit, and the schedule with them; time spent before a kill counts. max_minutes:
    training stops with the epoch in which this time is over. save_seconds: the least time between two checkpoints; of a
    large network more (0: after every epoch).
    """

    seed: int = 0
    threads: int = 1
    folder: Path | None = None
    on_progress: Callable[[TrainingProgress], None] | None = None
    augment: Augment | None = None
    weak_augment: Augment | None = None
    augment_name: str = ""
    minutes: float | None = None
    max_minutes: float | None = None
    save_seconds: float = 5.0


SETTINGS: Mapping[str, TrainingSettings] = MappingProxyType(
    {
        "embedding-cnn": TrainingSettings(
            architecture="embedding-cnn",
            inputs="vectors",
            optimiser="adam",
            learning_rate=1e-3,
            samples=2_000_000,
            most_epochs=150,
            patience=20,
        ),
        "finetune": TrainingSettings(
            architecture="finetune",
            inputs="vectors",
            embedder="dlib-resnet-block",
            optimiser="adamw",
            learning_rate=4e-4,
            weight_decay=0.01,
            label_smoothing=0.1,
            samples=600_000,
            most_epochs=30,
            schedule="cosine",
            warm_up=1,
        ),
        "fer-cnn": TrainingSettings(
            architecture="fer-cnn",
            size=48,
            grey=True,
            policy="expression",
            optimiser="adamw",
            learning_rate=1e-3,
            weight_decay=0.01,
            samples=800_000,
            most_epochs=60,
            schedule="cosine",
            warm_up=2,
            label_smoothing=0.1,
            ema=0.999,
            mirror=True,
        ),
        "alexnet": TrainingSettings(
            architecture="alexnet",
            size=227,
            policy="six-class",
            learning_rate=0.01,
            weight_decay=5e-5,
            samples=36_000,
            most_epochs=150,
            patience=30,
            mirror=True,
        ),
        "resnet-small": TrainingSettings(
            architecture="resnet-small",
            size=48,
            grey=True,
            policy="expression",
            calm=0.15,
            calm_policy="gentle",
            learning_rate=0.1,
            nesterov=True,
            weight_decay=5e-4,
            samples=1_400_000,
            most_epochs=120,
            schedule="cosine",
            warm_up=2,
            label_smoothing=0.1,
            ema=0.999,
            mirror=True,
        ),
    }
)
"""How each recipe is trained, within an hour on two cores."""
