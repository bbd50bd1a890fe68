"""Random variants of faces for training; torch is loaded on first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mien.registry import Registry

ENGINES: Registry[Callable[..., Any]] = Registry(
    "augmentation engine",
    {"tensors": "mien.augmentation.engine:apply", "pixels": "mien.augmentation.engine:variants"},
    {"tensors": "train", "pixels": "train"},
)
"""What applies a policy: to a batch of tensors in training, or to one picture."""
