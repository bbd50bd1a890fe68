"""Variants of faces: the table of engines that make them; knows no file of the user's, and loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mien.registry import Registry

ENGINES: Registry[Callable[..., Any]] = Registry(
    "augmentation engine",
    {"tensors": "mien.augment.engine:apply", "pictures": "mien.augment.engine:pictures"},
    {"tensors": "train", "pictures": "train"},
)
"""What carries a policy out: on a batch of tensors while training, or on one picture of bytes."""
