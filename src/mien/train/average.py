"""Weights averaged over the steps of a training; knows modules, and no rows."""

from __future__ import annotations

import copy

import torch

EVERY = 4
"""Steps between two updates: rarer ones cost less, and an average over hundreds of steps does not notice."""


class Average:
    """A copy of a module that follows it: weights and batch statistics as exponential means, counters as they are.

    The mean follows closely at first, by (1 + step) / (100 + step), so that the weights which training began with are
    soon forgotten.
    """

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self._decay = decay**EVERY
        pairs = list(zip(self.module.state_dict().values(), module.state_dict().values(), strict=True))
        self._means = [mean for mean, _ in pairs if mean.is_floating_point()]
        self._values = [value for _, value in pairs if value.is_floating_point()]
        self._counters = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Take in what the module has become after `step` steps."""
        if step % EVERY:
            return
        decay = min(self._decay, (1 + step) / (100 + step))
        torch._foreach_lerp_(self._means, self._values, 1 - decay)
        for kept, counter in self._counters:
            kept.copy_(counter)
