"""Trains the network of all built-in traits except expression: age, gender, mask and glasses together.

    python -m recipes.traits.train DATA --out OUT [--begin FIRST --teacher EARLIER --seed 11]

DATA is laid out as the measuring data of the project: `pools/fairface.parquet`, `mask/boxes.csv`. OUT gets the weights
of the network and its heads, `log.jsonl`, and during the training the base's features of the pictures, 2.5 GB. A
quarter of the street photos and a sixteenth of FairFace are held out, for `recipes.traits.finish` to calibrate and
measure on.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mien.types import Ints
from recipes.traits.backbone import DIMENSION, SIDE, Base, Top
from recipes.traits.faces import IDENTITY, LABELS, MASKS, FaceTable, fairface, street
from recipes.traits.feature_cache import FeatureBatch, FeatureCache, mixup
from recipes.traits.teacher import Teacher
from recipes.traits.training_batches import FaceSampler

SCALE = 16.0
"""The length of the vectors that the heads take; at length one a head could not be sure enough."""
BATCH, DECAY, HEADS = 128, 0.1, 10.0
BLENDED, BLEND = 0.5, 0.2
"""The share of batches that are mixed with themselves, and the parameter of the share's distribution."""
WEIGHT = {"age": 1.0, "gender": 1.0, "mask": 0.7, "glasses": 0.7}
LESSON = 0.5
TAUGHT = 0.5
"""The teacher's share of a trait's loss (Hinton et al. 2015, arXiv:1503.02531)."""
BESIDE = 0.2
"""The share of an age's target probability that goes to the neighbouring groups."""
FOLLOW = 0.995


class Traits(nn.Module):
    """The top with linear layers on its vectors at a constant length: the traits' heads, and the identity lesson."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Top()
        self.lesson = nn.Linear(DIMENSION, IDENTITY)
        self.heads = nn.ModuleDict({name: nn.Linear(DIMENSION, len(labels)) for name, labels in LABELS.items()})

    def forward(self, batch: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The base's features -> the logits of each trait, and the prediction of dlib's own vector."""
        vectors = SCALE * nn.functional.normalize(self.top(batch))
        return {name: head(vectors) for name, head in self.heads.items()}, self.lesson(vectors)


def held_out_rows(rows: FaceTable, parts: int) -> Ints:
    """The rows that are held out: those of every `parts`-th photo."""
    return np.flatnonzero(rows.group % parts == 0)


def training_rows(rows: FaceTable, parts: int) -> FaceTable:
    """The other rows."""
    return rows.only(np.flatnonzero(rows.group % parts != 0))


def loss_of(answers: tuple[dict[str, Tensor], Tensor], batch: FeatureBatch) -> Tensor:
    """The sum over traits of the mean over the rows whose label is known, and the lesson's squared error.

    Where there is a teacher, half of a trait's loss is that against the teacher's probabilities, of all rows.
    """
    logits, lesson = answers
    wanted = torch.from_numpy(batch.identity)
    known = wanted.isfinite().all(dim=1)
    total = LESSON * (lesson[known] - wanted[known]).square().mean() if known.any() else torch.zeros(())
    for name, found in logits.items():
        taught = TAUGHT if name in batch.taught else 0.0
        known = torch.from_numpy(batch.labels[name] >= 0)
        if known.any():
            target = _wanted(name, torch.from_numpy(batch.labels[name])[known])
            total = total + (1 - taught) * WEIGHT[name] * nn.functional.cross_entropy(found[known], target)
        if taught:
            target = torch.from_numpy(batch.taught[name])
            total = total + taught * WEIGHT[name] * nn.functional.cross_entropy(found, target)
    return total


def _wanted(name: str, numbers: Tensor) -> Tensor:
    k = len(LABELS[name])
    sure = nn.functional.one_hot(numbers, k).float()
    if name != "age":
        return 0.95 * sure + 0.05 / k
    beside = nn.functional.pad(sure, (1, 1))
    beside = beside[:, 2:] + beside[:, :-2]
    return (1 - BESIDE) * sure + BESIDE * beside / beside.sum(1, keepdim=True)


