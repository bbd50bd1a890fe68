"""Whether landmark positions tell a mask, and what `mien check --expect mask` finds where people should wear one.

MIEN_DATA=... python benchmarks/curation_masks.py [--photos 1200] [--json FILE]

The web photos of the mask pool (with and without, never trained on) and the street photos' faces by their boxes. All
by MTCNN, which has the landmarks that everybody has. Accuracies are balanced: the mean over labels.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mien.curation.checks import INCORRECT_MASK, WITH_MASK, WITHOUT_MASK, mask_findings
from mien.curation.features import ImageFeatures
from mien.pipeline.execute import RunOptions
from mien.pipeline.extract_features import check_spec, extract_features
from mien.types import Floats, Origin, PhotoRef
from traits_masks import Boxed, faces_of, overlap

LABELS = (WITH_MASK, WITHOUT_MASK, INCORRECT_MASK)
LEAST, SAME = 40, 0.4
"""Pixels of a box's shorter side; what a found face and a box have in common at least."""
MIXED_IN = 0.1
"""Share of the photos without a mask, for precision."""


@dataclass(frozen=True, slots=True)
class Told:
    """A face of known label: the detector's score and landmarks in the unit square of its box, the trait's answer.

    fresh: the trait has not been trained on its photo.
    """

    label: str
    score: float
    places: Floats
    told: Floats
    fresh: bool = True


def web(data: Path, count: int) -> list[PhotoRef]:
    """So many of the pool's web photos, evenly out of all."""
    rows = pq.read_table(data / "pools" / "mask.parquet", columns=["image", "label", "source"]).to_pylist()
    rows = [row for row in rows if row["source"] == "web"]
    some = rows[:: max(len(rows) // count, 1)][:count]
    return [PhotoRef(Origin(f"{i}.jpg", row["label"]), data=row["image"]["bytes"]) for i, row in enumerate(some)]


def looked(refs: Sequence[PhotoRef]) -> list[ImageFeatures]:
    """What photos show, as MTCNN finds their faces; photos without a face have none."""
    spec = check_spec("mtcnn")
    return [each for each in extract_features(refs, spec, RunOptions(cache=False)) if isinstance(each, ImageFeatures)]


def of_face(shown: ImageFeatures, i: int, label: str, *, fresh: bool = True) -> Told:
    """A face of a photo, with its landmarks from 0 to 1 within the box."""
    assert shown.landmarks is not None
    x1, y1, x2, y2 = shown.boxes[i]
    places = (shown.landmarks[i] - [x1, y1]) / [x2 - x1, y2 - y1]
    return Told(label, float(shown.scores[i]), places.astype(np.float32), shown.traits["mask"][i], fresh)


def in_boxes(shown: Sequence[ImageFeatures], boxes: Sequence[Boxed]) -> list[Told]:
    """The found faces that lie in a box, each with the box's label."""
    result = []
    for one in shown:
        mine = [box for box in boxes if box.path == one.key]
        for i in range(len(one)):
            shared = [overlap(box.box, one.boxes[i].tolist()) for box in mine]
            if shared and max(shared) >= SAME:
                box = mine[int(np.argmax(shared))]
                result.append(of_face(one, i, box.label, fresh=box.part != "trained on"))
    return result


def by_places(faces: Sequence[Told], seed: int = 0) -> float:
    """Balanced accuracy of a logistic regression on landmark positions and nothing else, ten-fold cross-validated."""
    labels = np.array([face.label for face in faces])
    flat = np.stack([face.places.ravel() for face in faces])
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=5000))
    folds = StratifiedKFold(
        min(10, int(np.unique(labels, return_counts=True)[1].min())), shuffle=True, random_state=seed
    )
    return float(balanced_accuracy_score(labels, cross_val_predict(model, flat, labels, cv=folds)))


def by_trait(faces: Sequence[Told]) -> float:
    """Balanced accuracy of the trait on photos that it was not trained on.

    A mask worn badly is a mask where there are no labels for that.
    """
    fresh = [face for face in faces if face.fresh]
    labels = np.array([face.label for face in fresh])
    told = np.array([LABELS[int(face.told.argmax())] for face in fresh])
    if INCORRECT_MASK not in labels:
        told[told == INCORRECT_MASK] = WITH_MASK
    return float(np.mean([(told[labels == label] == label).mean() for label in np.unique(labels)]))


def within(faces: Sequence[Told], label: str) -> float:
    """Share of the faces of a label whose nose and corners of the mouth were placed inside the box."""
    inside = [bool(((face.places[2:] > 0) & (face.places[2:] < 1)).all()) for face in faces if face.label == label]
    return float(np.mean(inside))


