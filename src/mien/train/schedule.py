"""The learning rate of each step; knows the settings and numbers of steps, and nothing of what was learnt."""

from __future__ import annotations

import math

from mien.train.settings import Settings


def rate(settings: Settings, top: float, step: int, steps: int, per_epoch: int) -> float:
    """The number of a step (from 0) out of `steps`, `per_epoch` of them an epoch -> its learning rate.

    It rises evenly to `top` over the warm-up. "cosine" lets it fall to nothing at the last step along half a wave
    (Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts).
    """
    rising = min(1.0, (step + 1) / (settings.warm_up * per_epoch)) if settings.warm_up else 1.0
    falling = 0.5 + 0.5 * math.cos(math.pi * step / steps) if settings.schedule == "cosine" else 1.0
    return top * rising * falling
