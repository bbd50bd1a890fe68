"""Photos in, the names of their faces out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mien.pipeline.classifier import open_classifier
from mien.pipeline.execute import RunOptions
from mien.types import PhotoRef, Prediction, Rejected


def classify(
    path: Path, refs: Sequence[PhotoRef], drive: RunOptions, faces: str | None = None
) -> Iterator[Prediction | Rejected]:
    """Every face of every photo, with the bundle's answer.

    faces: "find" or "cut", to have them prepared otherwise than in training.

    Raises:
        BundleError, WeightsError: the bundle cannot be used.
    """
    return open_classifier(path, faces).predictions(refs, drive, every_face=True)
