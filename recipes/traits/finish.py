"""Turns the result of `recipes.traits.train` into the files of the package: quantised, calibrated, with cards.

    python -m recipes.traits.finish DATA --trained OUT

The printed figures are on held-out faces, a sixteenth of FairFace and a quarter of the street photos, by which heads
are chosen and calibrated; `benchmarks/traits.py` measures on others.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import cv2
import numpy as np

from mien.models import ensure
from mien.models.head import Head
from mien.models.onnx_edit import graft
from mien.types import Floats, Ints, Pixels
from recipes.traits.backbone import BASE_LAYER, DLIB_INT8, SIDE, Base, export
from recipes.traits.cards import page
from recipes.traits.faces import LABELS, FaceTable, fairface, street
from recipes.traits.heads import best_head, calibrate, fit_head, linear_head, quantise_network, unit_vectors
from recipes.traits.ship import Provenance, ship
from recipes.traits.train import SCALE, Traits, held_out_rows, load_trained, training_rows
from recipes.traits.training_batches import draw_accessory

AIMS = {"age": 0.6, "gender": 0.95, "mask": 0.98, "glasses": 0.97}
"""The accuracy that is aimed at where a trait is not uncertain."""
STRENGTHS = (1.0, 10.0)
TRUNK = "traits"
DATA = (
    "FairFace, 15,000 photos (CC BY 4.0), a part of them with masks and glasses drawn on; 168 of 224 street photos with"
    " masks (CC0-1.0); on dlib's face recognition network (CC0-1.0), and taught by one that was begun from"
    " EfficientNet-Lite0 (Apache-2.0)"
)
COMMAND = "recipes.traits.train, twice, and recipes.traits.finish: see card.md"


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces of one purpose: `crops` (n, SIDE, SIDE, 3) and each trait's label, -1 where it is not known."""

    crops: Pixels
    labels: dict[str, Ints]

    def known(self, trait: str, found: Floats) -> tuple[Floats, Ints]:
        """The vectors of those whose label is known, and the labels."""
        y = self.labels[trait]
        return found[y >= 0], y[y >= 0]


def faces(parts: list[FaceTable], *, disguise: bool) -> Faces:
    """Rows as the network sees them, the whole crop at its size; with drawings on a part of those of FairFace."""
    crops, labels = [], []
    for part, rows in enumerate(parts):
        for number in range(len(rows)):
            plain = rows.crops[number], {name: int(values[number]) for name, values in rows.labels.items()}
            drawn = disguise and rows.labels["age"][number] >= 0
            crop, said = draw_accessory(rows, number, np.random.default_rng((part, number))) if drawn else plain
            crops.append(np.asarray(cv2.resize(crop, (SIDE, SIDE)), np.uint8))
            labels.append(said)
    return Faces(np.stack(crops), {name: np.array([said[name] for said in labels]) for name in LABELS})


def heads(network: Traits, onnx: bytes, learnt: Faces, apart: Faces) -> dict[str, Head]:
    """A head for each trait on the network's vectors in integers, calibrated on faces kept apart.

    It is the one that was trained with the network, or one fitted to the finished vectors, whichever does better.
    """
    seen, found = (unit_vectors(onnx, each.crops, mirror=False) for each in (learnt, apart))
    made = {}
    for trait, names in LABELS.items():
        layer = network.heads[trait]
        state = {name: value.detach().numpy() for name, value in layer.named_parameters()}
        known, tested = learnt.known(trait, seen), apart.known(trait, found)
        rivals = [linear_head(names, state["weight"] * np.float32(SCALE), state["bias"], known)]
        rivals += [fit_head(names, known, strength) for strength in STRENGTHS]
        made[trait] = calibrate(best_head(rivals, *tested), *tested, AIMS[trait])
        right = made[trait].probabilities(tested[0]).argmax(axis=1) == tested[1]
        print(f"{trait}: {right.mean():.1%} of {len(right)} kept apart, certain from {made[trait].certain:.2f}")
    return made


def main() -> None:
    """Write trunk, bundles and cards into the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--trained", type=Path, required=True)
    options = parser.parse_args()
    network = load_trained(options.trained)
    upright, whole = fairface(options.data / "pools" / "fairface.parquet", Path(__file__).with_name("glasses.csv"))
    streets = street(options.data, options.data / "mask" / "boxes.csv")
    pairs = [(upright, 16), (whole, 16), (streets, 4)]
    apart = faces([rows.only(held_out_rows(rows, parts)) for rows, parts in pairs], disguise=True)
    learnt = faces([training_rows(upright, 16), training_rows(streets, 4)], disguise=True)
    base = Base()
    said = (
        base(learnt.crops[start : start + 16]) * np.float32(base.scale) for start in range(0, len(learnt.crops), 400)
    )
    top = quantise_network(export(network.top), said, 255 * base.scale)
    made = heads(network, graft(ensure(DLIB_INT8).read_bytes(), BASE_LAYER, top), learnt, apart)
    counts = {
        trait: {name: int(((training_rows(upright, 16).labels[trait]) == i).sum()) for i, name in enumerate(names)}
        for trait, names in LABELS.items()
    }
    provenance = Provenance(date.today().isoformat(), COMMAND, DATA, 0, counts)
    print(ship(TRUNK, top, made, provenance, {trait: page(trait) for trait in made}))


if __name__ == "__main__":
    main()
