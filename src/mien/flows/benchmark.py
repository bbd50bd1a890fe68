"""Protocols that the field compares by: pairs of photos, as in Labeled Faces in the Wild."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.errors import DataError
from mien.evaluation import PairsResult, read_pairs, score_pairs
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.progress import Progress
from mien.pipeline.spec import build_spec
from mien.types import Embedding, Origin, PhotoRef


def benchmark_pairs(
    csv: str | Path,
    *,
    images: str | Path,
    detector: str = "auto",
    embedder: str = "auto",
    faces: str = "find",
    workers: int | None = None,
    cache: bool = True,
    progress: bool | Progress = False,
) -> PairsResult:
    """Same person or not, over pairs of photos: the threshold of each fold is chosen on the other folds (LFW).

    A pair with a photo without a face counts as an error.

    Args:
        csv: Table with the columns a, b, same and optionally fold; or LFW's own pairs.txt.
        images: Folder that the paths are relative to.
        detector: "auto", or a name from `mien models list`.
        embedder: "auto", or a name from `mien models list`.
        faces: "find" looks for the face, "cut" takes each picture as a face already cut.
        workers: Threads, by default as many as there are cores.
        cache: Whether embeddings are looked up and stored.
        progress: Show a bar.

    Raises:
        DataError: The table cannot be read, or none of its photos shows a face.
        WeightsError: Weights are missing.
    """
    spec = build_spec(detector, embedder, faces)
    pairs = read_pairs(Path(csv))
    keys = sorted({key for pair in pairs for key in (pair.a, pair.b)})
    refs = [PhotoRef(Origin(key), Path(images) / key) for key in keys]
    run = RunOptions.build(workers, cache=cache, progress=progress)
    vectors = {r.key: r.vector for r in embed_photos(spec, refs, run) if isinstance(r, Embedding)}
    if not vectors:
        raise DataError(f"none of the {len(refs)} photos that {csv} names shows a face: check --images")
    distances = [
        float(np.linalg.norm(vectors[pair.a] - vectors[pair.b]))
        if pair.a in vectors and pair.b in vectors
        else float("nan")
        for pair in pairs
    ]
    result = score_pairs(distances, [pair.same for pair in pairs], [pair.fold for pair in pairs])
    return replace(result, detector=spec.detector, embedder=spec.embedder)
