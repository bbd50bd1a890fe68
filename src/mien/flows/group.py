"""Photos without labels in, groups of one person each out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.curation.grouping import group_faces
from mien.data.sources import ImageSources, photo_refs
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.progress import Progress
from mien.pipeline.spec import build_spec
from mien.types import Embedding, Rejected


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Faces of one person, the most typical one first."""

    number: int
    faces: Sequence[Embedding]

    @property
    def exemplar(self) -> str:
        """The photo of the most typical face."""
        return self.faces[0].key

    @property
    def photos(self) -> list[str]:
        """The photos that the faces are in, each once."""
        return list(dict.fromkeys(face.key for face in self.faces))

    def __len__(self) -> int:
        return len(self.faces)

    def as_json(self) -> dict[str, Any]:
        """The fields of a group."""
        return {"group": self.number, "faces": len(self), "photos": self.photos, "exemplar": self.exemplar}


class GroupList(list[Group]):
    """The groups of two faces and more, the largest first; `ungrouped` faces, `rejected` photos, and `seconds`."""

    def __init__(
        self, groups: Sequence[Group], ungrouped: Sequence[Embedding], rejected: Sequence[Rejected], seconds: float
    ) -> None:
        super().__init__(groups)
        self.ungrouped, self.rejected, self.seconds = ungrouped, rejected, seconds

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{g.number}</td><td>{len(g)}</td><td>{g.exemplar}</td></tr>" for g in self)
        head = "<tr><th>group</th><th>faces</th><th>most typical photo</th></tr>"
        return f"<table>{head}{rows}</table><p>{len(self.ungrouped)} faces by themselves</p>"


def group(
    photos: ImageSources,
    *,
    detector: str = "auto",
    min_face: int | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    cache: bool = True,
    progress: bool | Progress = False,
) -> GroupList:
    """Group every face of photos without labels by person.

    Args:
        photos: A folder, or several pictures.
        detector: "auto", or a name from `mien models list`.
        min_face: Side of the smallest face, in pixels of the photo.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        cache: Whether embeddings are looked up and stored.
        progress: Show a bar.

    Raises:
        DataError: There are no pictures.
        WeightsError: Weights are missing.
    """
    start = time.perf_counter()
    refs = photo_refs(photos)
    spec = build_spec(detector, which="all", min_face=min_face)
    results = list(embed_photos(spec, refs, RunOptions.build(workers, keep_going, cache, progress)))
    faces = [result for result in results if isinstance(result, Embedding)]
    rejected = [result for result in results if isinstance(result, Rejected)]
    number = {ref.key: i for i, ref in enumerate(refs)}
    vectors = np.stack([face.vector for face in faces]) if faces else np.empty((0, 0), np.float32)
    labels = group_faces(vectors, np.array([number[face.key] for face in faces], np.int64))
    members = [[faces[i] for i in np.flatnonzero(labels == label)] for label in np.unique(labels)]
    several = sorted((_by_typicality(some) for some in members if len(some) > 1), key=len, reverse=True)
    groups = [Group(i, some) for i, some in enumerate(several, 1)]
    ungrouped = [some[0] for some in members if len(some) == 1]
    return GroupList(groups, ungrouped, rejected, time.perf_counter() - start)


def _by_typicality(faces: Sequence[Embedding]) -> list[Embedding]:
    """Faces of one group, those nearest to the mean first."""
    vectors = np.stack([face.vector for face in faces])
    return [faces[i] for i in np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")]
