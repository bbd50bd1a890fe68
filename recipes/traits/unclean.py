"""What photos under unclean licences would add to the mask trait: measured, and not used.

    python -m recipes.traits.unclean DATA

Two heads are fitted to the vectors of the shipped network: one to street photos and drawn masks alone, one to the pool
of web photos and synthetic masks as well. Both answer for the street photos that were kept apart.
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
from recipes.traits.heads import fitted, vectors
from recipes.traits.train import held, rest

LEAST = 24
"""Side in pixels of the smallest box that is answered for."""
FAIRFACE = 10
"""Every so manieth photo of FairFace, with masks drawn on a part of them, is learnt from."""


def pool(path: Path) -> tuple[Pixels, Ints]:
    """The pool of masks -> (n, SIDE, SIDE, 3), and the number of each one's label."""
    table = pq.read_table(path, columns=["image", "label"])
    crops = []
    for image in table["image"].to_pylist():
        pixels = np.asarray(cv2.imdecode(np.frombuffer(image["bytes"], np.uint8), cv2.IMREAD_COLOR), np.uint8)
        crops.append(cv2.resize(pixels, (SIDE, SIDE))[..., ::-1])
    return np.asarray(crops, np.uint8), np.array([MASKS.index(label) for label in table["label"].to_pylist()])


def main() -> None:
    """Print what each head is worth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    network = ensure(TRUNK).read_bytes()
    upright, _ = fairface(data / "pools" / "fairface.parquet", Path(__file__).with_name("glasses.csv"))
    streets = street(data, data / "mask" / "boxes.csv")
    drawn = rest(upright, 16).only(np.arange(0, len(rest(upright, 16)), FAIRFACE))
    clean = faces([drawn, rest(streets, 4)], disguise=True)
    apart = streets.only(held(streets, 4))
    asked = faces([apart.only(np.flatnonzero(apart.sides >= LEAST))], disguise=False)
    more, labels = pool(data / "pools" / "mask.parquet")
    known, extra, tested = (vectors(network, crops, mirror=False) for crops in (clean.crops, more, asked.crops))
    y = clean.labels["mask"]
    _say("clean alone", known, y, (tested, asked.labels["mask"]))
    both = np.concatenate([known, extra]), np.concatenate([y, labels])
    _say(f"with {len(more)} photos of the pool", *both, (tested, asked.labels["mask"]))


def _say(name: str, known: Floats, y: Ints, tested: tuple[Floats, Ints]) -> None:
    answers = fitted(MASKS, (known, y), 10.0).probabilities(tested[0]).argmax(axis=1)
    f1 = f1_score(tested[1], answers, average="macro")
    print(f"{name}: {(answers == tested[1]).mean():.1%} of {len(answers)} cuts right, macro-F1 {f1:.3f}")


if __name__ == "__main__":
    main()
