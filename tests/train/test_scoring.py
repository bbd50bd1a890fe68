"""Scores: the mean over rows, or over classes, of the network that will answer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mien.train.device import Place
from mien.train.scoring import score

WHERE = Place(torch.device("cpu"), half=False)
LOGITS = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
Y = torch.tensor([0, 0, 0, 0])
WRONG, RIGHT = math.log1p(math.exp(4)), math.log1p(math.exp(-4))


def test_loss_and_accuracy_are_means_over_rows_and_not_over_batches() -> None:
    batches = [(LOGITS[:3], Y[:3]), (LOGITS[3:], Y[3:])]
    loss, accuracy = score(nn.Identity(), batches, WHERE, weights=None, mirror=False)
    assert accuracy == 0.75
    assert loss == pytest.approx((3 * RIGHT + WRONG) / 4)


def test_with_weights_classes_count_the_same() -> None:
    y = torch.tensor([0, 0, 0, 0])
    y[3] = 1
    logits = LOGITS.clone()
    logits[3] = logits[0]
    loss, accuracy = score(nn.Identity(), [(logits, y)], WHERE, weights=torch.tensor([1 / 3, 1.0]), mirror=False)
    assert accuracy == pytest.approx(0.5)
    assert loss == pytest.approx((RIGHT + WRONG) / 2)


def test_mirroring_takes_the_mean_of_the_logits() -> None:
    crop = torch.zeros(1, 1, 2, 2)
    crop[0, 0, 0, 0] = 6.0
    corner = nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        corner.weight.zero_()
        corner.weight[0, 0] = 1.0
    network = nn.Sequential(nn.Flatten(), corner)
    loss, _ = score(network, [(crop, torch.tensor([0]))], WHERE, weights=None, mirror=True)
    assert loss == pytest.approx(math.log1p(math.exp(-3)))


def test_nothing_is_learnt() -> None:
    network = nn.Linear(2, 2)
    score(network, [(LOGITS, Y)], WHERE, weights=None, mirror=False)
    assert network.weight.grad is None
