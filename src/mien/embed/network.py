"""Embedding networks run by ONNX Runtime: arrays in, arrays out, as their card describes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien import models
from mien.errors import WeightsError
from mien.types import Floats


@dataclass(frozen=True, slots=True)
class Network:
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
        made = models.get_card(self.name).input
        if made is None:
            raise WeightsError(f"the card of {self.name!r} does not say what the network takes: it is no embedder")
        return made

    def __call__(self, crops: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], /) -> Floats:
        """Crops (n, size, size, 3) uint8 RGB -> (n, dim) float32, as the network gives them."""
        plan = self._input
        if not len(crops):
            return np.empty((0, self.dim), np.float32)
        if crops.shape[1:] != (plan.size, plan.size, 3):
            raise ValueError(f"{self.name} takes crops of {plan.size} x {plan.size} x 3, not {crops.shape[1:]}")
        ordered = crops if plan.colour == "rgb" else crops[..., ::-1]
        planes = np.ascontiguousarray(ordered.transpose(0, 3, 1, 2), np.float32)
        if (plan.mean, plan.scale) != (0.0, 1.0):
            planes = (planes - np.float32(plan.mean)) * np.float32(plan.scale)
        session = models.session(self.name)
        taken = session.get_inputs()[0]
        # Some networks were exported for one picture at a time.
        batches = [planes[i : i + 1] for i in range(len(planes))] if taken.shape[0] == 1 else [planes]
        vectors = [session.run(None, {taken.name: batch})[0] for batch in batches]
        return np.concatenate(vectors).astype(np.float32, copy=False).reshape(len(crops), -1)
