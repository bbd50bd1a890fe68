"""Who the faces of photos are, beside whatever else is told of them; nothing where nobody is enrolled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mien.embed.stage import Embed
from mien.errors import MienError
from mien.flows.gallery import is_there, opened, pinned
from mien.pipeline.embed_faces import FaceEmbedder
from mien.pipeline.spec import PipelineSpec
from mien.types import Embedding, Faces

if TYPE_CHECKING:
    from mien.flows.identify import Identifier, Match


@dataclass(frozen=True, slots=True)
class Naming:
    """Faces that were found by the gallery's detector -> whoever of the enrolled they are.

    chain: the gallery's, by whose detector the faces have to be found. way: how its network sees a face.
    """

    spec: PipelineSpec
    way: FaceEmbedder
    identifier: Identifier

    def tell(self, batch: Sequence[Faces], vectors: Sequence[Embedding]) -> list[list[Match | None]]:
        """Photos, and the vectors of their faces by `way` -> for each photo, for each face, who it is.

        Raises:
            DataError: the gallery cannot be read.
        """
        places: dict[str, list[Match | None]] = {faces.key: [None] * len(faces) for faces in batch}
        answers = self.identifier.answers(np.stack([one.vector for one in vectors])) if vectors else []
        for one, answer in zip(vectors, answers, strict=True):
            places[one.key][one.face.index] = answer.person
        return [places[faces.key] for faces in batch]


def naming(spec: PipelineSpec, identifier: Identifier) -> Naming:
    """By a gallery's chain and its identifier."""
    return Naming(spec, FaceEmbedder(spec.view, Embed(spec.embedder, spec.mirror, spec.normalise)), identifier)


@contextmanager
def named(detector: str) -> Iterator[tuple[Naming | None, str | None]]:
    """Who is enrolled, while photos are looked at, if anybody is; and a sentence where they cannot be named.

    detector: the one that a user wants; "auto" is the gallery's own, others find other faces than were enrolled.
    """
    if not is_there():
        yield None, None
        return
    try:
        gallery = opened()
    except MienError as error:
        yield None, f"people are not named: {error}"
        return
    from mien.flows.identify import Identifier  # only here: a look without a gallery needs nothing of it

    with gallery:
        try:
            spec = pinned(gallery)
            if spec is not None:
                spec.ready()
        except MienError as error:
            yield None, f"people are not named: {error}"
            return
        if spec is None:
            yield None, None
        elif detector in ("auto", spec.detector):
            yield naming(spec, Identifier(gallery)), None
        else:
            yield None, f"people are not named: their faces were found by {spec.detector}, and not by {detector}"
