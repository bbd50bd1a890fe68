"""A map of faces: vectors in, points of a plane out, near where the vectors are near; draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn stands on it

from mien.curate.shown import ImageFeatures
from mien.types import Floats

_NEIGHBOURS = 2500
"""So many faces are laid out by their neighbours, in about ten seconds; of more the two widest directions are shown."""

_FEWEST = 10  # faces; fewer have no neighbourhoods
_DIRECTIONS = 50  # van der Maaten and Hinton 2008 begin t-SNE from so many principal components, and from perplexity 30
_PERPLEXITY = 30.0
_TURNS = 500  # half of scikit-learn's, after which a map still moves but no longer tells another story


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Where the main faces of some photos lie: `points` (m, 2), from -1 to 1, in the order of `keys`.

    way: "t-sne", where what is near means something and what is far does not; or "pca", the widest directions.
    """

    keys: tuple[str, ...]
    points: Floats
    way: Literal["t-sne", "pca"]


def plane(shown: Sequence[ImageFeatures], kind: str, seed: int = 0) -> Plane:
    """Photos -> a map of their main faces by the vectors of a kind; photos without are left out."""
    kept = [each for each in shown if kind in each.vectors and len(each.vectors[kind])]
    kept = [each for each in kept if np.isfinite(each.vectors[kind][0]).all()]
    keys = tuple(each.key for each in kept)
    if not kept:
        return Plane((), np.zeros((0, 2), np.float32), "pca")
    widest = _components(np.stack([each.vectors[kind][0] for each in kept]))
    if not _FEWEST <= len(kept) <= _NEIGHBOURS:
        return Plane(keys, _framed(widest[:, :2]), "pca")
    perplexity = min(_PERPLEXITY, (len(kept) - 1) / 3)
    # Threads of OpenMP wait in circles for each other: on a busy or a divided machine that takes ten times as long.
    with threadpool_limits(1):
        laid = TSNE(2, perplexity=perplexity, init="pca", max_iter=_TURNS, random_state=seed).fit_transform(widest)
    return Plane(keys, _framed(laid), "t-sne")


def _components(vectors: Floats) -> Floats:
    """The principal components of vectors (n, d), the widest first: (n, 2 to 50)."""
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :_DIRECTIONS]
    # Which way round a direction points is chance: the largest part points up, so that a map looks the same again.
    largest = np.abs(directions).argmax(axis=0)
    directions *= np.sign(directions[largest, np.arange(directions.shape[1])])
    return np.asarray(centred @ directions, np.float32)


def _framed(points: Floats) -> Floats:
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    reach = float(np.abs(points - middle).max()) or 1.0
    return np.asarray((points - middle) / reach, np.float32)
