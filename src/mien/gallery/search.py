"""The templates of people, and the search for those that are most similar to a face.

A template is the mean direction of a person's vectors. On Labeled Faces in the Wild no other method (the most similar
photo, mean similarity, soft maxima, the better half) identifies more at 1 % false accepts (docs/decisions/012).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mien.registry import Registry
from mien.types import Floats, Ints

EXACT_UP_TO = 50_000
"""So many templates are compared one by one, a millisecond a face; for more an index is built."""

NOBODY = -1
"""The id where there are fewer templates than asked for."""

_TRAINING_POINTS = 40  # templates for each centre of an index
_PROBES = 64
_BATCH = 64  # faces compared at once, so that their similarities to a million templates fit the memory


def template(vectors: Floats) -> Floats:
    """Vectors of one person (k, d) -> the direction of their mean (d,), of length 1; every photo counts the same."""
    return unit(unit(vectors).mean(axis=0))


def unit(vectors: Floats) -> Floats:
    """Vectors (..., d) -> the same directions, of length 1."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def concentration(vectors: Floats) -> float:
    """Vectors of one person (k, d) -> the length of the mean of their directions: 1 where all photos agree."""
    return float(np.linalg.norm(unit(vectors).mean(axis=0)))


class Search(Protocol):
    """A search among templates (n, d) of length 1, by the ids (n,) of their people."""

    def __init__(self, ids: Ints, templates: Floats) -> None: ...

    def __len__(self) -> int: ...

    def nearest(self, faces: Floats, most: int) -> tuple[Floats, Ints]:
        """Faces (m, d) of length 1 -> their largest cosines, sorted (m, most), and the ids of the people (m, most)."""
        ...

    def update(self, gone: Ints, ids: Ints, templates: Floats) -> None:
        """Remove some people, then add others."""
        ...


_SEARCHES: Registry[type[Search]] = Registry(
    "search",
    {"exact": "mien.gallery.search:ExactSearch", "ivf": "mien.gallery.search:IvfIndex"},
    {"ivf": "serve"},
)


def search_for(ids: Ints, templates: Floats) -> Search:
    """The search that suits the number of templates."""
    return _SEARCHES.load("exact" if len(ids) <= EXACT_UP_TO else "ivf")(ids, templates)


def is_suitable(search: Search) -> bool:
    """Whether a search still suits its number of templates, which updates change."""
    return isinstance(search, ExactSearch) == (len(search) <= EXACT_UP_TO)


class ExactSearch:
    """Compares a face with every template."""

    def __init__(self, ids: Ints, templates: Floats) -> None:
        self._ids, self._templates = ids, np.ascontiguousarray(templates, np.float32)

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(self, faces: Floats, most: int) -> tuple[Floats, Ints]:
        cosines = np.full((len(faces), most), -1, np.float32)
        ids = np.full((len(faces), most), NOBODY, np.int64)
        count = min(most, len(self))
        for start in range(0, len(faces) if count else 0, _BATCH):
            similarity = faces[start : start + _BATCH] @ self._templates.T
            best = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
            scores = np.take_along_axis(similarity, best, axis=1)
            order = np.argsort(-scores, axis=1, kind="stable")
            cosines[start : start + _BATCH, :count] = np.take_along_axis(scores, order, axis=1)
            ids[start : start + _BATCH, :count] = self._ids[np.take_along_axis(best, order, axis=1)]
        return cosines, ids

    def update(self, gone: Ints, ids: Ints, templates: Floats) -> None:
        stay = ~np.isin(self._ids, gone)
        kept = self._templates[stay] if len(self) else templates[:0]
        self._ids = np.concatenate([self._ids[stay], ids])
        self._templates = np.concatenate([kept, templates.reshape(len(ids), -1) if len(ids) else kept[:0]])


class IvfIndex:
    """Compares a face with the templates of the clusters that are nearest to it, by faiss.

    Inverted file index (Jegou, Douze & Schmid 2011, "Product quantization for nearest neighbor search"),
    not compressed. Measured with a million templates of 128 values: docs/decisions/012.
    """

    def __init__(self, ids: Ints, templates: Floats) -> None:
        import faiss  # only here: few galleries are that large

        self._faiss = faiss
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
            self._index.remove_ids(self._faiss.IDSelectorBatch(gone))
        if len(ids):
            self._index.add_with_ids(np.ascontiguousarray(templates, np.float32), ids)
