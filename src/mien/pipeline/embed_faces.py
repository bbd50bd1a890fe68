"""Faces as several networks see them, each by its own crop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mien.alignment.stage import cut_faces
from mien.alignment.views import View
from mien.embedding.stage import Embed
from mien.images import ImageError
from mien.run.runners import batches
from mien.stage import Needs
from mien.types import Crop, Embedding, Faces, Reason, Rejected

BATCH_SIZE = 32
"""The crops that go through a network together."""


@dataclass(frozen=True, slots=True)
class FaceEmbedder:
    """How a network sees a face: the crop that it takes, and the embedding of it."""

    view: View
    embed: Embed


def embed_faces(
    photos: Sequence[Faces], embedders: Sequence[FaceEmbedder]
) -> tuple[list[list[Embedding]], list[Rejected]]:
    """The faces of some photos -> for each embedder their vectors, row for row the same faces, and photos without any.

    A face whose crop cannot be cut for one of the embedders is left out for all.
    """
    rejected: list[Rejected] = []
    crops: list[list[Crop]] = [[] for _ in embedders]
    for faces in photos:
        try:
            columns = cut_faces(faces, [embedder.view for embedder in embedders])
        except ImageError as error:
            rejected.append(Rejected(faces.origin, "align", error.reason, error.detail))
            continue
        if not columns[0]:
            rejected.append(Rejected(faces.origin, "align", Reason.NO_FACE, "its landmarks lie on one line"))
        for all_crops, column in zip(crops, columns, strict=True):
            all_crops.extend(column)
    vectors = [
        [vector for batch in batches(column, BATCH_SIZE) for vector in embedder.embed(batch)]
        for embedder, column in zip(embedders, crops, strict=True)
    ]
    return vectors, rejected


@dataclass(frozen=True, slots=True)
class ConcatEmbedder:
    """The vectors of several networks as one, one after the other: Faces -> Embedding."""

    embedders: tuple[FaceEmbedder, ...]
    name: str = "embed"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[Embedding | Rejected]:
        vectors, rejected = embed_faces(batch, self.embedders)
        yield from rejected
        for row in zip(*vectors, strict=True):
            yield Embedding(row[0].origin, row[0].face, np.concatenate([embedding.vector for embedding in row]))
