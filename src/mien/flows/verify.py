"""Two photos in, one answer out: the same person or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien import models
from mien.data.sources import ImageSource, is_single, photo_refs
from mien.errors import DataError
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.spec import PipelineSpec, build_spec
from mien.types import Embedding, Reason


@dataclass(frozen=True, slots=True)
class Verification:
    """distance: between the vectors of the two main faces. same: whether it is below the threshold."""

    distance: float
    threshold: float
    detector: str
    embedder: str

    @property
    def same(self) -> bool:
        return self.distance < self.threshold

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien verify` prints."""
        return {
            "distance": round(self.distance, 4),
            "threshold": self.threshold,
            "same": self.same,
            "detector": self.detector,
            "embedder": self.embedder,
        }


def verify(
    a: ImageSource,
    b: ImageSource,
    *,
    threshold: float | None = None,
    detector: str = "auto",
    embedder: str = "auto",
    faces: str = "find",
    cache: bool = True,
) -> Verification:
    """Tell whether the main faces of two pictures belong to one person.

    Args:
        a: One picture: a path, bytes, an RGB array or a PIL image.
        b: The other picture.
        threshold: The largest distance of one person; the embedder's own by default.
        detector: "auto", or a name from `mien models list`.
        embedder: "auto", or a name from `mien models list`.
        faces: "find" looks for the face, "cut" takes each picture as a face already cut.
        cache: Whether embeddings are looked up and stored.

    Raises:
        DataError: One of them shows no face or cannot be read, or there is no usable threshold.
        WeightsError: Weights are missing.
    """
    spec = build_spec(detector, embedder, faces)
    limit = verification_limit(spec, threshold)
    run = RunOptions(workers=1, cache=cache)
    # One by one, because both may be the same file.
    return compare(_main_face(a, spec, run), _main_face(b, spec, run), limit, spec)


def verification_limit(spec: PipelineSpec, threshold: float | None) -> float:
    """The largest distance of one person: the embedder's own unless one is given.

    Raises:
        DataError: it is not a distance, or the embedder states none.
    """
    if threshold is not None and not 0 < threshold < math.inf:
        raise DataError(f"a threshold of {threshold:g} is not a distance: give a number above 0, such as 0.41")
    limit = threshold if threshold is not None else models.get_card(spec.embedder).threshold
    if limit is None:
        raise DataError(f"the embedder {spec.embedder!r} states no threshold: give one with --threshold")
    return limit


def compare(a: Embedding, b: Embedding, limit: float, spec: PipelineSpec) -> Verification:
    """Two faces -> whether they are one person's."""
    return Verification(float(np.linalg.norm(a.vector - b.vector)), limit, spec.detector, spec.embedder)


def _main_face(image: ImageSource, spec: PipelineSpec, run: RunOptions) -> Embedding:
    if not is_single(image):
        raise DataError(f"{image!s} is a folder: give one photo")
    (ref,) = photo_refs(image)
    result = next(iter(embed_photos(spec, [ref], run)))
    if not isinstance(result, Embedding):
        detail = "" if result.reason is Reason.MISSING or not result.detail else f" ({result.detail})"
        raise DataError(f"{ref.key}: {result.reason.meaning}{detail}")
    return result
