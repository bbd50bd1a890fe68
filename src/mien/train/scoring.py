"""Loss and accuracy of a module on rows that it does not learn from; knows no epoch and chooses nothing."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.nn import functional

from mien.train.device import Place

Batch = tuple[torch.Tensor, torch.Tensor]


@torch.no_grad()
def score(
    module: torch.nn.Module, batches: Iterable[Batch], where: Place, *, weights: torch.Tensor | None, mirror: bool
) -> tuple[float, float]:
    """A module in evaluation mode and batches (crops or vectors, classes) -> mean cross-entropy and accuracy.

    With `weights` (classes,) each row counts as its class does. `mirror` takes the mean of the logits of a crop and of
    its mirror image, as the finished network will answer.
    """
    loss = right = total = 0.0
    for x, y in batches:
        with where.autocast():
            logits = module(x).float()
            if mirror:
                logits = (logits + module(x.flip(-1)).float()) / 2
        counts = torch.ones(len(y), device=y.device) if weights is None else weights[y]
        loss += float((functional.cross_entropy(logits, y, reduction="none") * counts).sum())
        right += float(((logits.argmax(1) == y) * counts).sum())
        total += float(counts.sum())
    return loss / total, right / total
