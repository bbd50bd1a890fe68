"""What a training is given, tells on its way and gives back; knows nothing of how it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from mien.types import Ints

Inputs: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""Crops (n, s, s) grey or (n, s, s, 3) RGB, uint8; or vectors (n, d), float32."""

Augment: TypeAlias = Callable[[torch.Tensor, Sequence[int]], torch.Tensor]
"""Crops (n, c, h, w) float32 in 0..255 and a seed a row -> the same shape; each row by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What to learn from: `inputs`, the class of each row `y` (n,), and the numbers of the rows for each purpose.

    `train` are learnt from; by `stop` the best epoch is chosen, and it may be empty: then the last one is taken.

    Raises:
        ValueError: these do not belong together.
    """

    inputs: Inputs
    y: Ints
    train: Ints
    stop: Ints
    classes: int

    def __post_init__(self) -> None:
        crops = self.inputs.dtype == np.uint8 and self.inputs.ndim in (3, 4)
        if not crops and not (self.inputs.dtype == np.float32 and self.inputs.ndim == 2):
            raise ValueError(f"uint8 crops or float32 vectors are needed, not {self.inputs.dtype} {self.inputs.shape}")
        if len(self.y) != len(self.inputs) or (len(self.y) and not 0 <= self.y.min() <= self.y.max() < self.classes):
            raise ValueError(f"{len(self.inputs)} rows need one class each, from 0 to {self.classes - 1}")

    @property
    def crops(self) -> bool:
        return self.inputs.dtype == np.uint8


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one round over the rows came to, as curves are drawn from; `stop_*` are None where no row is kept for it.

    `loss` and `accuracy` are of the rows as they were learnt from, varied and while the network changed.
    `learning_rate` is that of the last step; `seconds` are of the whole epoch.
    """

    epoch: int
    loss: float
    accuracy: float
    stop_loss: float | None
    stop_accuracy: float | None
    learning_rate: float
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Every field, as strict JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands: `epoch` of `epochs` (from 1), `batch` of `batches`, and the epoch's means so far.

    `seconds_left` is until the last epoch there may be. `ended` is the epoch's record once it is over. `note` is
    something that the user should know at once.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    images_per_second: float
    seconds_left: float
    ended: Epoch | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What does not belong to the settings: where and on how many cores, who watches, and the seed.

    folder: for a checkpoint and, in one of their own, TensorBoard's events (None: neither). described: what else
    decides the outcome and cannot be seen in the rows, the settings or the module (which policies `augment` and `calm`,
    that of the last epochs, are), so that a checkpoint made with another is not taken up. minutes: after the first
    epoch so many are planned as fit, and the schedule with them; what an earlier call spent before a kill counts.
    limit: training is broken off with the epoch in which so many minutes are over. save_seconds: no checkpoint is
    written sooner after the last, and of a large network later (0: after every epoch).
    """

    seed: int = 0
    threads: int = 1
    folder: Path | None = None
    watch: Callable[[Progress], None] | None = None
    augment: Augment | None = None
    calm: Augment | None = None
    described: str = ""
    minutes: float | None = None
    limit: float | None = None
    save_seconds: float = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The module with its best weights (averaged ones where the settings say so), in evaluation mode, on the CPU.

    `best_epoch` counts from 1; `epochs` were done; `ended` says why there were no more: "epochs", "patience" or
    "minutes". `samples` were seen at `images_per_second`; `seconds` are of all epochs, those before a kill too.
    """

    module: torch.nn.Module
    curves: tuple[Epoch, ...]
    best_epoch: int
    epochs: int
    ended: str
    seconds: float
    images_per_second: float
    samples: int
    notes: tuple[str, ...] = ()
