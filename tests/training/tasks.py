"""Small tasks and networks for tests of the trainer: a bright row in a noisy picture tells its class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from mien.training.batches import TrainingRows
from mien.training.settings import TrainingSettings

SMALL = TrainingSettings(
    architecture="a small one",
    size=12,
    samples=400,
    most_epochs=5,
    batch=32,
    learning_rate=0.05,
    nesterov=True,
    weight_decay=1e-4,
    warm_up=1,
    schedule="cosine",
    label_smoothing=0.1,
    ema=0.99,
)


def settings(**changes: Any) -> TrainingSettings:
    return replace(SMALL, **changes)


def rows(n: int = 120, classes: int = 3, *, stop: int = 40, colour: bool = False, contrast: int = 60) -> TrainingRows:
    """Crops of 12 pixels, the last `stop` of them kept apart."""
    rng = np.random.default_rng(5)
    y = np.arange(n, dtype=np.int64) % classes
    inputs = rng.integers(0, 90, (n, 12, 12, 3) if colour else (n, 12, 12)).astype(np.uint8)
    inputs[np.arange(n), 1 + 3 * y] += np.uint8(contrast)
    return TrainingRows(inputs, y, np.arange(n - stop), np.arange(n - stop, n), classes)


def vectors(n: int = 120, classes: int = 3, *, stop: int = 40) -> TrainingRows:
    """Vectors of 8 numbers, clustered."""
    rng = np.random.default_rng(5)
    y = np.arange(n, dtype=np.int64) % classes
    inputs = (np.eye(classes, 8)[y] * 2 + rng.normal(size=(n, 8)) * 0.5).astype(np.float32)
    return TrainingRows(inputs, y, np.arange(n - stop), np.arange(n - stop, n), classes)


def network(channels: int = 1, classes: int = 3, seed: int = 1) -> nn.Module:
    """Convolution, batch norm and dropout: all that training treats in a way of its own."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AvgPool2d((1, 10)),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(80, classes),
    )


def dense(classes: int = 3, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, classes))


def same(a: nn.Module, b: nn.Module) -> bool:
    """Equal to the last bit."""
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(m == n and torch.equal(x, y) for (m, x), (n, y) in pairs)
