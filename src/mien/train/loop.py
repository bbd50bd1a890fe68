"""The one trainer: a module, rows and settings to the best weights; knows no recipe, no picture's file and no bundle."""

from __future__ import annotations

import torch

from mien.train.job import Fitted, Rows, Run
from mien.train.settings import Settings


def fit_module(module: torch.nn.Module, rows: Rows, settings: Settings, run: Run) -> Fitted:
    """A module (trained in place), rows, settings -> its best weights and how it came to them.

    Raises:
        DataError: there is too little to learn from, the loss is no number, or the folder cannot be written.
    """
    raise NotImplementedError
