"""The stage Crop -> Embedding: batches, the mirrored crop, and the length of the vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mien.embed import EMBEDDERS
from mien.models import IDENTITY_EMBEDDER
from mien.stage import Needs
from mien.types import Crop, Embedding, Floats


@dataclass(frozen=True, slots=True)
class Embed:
    """Turns crops into vectors: Crop -> Embedding.

    mirror: the mean over the crop and its mirror image, which takes away what depends on the side that the light or
    the parting is on. normalise: vectors of length one, so that the distance between two of them says only how they
    differ in direction. Grey crops are given to the network as three equal channels.
    """

    embedder: str = IDENTITY_EMBEDDER
    mirror: bool = True
    normalise: bool = True
    name: str = "embed"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Crop], /) -> Iterator[Embedding]:
        network = EMBEDDERS.load(self.embedder)(self.embedder)
        crops = np.stack([_three_channels(crop) for crop in batch])
        vectors = network(crops)
        if self.mirror:
            vectors = (vectors + network(np.ascontiguousarray(crops[:, :, ::-1]))) * np.float32(0.5)
        if self.normalise:
            vectors = _unit(vectors)
        for crop, vector in zip(batch, vectors, strict=True):
            yield Embedding(crop.origin, crop.face, vector)


def _three_channels(crop: Crop) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return crop.pixels if crop.pixels.ndim == 3 else np.repeat(crop.pixels[:, :, None], 3, axis=2)


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
