"""Two photos in, one answer out: the same person or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien import models
from mien.data import photos
from mien.errors import DataError
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.types import Embedding, Reason


@dataclass(frozen=True, slots=True)
class Verification:
    """distance: between the vectors of the two main faces. same: whether it lies below the threshold."""

    distance: float
    threshold: float

    @property
    def same(self) -> bool:
        return self.distance < self.threshold

    def as_json(self, spec: PipelineSpec) -> dict[str, Any]:
        """The fields that `mien verify` prints of an answer by this chain."""
        return {
            "distance": round(self.distance, 4),
            "threshold": self.threshold,
            "same": self.same,
            "detector": spec.detector,
            "embedder": spec.embedder,
        }


def limit_of(spec: PipelineSpec, threshold: float | None) -> float:
    """The largest distance of one person: the embedder's own unless one is given.

    Raises:
        DataError: it is no distance, or the embedder states none.
    """
    if threshold is not None and not 0 < threshold < math.inf:
        raise DataError(f"a threshold of {threshold:g} is no distance: give a number above 0, such as 0.41")
    limit = threshold if threshold is not None else models.get_card(spec.embedder).threshold
    if limit is None:
        raise DataError(f"the embedder {spec.embedder!r} states no threshold: give one with --threshold")
    return limit


def compared(a: Embedding, b: Embedding, limit: float) -> Verification:
    """Two faces -> whether they are one person's."""
    return Verification(float(np.linalg.norm(a.vector - b.vector)), limit)


def verify(a: Path, b: Path, spec: PipelineSpec, drive: RunOptions, threshold: float | None = None) -> Verification:
    """Compare the main faces of two photos; the threshold is the embedder's own unless one is given.

    Raises:
        DataError: one of them shows no face or cannot be read, or the threshold is no distance, or the embedder states
            none.
    """
    limit = limit_of(spec, threshold)
    found = []
    for path in (a, b):
        if path.is_dir():
            raise DataError(f"{path} is a folder: give one photo")
        # One by one, because both may be the same file.
        result = next(iter(drive.vectors(spec, photos([path]))))
        if not isinstance(result, Embedding):
            detail = "" if result.reason is Reason.MISSING or not result.detail else f" ({result.detail})"
            raise DataError(f"{path}: {result.reason.meaning}{detail}")
        found.append(result)
    return compared(found[0], found[1], limit)
