"""Training batches for the built-in traits: faces with drawings, transformed and degraded, each with its own seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from mien.types import Floats, Ints, Pixels
from recipes.traits.faces import GLASSES, MASKS, SIDE, FaceTable
from recipes.traits.glasses import Kind, draw_glasses
from recipes.traits.masks import Placement, draw_mask
from recipes.traits.occlusions import draw_occlusion

WORN, NONE, WRONG = (MASKS.index(name) for name in ("with_mask", "without_mask", "incorrect"))
STREET = 16
"""Rows of a batch that are street photos; rare classes are drawn more often than their share."""
_WHOLE = 0.3  # share of faces that stay as they are in the pool, not upright
_DRAWINGS = (("worn", 0.13), ("under-nose", 0.05), ("under-mouth", 0.03), ("other", 0.04), ("glasses", 0.04))
_MASKS: dict[str, Placement] = {"worn": "worn", "under-nose": "under-nose", "under-mouth": "under-mouth"}
_LABELLED = 3.0  # weight of a face whose glasses are labelled


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """`pixels` (n, side, side, 3) RGB; each trait's label as a number or -1, (n,); `identity` as in the rows."""

    pixels: Pixels
    labels: dict[str, Ints]
    identity: Floats


@dataclass(frozen=True, slots=True, eq=False)
class FaceSampler:
    """Draws batches; `upright` and `whole` are the same faces, row by row."""

    upright: FaceTable
    whole: FaceTable
    street: FaceTable
    side: int
    seed: int = 0

    def batches(self, epoch: int, size: int) -> Iterator[Batch]:
        """The batches of an epoch, in which each face of FairFace comes once at most."""
        rng = np.random.default_rng((self.seed, epoch))
        likely = np.where(self.upright.labels["glasses"] >= 0, _LABELLED, 1.0)
        fair = size - STREET
        steps = len(self.upright) // fair
        order = rng.choice(len(likely), steps * fair, replace=False, p=likely / likely.sum())
        counts = np.bincount(self.street.labels["mask"], minlength=len(MASKS))
        rare = np.sqrt(1.0 / counts)[self.street.labels["mask"]]
        for step in range(steps):
            chosen = order[step * fair : (step + 1) * fair]
            street = rng.choice(len(rare), STREET, p=rare / rare.sum())
            yield self._batch(chosen, street, (self.seed, epoch, step))

    def _batch(self, fair: Ints, street: Ints, key: tuple[int, ...]) -> Batch:
        made, labels = [], []
        for place, number in enumerate([*fair, *street]):
            rng = np.random.default_rng((*key, place))
            if place < len(fair):
                rows = self.whole if rng.random() < _WHOLE else self.upright
                crop, labels_of_face = draw_accessory(rows, int(number), rng)
            else:
                crop = self.street.crops[number]
                labels_of_face = {name: int(values[number]) for name, values in self.street.labels.items()}
            made.append(degrade(random_affine(crop, self.side, rng), rng))
            labels.append(labels_of_face)
        identity = np.concatenate([self.upright.identity[fair], self.street.identity[street]])
        return Batch(
            np.stack(made),
            {name: np.array([labels_of_face[name] for labels_of_face in labels]) for name in labels[0]},
            identity,
        )


def draw_accessory(rows: FaceTable, number: int, rng: np.random.Generator) -> tuple[Pixels, dict[str, int]]:
    """A face, sometimes with a mask, glasses or something else drawn on it, and its labels."""
    crop, points = rows.crops[number], rows.points[number]
    labels_of_face = {name: int(values[number]) for name, values in rows.labels.items()}
    names = [name for name, _ in _DRAWINGS]
    likely = np.array([share for _, share in _DRAWINGS])
    pick = str(rng.choice([*names, "nothing"], p=[*likely, 1 - likely.sum()]))
    if pick == "glasses" and labels_of_face["glasses"] <= GLASSES.index("none"):
        kind: Kind = "glasses" if rng.random() < 0.6 else "sunglasses"
        return draw_glasses(crop, points, rng, kind), {**labels_of_face, "glasses": GLASSES.index(kind)}
    if pick == "other":
        return draw_occlusion(crop, points, rng), labels_of_face
    if pick in _MASKS:
        how = _MASKS[pick]
        return draw_mask(crop, points, rng, how), {**labels_of_face, "mask": WORN if how == "worn" else WRONG}
    return crop, labels_of_face


def random_affine(crop: Pixels, side: int, rng: np.random.Generator) -> Pixels:
    """A crop randomly mirrored, rotated, scaled and shifted, at the network's size."""
    angle, zoom = math.radians(rng.uniform(-12, 12)), side / SIDE * rng.uniform(0.9, 1.15)
    across, down = rng.uniform(-0.05, 0.05, 2) * side
    turn = zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    if rng.random() < 0.5:
        turn[:, 0] *= -1
    middle = np.array([(SIDE - 1) / 2] * 2)
    shift = np.array([(side - 1) / 2 + across, (side - 1) / 2 + down]) - turn @ middle
    return np.asarray(
        cv2.warpAffine(
            crop, np.column_stack([turn, shift]), (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ),
        np.uint8,
    )


def degrade(crop: Pixels, rng: np.random.Generator) -> Pixels:
    """A crop in other light, and sometimes small, blurred, grey or recompressed, like real photos."""
    side = crop.shape[0]
    if rng.random() < 0.25:
        small = int(rng.integers(22, 64))
        crop = np.asarray(
            cv2.resize(cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA), (side, side)), np.uint8
        )
    if rng.random() < 0.1:
        crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 1.8)), np.uint8)
    lit = crop.astype(np.float32)
    lit = (lit - 128) * rng.uniform(0.75, 1.25) + 128 + rng.uniform(-30, 30)
    lit = _coloured(lit, rng)
    crop = lit.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        _, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))])
        crop = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return crop


def _coloured(lit: Floats, rng: np.random.Generator) -> Floats:
    grey = lit.mean(axis=2, keepdims=True)
    strength = 0.0 if rng.random() < 0.06 else rng.uniform(0.7, 1.3)
    gains = rng.uniform(0.92, 1.08, 3).astype(np.float32)
    return np.asarray((grey + (lit - grey) * strength) * gains, np.float32)
