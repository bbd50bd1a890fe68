"""Averaged weights: close to the module at first, slow later, batch statistics among them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mien.train.average import EVERY, Average
from tests.train.tasks import network


def fill(module: nn.Module, value: float) -> None:
    for tensor in module.state_dict().values():
        tensor.fill_(value)


def test_the_first_update_forgets_where_training_began() -> None:
    module = network()
    fill(module, 0)
    average = Average(module, 0.999)
    fill(module, 1)
    average.follow(EVERY)
    means = [float(v.min()) for v in average.module.state_dict().values() if v.is_floating_point()]
    assert min(means) > 0.9


def test_later_it_follows_slowly() -> None:
    module = network()
    fill(module, 0)
    average = Average(module, 0.99)
    fill(module, 1)
    average.follow(100_000)
    assert float(next(average.module.parameters()).mean()) == pytest.approx(1 - 0.99**EVERY, rel=1e-5)


def test_batch_statistics_are_averaged_and_counters_are_copied() -> None:
    module = network()
    fill(module, 0)
    average = Average(module, 0.99)
    fill(module, 8)
    average.follow(100_000)
    state = average.module.state_dict()
    assert 0 < float(state["1.running_var"][0]) < 1
    assert int(state["1.num_batches_tracked"]) == 8


def test_between_updates_it_stays() -> None:
    module = network()
    average = Average(module, 0.5)
    before = [p.clone() for p in average.module.parameters()]
    fill(module, 3)
    for step in range(1, EVERY):
        average.follow(step)
    assert all(torch.equal(a, b) for a, b in zip(before, average.module.parameters(), strict=True))


def test_it_is_no_part_of_what_is_trained() -> None:
    module = network()
    average = Average(module, 0.9)
    assert not average.module.training
    assert not any(p.requires_grad for p in average.module.parameters())
    assert all(p.requires_grad for p in module.parameters())
