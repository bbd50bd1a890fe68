"""The LFW protocol over a list of pairs: vectors of all photos named, distances, folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.errors import DataError
from mien.evaluate import PairsResult, read_pairs, score_pairs
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.spec import PipelineSpec
from mien.types import Embedding, Origin, PhotoRef


def benchmark_pairs(table: Path, images: Path, spec: PipelineSpec, drive: RunOptions) -> PairsResult:
    """Pairs of photos -> accuracy over the folds; a pair with a photo that shows no face counts as an error.

    Raises:
        DataError: the table cannot be read, or none of its photos can.
    """
    pairs = read_pairs(table)
    keys = sorted({key for pair in pairs for key in (pair.a, pair.b)})
    refs = [PhotoRef(Origin(key), images / key) for key in keys]
    vectors = {r.key: r.vector for r in embed_photos(spec, refs, drive) if isinstance(r, Embedding)}
    if not vectors:
        raise DataError(f"not one of the {len(refs)} photos that {table} names shows a face: is --images right?")
    distances = [
        float(np.linalg.norm(vectors[pair.a] - vectors[pair.b]))
        if pair.a in vectors and pair.b in vectors
        else float("nan")
        for pair in pairs
    ]
    return score_pairs(distances, [pair.same for pair in pairs], [pair.fold for pair in pairs])
