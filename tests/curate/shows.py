"""What photos show, made up: faces of people, or looks, as vectors around a centre."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mien.curate.shown import THUMB, ImageFeatures
from mien.types import Floats, Origin

DIM = 64
_SPREAD = 0.62  # makes photos of a person lie 0.3 apart and those of two 0.56, as dlib's network has it


def unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def persons(k: int, seed: int = 0) -> Floats:
    """Directions of k people (k, DIM), who have in common what all faces have."""
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(k, DIM))
    made[:, 0] += 21.8
    return np.asarray(made, np.float32)


def faces(person: Floats, n: int, seed: int = 0, spread: float = _SPREAD) -> Floats:
    """n photos of a person (n, DIM)."""
    rng = np.random.default_rng(seed)
    return unit(np.asarray(person + spread * rng.normal(size=(n, DIM)), np.float32))


def shown(
    key: str,
    label: str | None,
    vectors: Floats | Mapping[str, Floats],
    *,
    boxes: Sequence[tuple[float, float, float, float]] | None = None,
    quality: Mapping[str, Floats] | None = None,
    group: str | None = None,
    split: str | None = None,
    colour: Floats | None = None,
) -> ImageFeatures:
    """A photo whose faces have these vectors, the main one first."""
    named = dict(vectors) if isinstance(vectors, Mapping) else {"dlib-resnet": vectors}
    columns = {name: np.atleast_2d(rows).astype(np.float32) for name, rows in named.items()}
    n = len(next(iter(columns.values()))) if columns else 0
    places = [(10.0 + 60 * i, 10.0, 60.0 + 60 * i, 60.0) for i in range(n)] if boxes is None else boxes
    return ImageFeatures(
        origin=Origin(key, label, split=split, group=group),
        digest=key.encode(),
        width=400,
        height=100,
        thumb=np.zeros((THUMB, THUMB), np.uint8),
        colour=np.empty(0, np.float32) if colour is None else colour,
        boxes=np.array(places, np.float32).reshape(n, 4),
        scores=np.ones(n, np.float32),
        landmarks=None,
        quality=quality or {},
        vectors=columns,
        traits={},
    )


def album(k: int, n: int, seed: int = 0) -> list[ImageFeatures]:
    """n photos of each of k people, `P0/0.jpg` and so on."""
    centres = persons(k, seed)
    rows = [faces(centre, n, 100 * seed + i) for i, centre in enumerate(centres)]
    return [shown(f"P{i}/{j}.jpg", f"P{i}", row[j]) for i, row in enumerate(rows) for j in range(n)]
