"""The stage that names faces; knows a head and no picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mien.models.head import Head
from mien.stage import Needs
from mien.types import UNKNOWN, Embedding, Floats, Prediction


@dataclass(frozen=True, slots=True)
class Classify:
    """Embedding -> Prediction: the best label, or `UNKNOWN` where the face is less familiar than the head's threshold.

    `top` holds all labels, best first; equal probabilities keep the head's order.
    """

    head: Head
    batch_size: int = 64

    @property
    def name(self) -> str:
        return "classify"

    @property
    def needs(self) -> Needs:
        return Needs()

    def __call__(self, batch: Sequence[Embedding], /) -> Iterator[Prediction]:
        """Embeddings -> as many predictions, in the same order.

        Raises:
            ValueError: a vector has another dimension than the head, or is not finite.
        """
        if not batch:
            return
        vectors = np.stack([item.vector for item in batch])
        probabilities, familiarity = self.head.probabilities(vectors), self.head.familiarity(vectors)
        for item, row, familiar in zip(batch, probabilities, familiarity, strict=True):
            yield self._prediction(item, row, float(familiar))

    def _prediction(self, item: Embedding, row: Floats, familiarity: float) -> Prediction:
        labels = self.head.labels
        top = tuple((labels[i], float(row[i])) for i in np.argsort(-row, kind="stable"))
        label = top[0][0] if familiarity >= self.head.threshold else UNKNOWN
        return Prediction(item.origin, item.face, label, top, familiarity)
