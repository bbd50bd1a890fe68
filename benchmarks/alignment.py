"""Whether one way to cut faces is better for recognition than another: 300 drawings of pairs as in LFW's protocol.

    MIEN_DATA=... python benchmarks/alignment.py

A drawing takes 300 pairs of one person and 300 of two in each of two folds of people, and the threshold of a fold is
chosen on the other. The list of pairs that comes with LFW is one such drawing, where chance is worth 0.3 points.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.alignment.views import View
from mien.data import photos
from mien.evaluation.pairs import best_threshold
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.spec import PipelineSpec, build_spec
from mien.types import Embedding, Floats

DRAWINGS, PAIRS = 300, 300
# dlib's mean face (see tests/alignment/test_stage.py) in its view, as it was cut by dlib's own landmarks.
MEAN = ((0.85957, 0.21350), (0.64606, 0.22897), (0.12058, 0.21373), (0.33409, 0.22906), (0.49011, 0.62780))
DLIB = View(
    "dlib", "dlib-5", "similarity", 150, (0, 1, 2, 3, 4), tuple(((x + 0.25) / 1.5, (y + 0.25) / 1.5) for x, y in MEAN)
)


def vectors(spec: PipelineSpec, data: Path) -> tuple[list[str], Floats]:
    found = embed_photos(spec, list(photos([data / "identity" / "lfw"])), RunOptions(cache=False))
    faces = [item for item in found if isinstance(item, Embedding)]
    return [Path(face.key).parent.name for face in faces], np.stack([face.vector for face in faces])


def accuracies(people: list[str], rows: Floats) -> Floats:
    by_name = {name: np.flatnonzero(np.array(people) == name) for name in dict.fromkeys(people)}
    rng, results = np.random.default_rng(5), []
    for _ in range(DRAWINGS):
        folds = []
        for names in np.array_split(rng.permutation(list(by_name)), 2):
            several = [name for name in names if len(by_name[name]) > 1]
            same = [rng.choice(by_name[rng.choice(several)], 2, replace=False) for _ in range(PAIRS)]
            two = [[rng.choice(by_name[name]) for name in rng.choice(names, 2, replace=False)] for _ in range(PAIRS)]
            pairs = np.array([*same, *two])
            folds.append((np.linalg.norm(rows[pairs[:, 0]] - rows[pairs[:, 1]], axis=1), np.arange(2 * PAIRS) < PAIRS))
        right = []
        for (distances, truth), (others, known) in (folds, folds[::-1]):
            right.append(((distances < (best_threshold(others, known) or 0)) == truth).mean())
        results.append(np.mean(right))
    return np.array(results, np.float32) * 100


def main() -> None:
    data, base = Path(os.environ["MIEN_DATA"]), None
    before = replace(build_spec("mtcnn"), second_look=False, view=DLIB)
    for name, spec in {
        "MTCNN's box, dlib's five points": before,
        "YuNet's box, dlib's five points": replace(build_spec(), view=DLIB),
        "YuNet's five points": build_spec(),
    }.items():
        results = accuracies(*vectors(spec, data))
        base = results if base is None else base
        error = (results - base).std() / DRAWINGS**0.5
        print(
            f"{name}: {results.mean():.2f} %, {(results - base).mean():+.2f} (standard error {error:.2f})", flush=True
        )


if __name__ == "__main__":
    main()
