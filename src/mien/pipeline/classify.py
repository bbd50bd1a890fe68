"""The stage that names faces by a head or network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.models.head import Scorer
from mien.stage import Needs
from mien.types import UNCERTAIN, UNKNOWN, Crop, Embedding, Prediction

TOP = 10
"""The labels that a prediction holds at most: all of a thousand for ten thousand faces would fill the memory."""


@dataclass(frozen=True, slots=True)
class Abstention:
    """Faces that a trait gives no answer for: those whose likeliest label by another head is among `labels`."""

    head: Scorer
    labels: frozenset[str]

    def covers(self, inputs: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Inputs (n, ...), as the head takes them -> whether each is such a face (n,)."""
        likeliest = self.head.answer(inputs)[0].argmax(axis=1)
        return np.array([self.head.labels[i] in self.labels for i in likeliest], dtype=bool)


@dataclass(frozen=True, slots=True)
class Classify:
    """Embedding or Crop -> Prediction: the best label, or `UNKNOWN` below the head's threshold of familiarity.

    The label is `UNCERTAIN` where the head is not certain, and for faces that `abstention` covers; of these no label is
    listed, unless `list_all`. Batches are small, so that the first answers come before many faces are done.
    """

    head: Scorer
    abstention: Abstention | None = None
    list_all: bool = False
    batch_size: int = 8

    @property
    def name(self) -> str:
        return "classify"

    @property
    def needs(self) -> Needs:
        return Needs()

    def __call__(self, batch: Sequence[Embedding | Crop], /) -> Iterator[Prediction]:
        """Embeddings or crops, as the head takes them -> as many predictions, in the same order.

        Raises:
            ValueError: a vector has another dimension than the head, or is not finite; a crop has another size.
        """
        if not batch:
            return
        inputs = stack_inputs(batch)
        probabilities, familiarity = self.head.answer(inputs)
        covered = np.zeros(len(batch), dtype=bool) if self.abstention is None else self.abstention.covers(inputs)
        for item, row, familiar, abstain in zip(batch, probabilities, familiarity, covered, strict=True):
            prediction = make_prediction(item, self.head, row, float(familiar))
            if abstain:
                prediction = replace(prediction, label=UNCERTAIN, top=prediction.top if self.list_all else ())
            yield prediction


def stack_inputs(items: Sequence[Embedding | Crop]) -> npt.NDArray[Any]:
    """What a head takes of each item: vectors (n, d), or pixels (n, s, s) or (n, s, s, 3)."""
    return np.stack([item.vector if isinstance(item, Embedding) else item.pixels for item in items])


def make_prediction(
    item: Embedding | Crop, head: Scorer, probabilities: npt.NDArray[np.floating[Any]], familiarity: float
) -> Prediction:
    """A face, the probabilities (k,) of the head's labels and its familiarity -> Prediction.

    `top` holds the best labels, `TOP` of them at most; equal probabilities keep the head's order.
    """
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    top = tuple((head.labels[i], float(probabilities[i])) for i in best)
    label, probability = top[0]
    if familiarity < head.threshold:
        label = UNKNOWN
    elif probability < head.certain:
        label = UNCERTAIN
    return Prediction(item.origin, item.face, label, top, familiarity)
