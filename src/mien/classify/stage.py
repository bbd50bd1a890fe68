"""The stage that names faces; knows a head and no picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.models.head import Head
from mien.stage import Needs
from mien.types import UNKNOWN, Embedding, Prediction

TOP = 10
"""A prediction holds so many labels at most: all of a thousand for each of ten thousand faces would fill the memory."""


@dataclass(frozen=True, slots=True)
class Classify:
    """Embedding -> Prediction: the best label, or `UNKNOWN` where the face is less familiar than the head's threshold.

    The batches are small, so that the first answers are there before many faces are.
    """

    head: Head
    batch_size: int = 8

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
            yield predicted(item, self.head, row, float(familiar))


def predicted(
    item: Embedding, head: Head, probabilities: npt.NDArray[np.floating[Any]], familiarity: float
) -> Prediction:
    """A face, the probabilities (k,) of the head's labels and its familiarity -> Prediction.

    `top` holds the best labels, `TOP` of them at most; equal probabilities keep the head's order.
    """
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    top = tuple((head.labels[i], float(probabilities[i])) for i in best)
    label = top[0][0] if familiarity >= head.threshold else UNKNOWN
    return Prediction(item.origin, item.face, label, top, familiarity)
