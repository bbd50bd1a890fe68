"""Search in a part of many templates: those that lie near the same centres as the face; knows faiss.

Inverted file (Jegou, Douze & Schmid 2011, "Product quantization for nearest neighbor search"; vectors kept whole).
Measured with a million templates of 128 values: docs/decisions/012.
"""

from __future__ import annotations

import faiss
import numpy as np

from mien.types import Floats, Ints

_LEARNT_FROM = 40  # templates a centre, to place the centres by
_LOOKED_INTO = 64


class Neighbourhoods:
    """Compares a face with the templates of the neighbourhoods that it is nearest to."""

    def __init__(self, ids: Ints, templates: Floats) -> None:
        dim = templates.shape[1]
        centres = max(1, round(len(ids) ** 0.5))
        self._quantiser = faiss.IndexFlatIP(dim)
        self._index = faiss.IndexIVFFlat(self._quantiser, dim, centres, faiss.METRIC_INNER_PRODUCT)
        self._index.cp.max_points_per_centroid = _LEARNT_FROM
        self._index.nprobe = _LOOKED_INTO
        templates = np.ascontiguousarray(templates, np.float32)
        # A part, drawn here and always the same: faiss would copy all of them first.
        some = np.random.default_rng(0).choice(len(ids), min(len(ids), _LEARNT_FROM * centres), replace=False)
        self._index.train(templates[np.sort(some)])
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
