"""The built-in traits of faces: which are wanted, and all of them for many faces at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien import models
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

    embedders: how each network sees a face. classifiers: for each of them the traits that are read off its vectors, so
    that a network runs once over all faces.
    """

    embedders: tuple[FaceEmbedder, ...] = ()
    classifiers: tuple[Mapping[str, Classifier], ...] = ()

    def __call__(self, batch: Sequence[Faces], /) -> list[list[dict[str, Trait]]]:
        """Photos -> a list for each of them, with the traits of each face; none for a face that cannot be cut."""
        return self.from_vectors(batch, embed_faces(batch, self.embedders)[0] if self.embedders else [])

    def from_vectors(
        self, batch: Sequence[Faces], vectors: Sequence[Sequence[Embedding]]
    ) -> list[list[dict[str, Trait]]]:
        """The same, where the vectors by its embedders are there already."""
        traits = {faces.key: [dict[str, Trait]() for _ in range(len(faces))] for faces in batch}
        for column, classifiers in zip(vectors, self.classifiers, strict=True):
            for name, classifier in classifiers.items():
                for item, trait in _answers(column, classifier):
                    traits[item.key][item.face.index][name] = trait
        return [[_in_order(face) for face in traits[faces.key]] for faces in batch]


NO_TRAITS = Traits()


@dataclass(frozen=True, slots=True)
class OpenedTraits:
    """Traits that are ready to use, and why others are not, in a sentence each."""

    traits: Traits
    notes: tuple[str, ...]


def open_traits(wanted: str | None = None) -> OpenedTraits:
    """`all`, `none` or names separated by commas -> the traits, with their networks at hand.

    With `all`, which is the default, traits that are missing, may not be used or are turned off are left out with a
    note.

    Raises:
        UnknownName: there is no trait of that name.
        WeightsError, BundleError: one that is named is missing, turned off or refused.
    """
    if wanted is None or wanted.strip() == builtin_traits.ALL:
        return available_traits(builtin_traits.enabled_traits())
    return _grouped({name: _open(name) for name in builtin_traits.parse_names(wanted or "")}, ())


def available_traits(names: Sequence[str], faces: str | None = None) -> OpenedTraits:
    """Those of these traits that are here and may be used, and a sentence about each of the others.

    faces: "find" or "cut", to override how the traits prepare faces.
    """
    classifiers: dict[str, Classifier] = {}
    notes = []
    for name in names:
        try:
            classifiers[name] = _open(name).with_faces(faces)
        except MienError as error:
            notes.append(f"{name} is left out: {error}")
    return _grouped(classifiers, notes)


def _grouped(classifiers: Mapping[str, Classifier], notes: Sequence[str]) -> OpenedTraits:
    """Traits by the embedder whose vectors they need."""
    grouped: dict[FaceEmbedder, dict[str, Classifier]] = {}
    for name, classifier in classifiers.items():
        grouped.setdefault(classifier.spec.face_embedders()[0], {})[name] = classifier
    return OpenedTraits(Traits(tuple(grouped), tuple(grouped.values())), tuple(notes))


def _open(name: str) -> Classifier:
    classifier = open_trait(name)
    for weights in (*classifier.spec.embedders, *classifier.spec.view.weights):  # not the detector: faces are given
        models.ensure(weights)
    return classifier


def _answers(vectors: Sequence[Embedding], classifier: Classifier) -> Iterator[tuple[Embedding, Trait]]:
    """The faces that a trait has an answer for, each with it."""
    if not vectors:
        return
    inputs = np.stack([item.vector for item in vectors])
    head, abstention = classifier.head, classifier.abstention
    probabilities = head.answer(inputs)[0]
    covered = np.zeros(len(vectors), dtype=bool) if abstention is None else abstention.covers(inputs)
    for item, row, abstain in zip(vectors, probabilities, covered, strict=True):
        if not abstain:
            best = int(row.argmax())
            score = float(row[best])
            label = head.labels[best] if score >= head.certain else UNCERTAIN
            yield item, Trait(label, score, dict(zip(head.labels, map(float, row), strict=True)))


def _in_order(traits: Mapping[str, Trait]) -> dict[str, Trait]:
    return {name: traits[name] for name in builtin_traits.TRAITS if name in traits}