def initial_network(folder: Path | None) -> Traits:
    """The network to train: from an earlier training, or dlib's weights with heads of zeros."""
    if folder is not None:
        return load_trained(folder)
    network = Traits()
    network.top.begin()
    for head in network.heads.values():
        assert isinstance(head, nn.Linear)
        nn.init.zeros_(head.weight)
    return network


def train(network: Traits, cache: FeatureCache, epochs: int, top: float, out: Path) -> None:
    """Train for so many epochs, at a learning rate of at most `top`; the averaged weights are written after each."""
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network).eval()
    others = [*network.heads.parameters(), *network.lesson.parameters()]
    optimiser = torch.optim.AdamW(
        [
            {"params": list(network.top.parameters()), "weight_decay": DECAY, "times": 1.0},
            {"params": others, "weight_decay": 0.0, "times": HEADS},
        ]
    )
    done, start = 0, time.monotonic()
    for epoch in range(epochs):
        network.train()
        batches = cache.batches(epoch)
        steps, lost = len(batches) * epochs, 0.0
        for seen, batch in enumerate(batches, 1):
            rate = top * min(1.0, (done + 1) / 60) * (0.5 + 0.5 * math.cos(math.pi * done / steps))
            for group in optimiser.param_groups:
                group["lr"] = rate * group["times"]
            rng = np.random.default_rng((cache.sampler.seed, epoch, seen))
            loss = _blended(network, batch, rng) if rng.random() < BLENDED else loss_of(network(batch.values()), batch)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            done, lost = done + 1, lost + loss.item()
            update_average(averaged, network, min(FOLLOW, (1 + done) / (10 + done)))
            if seen % 25 == 0:
                seconds = round(time.monotonic() - start)
                log_line(out, {"epoch": epoch + 1, "step": done, "of": steps, "loss": lost / seen, "seconds": seconds})
        state = {name: value.contiguous() for name, value in averaged.state_dict().items()}
        save_file(state, out / "traits.safetensors")


def _blended(network: Traits, batch: FeatureBatch, rng: np.random.Generator) -> Tensor:
    """The loss of a batch mixed with itself in another order (Zhang et al. 2018, arXiv:1710.09412)."""
    share, other, values = mixup(batch, rng.beta(BLEND, BLEND), rng)
    answers = network(values)
    return share * loss_of(answers, batch) + (1 - share) * loss_of(answers, other)


@torch.no_grad()
def update_average(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    """Move the averaged weights a little towards the network's."""
    for old, new in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        old.lerp_(new, 1 - keep)


def load_trained(folder: Path) -> Traits:
    """The network that `train` wrote, in evaluation mode."""
    network = Traits()
    network.load_state_dict(load_file(folder / "traits.safetensors"))
    return network.eval()


def log_line(out: Path, fields: dict[str, float]) -> None:
    """Add a line to the log."""
    with (out / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(fields) + "\n")


def main() -> None:
    """Train, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--rate", type=float, default=3e-4, help="the highest learning rate")
    parser.add_argument("--variety", type=int, default=8, help="number of different epochs, which are then repeated")
    parser.add_argument("--begin", type=Path, help="continue from the weights of an earlier training in that folder")
    parser.add_argument("--teacher", type=Path, help="also learn from earlier traits: a copy of models/shipped")
    parser.add_argument("--seed", type=int, default=7, help="of the drawings: take another one to continue")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    glasses = Path(__file__).with_name("glasses.csv")
    upright, whole = fairface(options.data / "pools" / "fairface.parquet", glasses)
    streets = street(options.data, options.data / "mask" / "boxes.csv")
    sampler = FaceSampler(
        training_rows(upright, 16), training_rows(whole, 16), training_rows(streets, 4), SIDE, options.seed
    )
    print(f"{len(sampler.upright)} faces of FairFace, {len(sampler.street)} cuts of street photos: {MASKS}", flush=True)
    torch.manual_seed(sampler.seed)
    teacher = Teacher(options.teacher) if options.teacher else None
    with FeatureCache(sampler, Base(), teacher, BATCH, options.variety, options.out) as cache:
        train(initial_network(options.begin), cache, options.epochs, options.rate, options.out)


if __name__ == "__main__":
    main()
