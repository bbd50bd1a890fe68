"""Networks whose weights are not the initial ones, as after training, without the training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mien.models.network import network_input
from mien.training.networks import Network, build_network


def channels_last(module: nn.Module) -> nn.Module:
    """The module itself, its weights laid out with channels last."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def shaken(name: str, shape: tuple[int, ...], inputs: npt.NDArray[np.generic], classes: int = 7) -> Network:
    """A named network, `shake`n."""
    network = build_network(name, shape, classes, 0)
    shake(network, inputs)
    return network


def shake(network: Network, inputs: npt.NDArray[np.generic], *, seed: int = 0) -> None:
    """Give every bias, slope and norm an effect, and running means from real inputs; evaluation mode afterwards."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if name.endswith(".slope"):
                weights.uniform_(-0.3, 0.3)
            elif "norm" in name and name.endswith(".weight"):
                weights.uniform_(0.5, 1.5)
            elif name.endswith(".bias"):
                weights.normal_(std=0.1)
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1  # one batch sets them
        network.train()(torch.from_numpy(network_input(inputs[:8], network.shape)))
    network.eval()
