"""Optimisers: decay on matrices only, and a memory that survives being written down."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mien.train.optimise import optimiser, remember, remembered
from tests.train.tasks import network, settings


def step(module: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> None:
    torch.manual_seed(seed)
    module(torch.randn(4, 1, 12, 12)).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def test_weight_decay_is_on_matrices_and_filters_only() -> None:
    module = network()
    groups = optimiser(module, settings(weight_decay=0.3)).param_groups
    decays = {p: group["weight_decay"] for group in groups for p in group["params"]}
    assert {name: decays[p] for name, p in module.named_parameters()} == {
        "0.weight": 0.3,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
        "6.weight": 0.3,
        "6.bias": 0.0,
    }


def test_frozen_parameters_are_left_alone() -> None:
    module = network()
    module[0].requires_grad_(False)  # type: ignore[index]
    assert len([p for group in optimiser(module, settings()).param_groups for p in group["params"]]) == 4


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_each_has_its_name(name: str, kind: str) -> None:
    assert type(optimiser(network(), settings(optimiser=name))).__name__ == kind


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_one_that_was_written_down_goes_on_to_the_last_bit(name: str, layout: torch.memory_format) -> None:
    one, two = network(), network()
    for module in (one, two):
        module.to(memory_format=layout)  # type: ignore[call-overload]
    first = optimiser(one, settings(optimiser=name))
    step(one, first, 1)
    step(one, first, 2)
    two.load_state_dict(one.state_dict())
    second = optimiser(two, settings(optimiser=name))
    remember(second, {name: value.contiguous().clone() for name, value in remembered(first)})
    step(one, first, 3)
    step(two, second, 3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_one_that_remembers_nothing_yet_is_empty() -> None:
    fresh = optimiser(network(), settings())
    assert dict(remembered(fresh)) == {}
    remember(fresh, {})
