"""The optimisers, and what they remember as named tensors; knows parameters, and no rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer

from mien.train.settings import Settings


def optimiser(module: torch.nn.Module, settings: Settings) -> Optimizer:
    """A module's parameters -> their optimiser; weight decay is on matrices and filters only."""
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rate = settings.learning_rate
    if settings.optimiser == "sgd":
        return SGD(groups, rate, momentum=settings.momentum, nesterov=settings.nesterov, fused=True)
    kind = Adam if settings.optimiser == "adam" else AdamW
    return kind(groups, rate, fused=True)


def remembered(optimiser: Optimizer) -> Iterator[tuple[str, torch.Tensor]]:
    """What an optimiser keeps for each parameter, under names such as `3.momentum_buffer`."""
    for number, kept in optimiser.state_dict()["state"].items():
        for name, value in kept.items():
            if isinstance(value, torch.Tensor):
                yield f"{number}.{name}", value


def remember(optimiser: Optimizer, kept: Mapping[str, torch.Tensor]) -> None:
    """Give an optimiser back what `remembered` gave."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in kept.items():
        number, key = name.split(".")
        parameter = parameters[int(number)]
        if tensor.shape == parameter.shape:  # the fused kernels want it to lie in memory as the parameter does
            laid = torch.empty_like(parameter, requires_grad=False)
            state.setdefault(int(number), {})[key] = laid.copy_(tensor)
        else:
            state.setdefault(int(number), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
