"""Modules whose weights are not those they were made with, as after training, without the training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mien.models.network import network_input
from mien.train.architecture import Architecture
from mien.train.module import build


def channels_last(module: nn.Module) -> nn.Module:
    """The module itself, its weights laid out with channels last."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def shaken(architecture: Architecture, inputs: npt.NDArray[np.generic], *, seed: int = 0) -> nn.Module:
    """A module in which every bias, slope and norm matters, with running means out of real inputs; set to answer."""
    torch.manual_seed(seed)
    module = build(architecture)
    with torch.no_grad():
        for name, weights in module.named_parameters():
            if name.endswith(".slope"):
                weights.uniform_(-0.3, 0.3)
            elif "norm" in name and name.endswith(".weight"):
                weights.uniform_(0.5, 1.5)
            elif name.endswith(".bias"):
                weights.normal_(std=0.1)
        norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1  # one batch says it all
        module.train()(torch.from_numpy(network_input(inputs[:8], architecture.input)))
    return module.eval()
