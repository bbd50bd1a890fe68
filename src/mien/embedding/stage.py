"""The stage Crop -> Embedding, and the embedding networks that ONNX Runtime runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mien import models
from mien.embedding import EMBEDDERS
from mien.errors import WeightsError
from mien.models import IDENTITY_EMBEDDER
from mien.stage import Needs
from mien.types import Crop, Embedding, Floats, Pixels

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True, slots=True)
class Embed:
    """Turns crops into vectors: Crop -> Embedding.

    mirror: the mean over the crop and its mirror image, which removes the influence of the light's side and the
    parting's. normalise: scale vectors to length one, so that their distance depends on their directions alone. Grey
    crops are given to the network as three equal channels.
    """

    embedder: str = IDENTITY_EMBEDDER
    mirror: bool = True
    normalise: bool = True
    name: str = "embed"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Crop], /) -> Iterator[Embedding]:
        network = EMBEDDERS.load(self.embedder)(self.embedder)
        crops = np.stack([np.broadcast_to(np.atleast_3d(crop.pixels), (*crop.pixels.shape[:2], 3)) for crop in batch])
        vectors = network(crops)
        if self.mirror:
            vectors = (vectors + network(np.ascontiguousarray(crops[:, :, ::-1]))) * np.float32(0.5)
        if self.normalise:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
        for crop, vector in zip(batch, vectors, strict=True):
            yield Embedding(crop.origin, crop.face, vector)


@dataclass(frozen=True, slots=True)
class OnnxEmbedder:
    """The embedder of a card; its session is opened on first use and shared by all threads."""

    name: str

    @property
    def size(self) -> int:
        return self._input.size

    @property
    def dim(self) -> int:
        return models.get_card(self.name).dim or 0

    @property
    def _input(self) -> models.InputSpec:
        spec = models.get_card(self.name).input
        if spec is None:
            raise WeightsError(f"{self.name!r} is not an embedder: its card does not say what the network takes")
        return spec

    def __call__(self, crops: Pixels, /) -> Floats:
        """Crops (n, size, size, 3) uint8 RGB -> (n, dim) float32, as the network gives them."""
        spec = self._input
        if not len(crops):
            return np.empty((0, self.dim), np.float32)
        if crops.shape[1:] != (spec.size, spec.size, 3):
            raise ValueError(f"{self.name} takes crops of {spec.size} x {spec.size} x 3, not {crops.shape[1:]}")
        return run_network(models.session(self.name), spec, crops)


def run_network(session: InferenceSession, spec: models.InputSpec, crops: Pixels) -> Floats:
    """Crops (n, size, size, 3) uint8 RGB, one at least -> a network's first output (n, dim) float32."""
    ordered = crops if spec.colour == "rgb" else crops[..., ::-1]
    planes = np.ascontiguousarray(ordered.transpose(0, 3, 1, 2), np.float32)
    if (spec.mean, spec.scale) != (0.0, 1.0):
        planes = (planes - np.float32(spec.mean)) * np.float32(spec.scale)
    entry = session.get_inputs()[0]
    # Some networks were exported for one picture at a time.
    single = spec.one_by_one or entry.shape[0] == 1
    batches = [planes[i : i + 1] for i in range(len(planes))] if single else [planes]
    vectors = [session.run(None, {entry.name: batch})[0] for batch in batches]
    return np.concatenate(vectors).astype(np.float32, copy=False).reshape(len(crops), -1)
