"""Made-up vectors with the shape of real embeddings: directions that scatter about one direction a class."""

from __future__ import annotations

import numpy as np

from mien.types import Floats


def clusters(
    sizes: list[int], *, seed: int = 0, spread: float = 0.5, dimension: int = 64, scale: float = 1.0
) -> tuple[Floats, list[str]]:
    """As many vectors (n, d) of each class as `sizes` says, and their labels; each seed has classes of its own."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=dimension)
    made, labels = [], []
    for j, size in enumerate(sizes):
        centre = 0.7 * shared + rng.normal(size=dimension)
        made.append(centre + spread * rng.normal(size=(size, dimension)))
        labels += [f"person {j:02d}"] * size
    vectors = np.concatenate(made)
    vectors *= scale / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), labels


def world(known: int, strangers: int, *, photos: int, seed: int, spread: float) -> tuple[Floats, list[str], Floats]:
    """Vectors and labels of known people, and vectors of strangers out of the same world."""
    vectors, labels = clusters([photos] * (known + strangers), seed=seed, spread=spread)
    return vectors[: known * photos], labels[: known * photos], vectors[known * photos :]
