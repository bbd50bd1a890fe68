"""The built-in traits of faces: which are wanted, and all of them for many faces at once; knows no verb."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mien import models
from mien.embed.stage import Embed
from mien.errors import MienError
from mien.models import builtin_traits
from mien.pipeline.classifier import Classifier, open_trait
from mien.pipeline.embed_faces import FaceEmbedder, embed_faces
from mien.types import UNCERTAIN, Embedding, Faces


@dataclass(frozen=True, slots=True)
class Trait:
    """What a face was taken for: the likeliest label, or `UNCERTAIN`; its probability, and those of all labels."""

    label: str
    score: float
    scores: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien look` prints of a trait."""
        scores = {label: round(score, 4) for label, score in self.scores.items()}
        return {"label": self.label, "score": round(self.score, 4), "scores": scores}


@dataclass(frozen=True, slots=True)
class Traits:
    """Faces of photos -> for each photo, for each face, its traits by name.

    ways: how each network sees a face; told: the traits that its vectors tell. Each network runs once over all faces.
    """

    ways: tuple[FaceEmbedder, ...] = ()
    told: tuple[Mapping[str, Classifier], ...] = ()

    def __call__(self, batch: Sequence[Faces], /) -> list[list[dict[str, Trait]]]:
        """Photos -> a list for each of them, with the traits of each face; none of one that cannot be cut."""
        return self.tell(batch, embed_faces(batch, self.ways)[0] if self.ways else [])

    def tell(self, batch: Sequence[Faces], made: Sequence[Sequence[Embedding]]) -> list[list[dict[str, Trait]]]:
        """The same where the vectors of its ways are there already."""
        places = {faces.key: [dict[str, Trait]() for _ in range(len(faces))] for faces in batch}
        for vectors, told in zip(made, self.told, strict=True):
            for name, recogniser in told.items():
                for item, trait in _answers(vectors, recogniser):
                    places[item.key][item.face.index][name] = trait
        return [[_ordered(each) for each in places[faces.key]] for faces in batch]


NO_TRAITS = Traits()


@dataclass(frozen=True, slots=True)
class OpenedTraits:
    """Traits, ready to be told, and why others are not, in a sentence each."""

    traits: Traits
    notes: tuple[str, ...]


def open_traits(wanted: str | None = None) -> OpenedTraits:
    """`all`, `none` or names with commas between -> the traits, with their networks at hand.

    Of all, or where nothing is said, those are left out, and noted, that are missing or may not be used, and those that
    are turned off.

    Raises:
        UnknownName: there is no trait of that name.
        WeightsError, BundleError: one that is named is missing, turned off or refused.
    """
    everything = wanted is None or wanted.strip() == builtin_traits.ALL
    if everything:
        return available(builtin_traits.enabled_traits())
    return _grouped({name: _ready(name) for name in builtin_traits.parse_names(wanted or "")}, ())


def available(names: Sequence[str], faces: str | None = None) -> OpenedTraits:
    """Those of these traits that are here and may be used, and a sentence about each of the others.

    faces: "find" or "cut", to have them prepared otherwise than in training.
    """
    ready: dict[str, Classifier] = {}
    notes = []
    for name in names:
        try:
            found = _ready(name)
            ready[name] = found if faces is None else replace(found, spec=found.spec.taking(faces))
        except MienError as error:
            notes.append(f"{name} is left out: {error}")
    return _grouped(ready, notes)


def _grouped(ready: Mapping[str, Classifier], notes: Sequence[str]) -> OpenedTraits:
    """Traits by the way that their vectors are made, so that each network runs once."""
    grouped: dict[FaceEmbedder, dict[str, Classifier]] = {}
    for name, recogniser in ready.items():
        spec = recogniser.spec
        way = FaceEmbedder(spec.view, Embed(spec.embedder, spec.mirror, spec.normalise))
        grouped.setdefault(way, {})[name] = recogniser
    return OpenedTraits(Traits(tuple(grouped), tuple(grouped.values())), tuple(notes))


def _ready(name: str) -> Classifier:
    found = open_trait(name)
    for weights in (*found.spec.embedders, *found.spec.view.weights):  # not its detector: faces are found already
        models.ensure(weights)
    return found


def _answers(vectors: Sequence[Embedding], recogniser: Classifier) -> Iterator[tuple[Embedding, Trait]]:
    """The faces that a trait has an answer for, each with it."""
    if not vectors:
        return
    inputs = np.stack([item.vector for item in vectors])
    probabilities = recogniser.head.answer(inputs)[0]
    silent = np.zeros(len(vectors), dtype=bool) if recogniser.silence is None else recogniser.silence.covers(inputs)
    labels = recogniser.head.labels
    for item, row, covered in zip(vectors, probabilities, silent, strict=True):
        if not covered:
            best = int(row.argmax())
            score = float(row[best])
            label = labels[best] if score >= recogniser.head.certain else UNCERTAIN
            yield item, Trait(label, score, dict(zip(labels, map(float, row), strict=True)))


def _ordered(found: Mapping[str, Trait]) -> dict[str, Trait]:
    return {name: found[name] for name in builtin_traits.TRAITS if name in found}
