"""Photos of people made up, as vectors and crops that tell them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mien.data import DataSet
from mien.experiment.recipes import FaceOptions
from mien.experiment.variants import StudyOptions
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PIXELS, PipelineSpec
from mien.types import Crop, Detection, Embedding, Origin, PhotoRef, Reason, Rejected
from tests.training.clusters import clusters

FACE = Detection(0, (0.0, 0.0, 9.0, 9.0), 1.0)

FACES = FaceOptions(detector="mtcnn")

HEAD = StudyOptions("recipe", variants=("head",))


def prepare_made_up(
    spec: PipelineSpec, refs: Sequence[PhotoRef], run: RunOptions
) -> Iterator[Embedding | Crop | Rejected]:
    """In place of `prepare_photos`: embeddings or crops that tell the classes apart; none where the name says so."""
    labels = sorted({ref.origin.label or "" for ref in refs})
    vectors, _ = clusters([len(refs)] * len(labels), spread=0.6)
    for i, ref in enumerate(refs):
        j = labels.index(ref.origin.label or "")
        missing = "no crop" if spec.embedder == PIXELS else "no vector"
        if missing in ref.key:
            yield Rejected(ref.origin, "detect", Reason.NO_FACE)
        elif spec.embedder == PIXELS:
            yield Crop(ref.origin, FACE, _crop(i, j, spec.view.size, spec.view.grey))
        else:
            yield Embedding(ref.origin, FACE, vectors[j * len(refs) + i])


def _crop(i: int, j: int, size: int, grey: bool) -> Any:
    pixels = np.random.default_rng(i).integers(0, 100, (size, size), dtype=np.uint8)
    pixels[: size // 2, (size // 2) * j : (size // 2) * (j + 1)] += 120
    return pixels if grey else np.repeat(pixels[..., None], 3, axis=2)


def photos(label: str, count: int, split: str | None = None, note: str = "") -> list[PhotoRef]:
    return [PhotoRef(Origin(f"{split}/{label}/{note}{i}", label, split)) for i in range(count)]


TWO = DataSet.of(photos("ann", 15) + photos("bob", 15), [])
