"""Approximate search among many templates, by faiss: only clusters that are near the face are compared.

Inverted file index (Jegou, Douze & Schmid 2011, "Product quantization for nearest neighbor search"; not compressed).
Measured with a million templates of 128 values: docs/decisions/012.
"""

from __future__ import annotations

import faiss
import numpy as np

from mien.types import Floats, Ints

_TRAINING_POINTS = 40  # templates for each centre
_PROBES = 64


class IvfIndex:
    """Compares a face with the templates of the clusters that are nearest to it."""

    def __init__(self, ids: Ints, templates: Floats) -> None:
        dim = templates.shape[1]
        centres = max(1, round(len(ids) ** 0.5))
        self._quantiser = faiss.IndexFlatIP(dim)
        self._index = faiss.IndexIVFFlat(self._quantiser, dim, centres, faiss.METRIC_INNER_PRODUCT)
        self._index.cp.max_points_per_centroid = _TRAINING_POINTS
        self._index.nprobe = _PROBES
        templates = np.ascontiguousarray(templates, np.float32)
        # A sample, always the same: faiss would copy all templates before it takes one.
        sample = np.random.default_rng(0).choice(len(ids), min(len(ids), _TRAINING_POINTS * centres), replace=False)
        self._index.train(templates[np.sort(sample)])
        self._index.add_with_ids(templates, ids)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def nearest(self, faces: Floats, most: int) -> tuple[Floats, Ints]:
        cosines, ids = self._index.search(np.ascontiguousarray(faces, np.float32), most)
        return np.maximum(cosines, -1), ids

    def update(self, gone: Ints, ids: Ints, templates: Floats) -> None:
        if len(gone):
            self._index.remove_ids(faiss.IDSelectorBatch(gone))
        if len(ids):
            self._index.add_with_ids(np.ascontiguousarray(templates, np.float32), ids)
