"""Many vectors of one person into one; knows arrays, and no database.

Measured on Labeled Faces in the Wild beside the likest photo, the mean likeness, soft maxima and the mean of the likest
half: no other way names more at 1 % false accepts, whatever the number of people and photos (docs/decisions/012).
"""

from __future__ import annotations

import numpy as np

from mien.types import Floats


def template(vectors: Floats) -> Floats:
    """Vectors of one person (k, d) -> the direction of their mean, of length 1 (d,); every photo counts the same."""
    return unit(unit(vectors).mean(axis=0))


def unit(vectors: Floats) -> Floats:
    """The same directions, of length 1."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def concentration(vectors: Floats) -> float:
    """Vectors of one person (k, d) -> the length of the mean of their directions: 1 where all photos agree."""
    return float(np.linalg.norm(unit(vectors).mean(axis=0)))
