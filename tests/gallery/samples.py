"""People who were made up: vectors around a direction of their own."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from mien.gallery.records import EmbeddingSpec, FaceSample
from mien.types import Floats

SPEC = EmbeddingSpec('{"embedder": "dlib-resnet"}', "a" * 64)


def vectors(person: int, count: int, spread: float = 0.02, dim: int = 128) -> Floats:
    """Photos of somebody (count, dim), of length 1."""
    random = np.random.default_rng([person, dim])
    middle = random.normal(size=dim)
    found = middle / np.linalg.norm(middle) + random.normal(0, spread, (count, dim))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def face_samples(person: int, count: int = 3, first: int = 0) -> list[FaceSample]:
    """Faces of somebody, to be enrolled."""
    every = vectors(person, first + count)[first:]
    return [FaceSample(photo(person, first + i), vector, 90.0, 0.99) for i, vector in enumerate(every)]


def photo(person: int, i: int) -> str:
    """The checksum of a photo."""
    return sha256(f"{person}/{i}".encode()).hexdigest()


def nothing_cached(photos: Sequence[bytes]) -> int:
    """A cache that holds nothing of these photos."""
    return 0
