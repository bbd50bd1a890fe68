"""How a network is trained, as data, and the settings of the recipes that have names; knows no network and no rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal

from mien import validate
from mien.errors import DataError

LEAST_BATCH = 16
"""A batch never falls below so many rows for want of data, so that batch statistics keep a meaning."""

BATCHES = 10
"""With little data the batch shrinks until an epoch has about so many."""


Balance = Literal["none", "weights", "sampling"]

LEAST_EPOCHS = 10
"""With very much data an epoch takes a part of it, so that there are so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a network is trained.

    architecture: its name. inputs, size, grey: what it sees, crops of `size` pixels or vectors (`size` 0).
    embedder: what makes the vectors, where the user does not say.
    policy: the name of the variants that crops are seen in. variants: so many fixed ones of each row, or None: new ones
    in every epoch. calm: the last share of the epochs, in which crops are seen in the milder `calm_policy`, so that the
    network ends on pictures like those that it will be asked about. samples: how many rows to see in all, repeats
    counted. most_epochs: never more epochs than this. batch: rows a step; with little data fewer. learning_rate: at
    that batch. weight_decay: on matrices and filters, not on biases and norms. warm_up: epochs in which the learning
    rate rises. ema: how slowly the averaged weights follow (0: no average). clip: the longest gradient (0: any).
    mirror: answers are the mean over a crop and its mirror image. patience: epochs without a better one after which
    training ends (0: never). balance: "weights" makes rare classes count more in the loss, "sampling" draws them more
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
                raise DataError(f"{_words(name)} is {getattr(self, name)}: give {least} or more")
        if self.variants is not None and self.variants < 1:
            raise DataError(f"the number of variants is {self.variants}: give 1 or more")
        if self.size < 8 and self.inputs == "crops":
            raise DataError(f"crops of {self.size} pixels are too small to learn from: give 8 or more")
        for name in ("learning_rate", "weight_decay", "warm_up", "clip"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0) or (name == "learning_rate" and value == 0):
                raise DataError(f"{_words(name)} is {value}: give a number above 0")
        for name in ("momentum", "label_smoothing", "ema", "calm"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"{_words(name)} is {getattr(self, name)}: give a number from 0 up to, but not, 1")

    def rows_of(self, n: int) -> int:
        """How many of `n` rows an epoch takes: all, unless so few epochs would be left that none could be chosen."""
        return min(n, math.ceil(self.samples / min(LEAST_EPOCHS, self.most_epochs)))

    def epochs(self, n: int) -> int:
        """How many epochs `n` rows are trained for."""
        return min(self.most_epochs, math.ceil(self.samples / max(self.rows_of(n), 1)))

    def calm_from(self, epochs: int) -> int:
        """The first of so many epochs (from 0) in which rows are seen calmly; their number where none is."""
        return epochs - round(epochs * self.calm)

    def batch_of(self, n: int) -> int:
        """How many rows a step takes of `n`: a power of two where the data is too small for the whole batch."""
        if n >= BATCHES * self.batch:
            return self.batch
        small = 1 << max(n // BATCHES, 1).bit_length() - 1
        return min(self.batch, max(LEAST_BATCH, small))

    def rate_of(self, n: int) -> float:
        """The learning rate for `n` rows: it falls with the root of the batch (Krizhevsky 2014, arXiv:1404.5997)."""
        return self.learning_rate * math.sqrt(self.batch_of(n) / self.batch)

    def to_json(self) -> dict[str, Any]:
        """Every field, as strict JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Settings:
        """What `to_json` gave -> the settings.

        Raises:
            DataError: a field is missing, unknown, or holds something else.
        """
        try:
            return validate.from_dict(cls, value)
        except ValueError as error:
            raise DataError(f"the settings of the training cannot be used: {error}") from error


def _words(name: str) -> str:
    return {
        "ema": "the averaging of weights",
        "samples": "the number of rows to see",
        "calm": "the share of calm epochs",
    }.get(name, f"the {name.replace('_', ' ')}")


SETTINGS: Mapping[str, Settings] = MappingProxyType(
    {
        "embedding-cnn": Settings(
            architecture="embedding-cnn",
            inputs="vectors",
            optimiser="adam",
            learning_rate=1e-3,
            samples=2_000_000,
            most_epochs=150,
            patience=20,
        ),
        "finetune": Settings(
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
        "fer-cnn": Settings(
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
        "alexnet": Settings(
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
        "resnet-small": Settings(
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
"""A recipe's name, and how it is trained: each within an hour on two cores."""
