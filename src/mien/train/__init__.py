"""Training on labelled data: the table of recipes; knows nothing of pictures, bundles or commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mien.registry import Registry

RECIPES: Registry[Callable[..., Any]] = Registry("recipe", {"head": "mien.train.head:fit_head"})
"""A recipe's name, and the function that fits it."""
