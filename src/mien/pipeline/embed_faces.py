"""Faces as several networks see them, each by its own crop; knows vectors, and nothing of what they are used for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mien.alignment.stage import cut_faces
from mien.alignment.views import View
from mien.embedding.stage import Embed
from mien.images import ImageError
from mien.run.local import batches
from mien.stage import Needs
from mien.types import Crop, Embedding, Faces, Reason, Rejected

AT_ONCE = 32
"""So many crops go through a network together."""


@dataclass(frozen=True, slots=True)
class FaceEmbedder:
    """How a network sees a face: the crop that it takes, and what becomes of it."""

    view: View
    embed: Embed


def embed_faces(batch: Sequence[Faces], ways: Sequence[FaceEmbedder]) -> tuple[list[list[Embedding]], list[Rejected]]:
    """The faces of some photos -> for each way their vectors, row for row the same faces, and photos without any.

    A face whose crop one of the ways cannot cut is left out of all.
    """
    rejected: list[Rejected] = []
    crops: list[list[Crop]] = [[] for _ in ways]
    for faces in batch:
        try:
            found = cut_faces(faces, [way.view for way in ways])
        except ImageError as error:
            rejected.append(Rejected(faces.origin, "align", error.reason, error.detail))
            continue
        if not found[0]:
            rejected.append(Rejected(faces.origin, "align", Reason.NO_FACE, "its landmarks lie on one line"))
        for column, more in zip(crops, found, strict=True):
            column.extend(more)
    made = [
        [vector for some in batches(column, AT_ONCE) for vector in way.embed(some)]
        for way, column in zip(ways, crops, strict=True)
    ]
    return made, rejected


@dataclass(frozen=True, slots=True)
class ConcatEmbedder:
    """The vectors of several networks as one, one after the other: Faces -> Embedding."""

    ways: tuple[FaceEmbedder, ...]
    name: str = "embed"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[Embedding | Rejected]:
        made, rejected = embed_faces(batch, self.ways)
        yield from rejected
        for row in zip(*made, strict=True):
            yield Embedding(row[0].origin, row[0].face, np.concatenate([one.vector for one in row]))