def expected(shown: Sequence[ImageFeatures], refs: Sequence[PhotoRef]) -> dict[str, float]:
    """What `--expect mask` proposes to file as without a mask, had one photo in ten none; by photos' labels."""
    wanted = {ref.key: ref.origin.label for ref in refs}
    plain = [_unlabelled(one) for one in shown]
    proposed = {finding.path: finding.proposed for finding in mask_findings(plain)}
    shares: dict[tuple[str, str], float] = {}
    for label in (WITH_MASK, WITHOUT_MASK):
        keys = [key for key, mine in wanted.items() if mine == label]
        for folder in (WITHOUT_MASK, INCORRECT_MASK, "keep"):
            shares[label, folder] = float(np.mean([proposed.get(key) == folder for key in keys]))
    hits, slips = MIXED_IN * shares[WITHOUT_MASK, WITHOUT_MASK], (1 - MIXED_IN) * shares[WITH_MASK, WITHOUT_MASK]
    return {
        "recall": shares[WITHOUT_MASK, WITHOUT_MASK],
        "precision": hits / max(hits + slips, 1e-9),
        "masked, filed as without": shares[WITH_MASK, WITHOUT_MASK],
        "masked, filed as incorrect": shares[WITH_MASK, INCORRECT_MASK],
        "masked, shown as doubtful": shares[WITH_MASK, "keep"],
        "no face found, masked": _faceless(shown, wanted, WITH_MASK),
        "no face found, without": _faceless(shown, wanted, WITHOUT_MASK),
    }


def _faceless(shown: Sequence[ImageFeatures], wanted: Mapping[str, str | None], label: str) -> float:
    return float(np.mean([not len(one) for one in shown if wanted[one.key] == label]))


def _unlabelled(shown: ImageFeatures) -> ImageFeatures:
    fields = {name: getattr(shown, name) for name in ImageFeatures.__slots__ if name != "origin"}
    return ImageFeatures(Origin(shown.key), **fields)


def compared(faces: Sequence[Told]) -> dict[str, Any]:
    """The figures of one set of faces."""
    scores = {label: [face.score for face in faces if face.label == label] for label in LABELS}
    return {
        "faces": {label: len(each) for label, each in scores.items() if each},
        "score": {label: float(np.median(each)) for label, each in scores.items() if each},
        "placed": {label: within(faces, label) for label, each in scores.items() if each},
        "chance": 1 / sum(bool(each) for each in scores.values()),
        "by_places": by_places(faces),
        "by_trait": by_trait(faces),
    }


def _print(sets: Mapping[str, dict[str, Any]], found: Mapping[str, float]) -> None:
    console = Console(width=150)
    table = Table(
        "faces", "label", "found", "median score", "nose and mouth placed", "chance", "by positions", "by the trait"
    )
    for name, figures in sets.items():
        rows = zip(figures["faces"].items(), figures["score"].values(), figures["placed"].values(), strict=True)
        for i, ((label, count), score, placed) in enumerate(rows):
            said = [f"{figures[each]:.1%}" for each in ("chance", "by_places", "by_trait")] if i == 0 else [""] * 3
            table.add_row("" if i else name, label, str(count), f"{score:.4f}", f"{placed:.1%}", *said)
    console.print(table)
    table = Table("--expect mask on web photos", "share")
    for name, share in found.items():
        table.add_row(name, f"{share:.1%}")
    console.print(table)


def main() -> None:
    """Look at both sets, print two tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=1200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = Path(os.environ["MIEN_DATA"])
    boxes = [box for box in faces_of(data) if min(box.box[2] - box.box[0], box.box[3] - box.box[1]) >= LEAST]
    sets: dict[str, dict[str, Any]] = {}
    for name, synthetic in (("street photos", False), ("synthetic masks", True)):
        mine = [box for box in boxes if (box.part == "synthetic") == synthetic]
        paths = dict.fromkeys(box.path for box in mine)
        sets[name] = compared(in_boxes(looked([PhotoRef(Origin(path), data / path) for path in paths]), mine))
    refs = web(data, options.photos)
    shown = looked(refs)
    sets["web photos"] = compared([of_face(one, 0, one.origin.label or "") for one in shown if len(one)])
    found = expected(shown, refs)
    _print(sets, found)
    if options.json:
        options.json.write_text(json.dumps({"sets": sets, "expected": found}, indent=1))


if __name__ == "__main__":
    main()
