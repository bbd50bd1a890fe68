"""Faces without labels into groups of one person each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mien.types import Floats, Ints

MAX_COSINE_DISTANCE = 0.062
"""The mean distance between the faces of two groups up to which these are one person's, by the embedder dlib-resnet.

On photos of LFW (folds 1-2) and ORL the best values lie from 0.06 to 0.065.
"""

_ROWS_AT_ONCE = 2048


def group_faces(vectors: Floats, photos: Ints) -> Ints:
    """Unit vectors (n, d) and the number of each face's photo (n,) -> the number of each face's group (n,), from 0.

    Average linkage (Sokal and Michener, 1958). Two faces of one photo count as two people. It is done within the
    connected parts of the graph of near faces, which gives the same groups as over all faces in a fraction of the time.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial.distance import pdist

    n = len(vectors)
    if not n:
        return np.empty(0, np.int64)
    edges = np.concatenate(list(_near_pairs(vectors)), axis=1)
    graph = coo_array((np.ones(edges.shape[1], bool), (edges[0], edges[1])), shape=(n, n))
    _, parts = connected_components(graph, directed=False)
    groups = np.zeros(n, np.int64)
    order = np.argsort(parts, kind="stable")
    used = 0
    for rows in np.split(order, np.flatnonzero(np.diff(parts[order])) + 1):
        own = np.ones(1, np.int64)
        if len(rows) > 1:
            distances = pdist(vectors[rows], "sqeuclidean") / 2
            distances[pdist(photos[rows, None], "cityblock") == 0] = 1.0
            own = fcluster(linkage(distances, "average"), MAX_COSINE_DISTANCE, "distance").astype(np.int64)
        groups[rows] = used + own - 1
        used += int(own.max())
    return groups


def _near_pairs(vectors: Floats) -> Iterator[Ints]:
    """Pairs of faces (2, m) that are near enough to be merged at all, block by block."""
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        cosines = vectors[start : start + _ROWS_AT_ONCE] @ vectors.T
        rows, columns = np.nonzero(cosines >= 1 - MAX_COSINE_DISTANCE)
        yield np.stack([rows + start, columns])
