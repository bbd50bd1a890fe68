"""What photos under restrictive licences would add to the mask trait: measured, and not used.

    python -m recipes.traits.restricted_photos DATA

Two heads are fitted to the vectors of the shipped network: one to street photos and drawn masks alone, one to the pool
of web photos and synthetic masks as well. Both are tested on the held-out street photos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from sklearn.metrics import f1_score

from mien.models import ensure
from mien.types import Floats, Ints, Pixels
from recipes.traits.backbone import SIDE
from recipes.traits.faces import MASKS, fairface, street
from recipes.traits.finish import TRUNK, faces
from recipes.traits.heads import fit_head, unit_vectors
from recipes.traits.train import held_out_rows, training_rows

LEAST = 24
"""Side in pixels of the smallest box that is tested."""
FAIRFACE = 10
"""Every tenth photo of FairFace is trained on, with masks drawn on a part of them."""


def pool(path: Path) -> tuple[Pixels, Ints]:
    """The pool of masks -> (n, SIDE, SIDE, 3), and the number of each one's label."""
    table = pq.read_table(path, columns=["image", "label"])
    crops = []
    for image in table["image"].to_pylist():
        pixels = np.asarray(cv2.imdecode(np.frombuffer(image["bytes"], np.uint8), cv2.IMREAD_COLOR), np.uint8)
        crops.append(cv2.resize(pixels, (SIDE, SIDE))[..., ::-1])
    return np.asarray(crops, np.uint8), np.array([MASKS.index(label) for label in table["label"].to_pylist()])


def main() -> None:
    """Print the accuracy of both heads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    network = ensure(TRUNK).read_bytes()
    upright, _ = fairface(data / "pools" / "fairface.parquet", Path(__file__).with_name("glasses.csv"))
    streets = street(data, data / "mask" / "boxes.csv")
    drawn = training_rows(upright, 16).only(np.arange(0, len(training_rows(upright, 16)), FAIRFACE))
    clean = faces([drawn, training_rows(streets, 4)], disguise=True)
    apart = streets.only(held_out_rows(streets, 4))
    asked = faces([apart.only(np.flatnonzero(apart.sides >= LEAST))], disguise=False)
    more, labels = pool(data / "pools" / "mask.parquet")
    known, extra, tested = (unit_vectors(network, crops, mirror=False) for crops in (clean.crops, more, asked.crops))
    y = clean.labels["mask"]
    _report("clean alone", known, y, (tested, asked.labels["mask"]))
    both = np.concatenate([known, extra]), np.concatenate([y, labels])
    _report(f"with {len(more)} photos of the pool", *both, (tested, asked.labels["mask"]))


def _report(name: str, known: Floats, y: Ints, tested: tuple[Floats, Ints]) -> None:
    answers = fit_head(MASKS, (known, y), 10.0).probabilities(tested[0]).argmax(axis=1)
    f1 = f1_score(tested[1], answers, average="macro")
    print(f"{name}: {(answers == tested[1]).mean():.1%} of {len(answers)} cuts right, macro-F1 {f1:.3f}")


if __name__ == "__main__":
    main()
