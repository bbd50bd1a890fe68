"""Photos in, what each of them shows out, for a check of a data set: every face, by every network, once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import numpy as np

from mien import models
from mien.config import settings
from mien.curate.features import ImageFeatures, Quality, colour_statistics, grey_thumbnail, pack, pose, unpack
from mien.curate.features import visible_share as share_inside
from mien.embed.stage import Embed
from mien.images import ImageError
from mien.models import APPEARANCE_EMBEDDER, IDENTITY_EMBEDDER
from mien.pipeline.annotate import measure_quality, pixels_inside
from mien.pipeline.embed_faces import FaceEmbedder, embed_faces
from mien.pipeline.execute import CacheFormat, RunOptions, cached_map, load_bytes
from mien.pipeline.spec import PipelineSpec
from mien.pipeline.spec import build_spec as chained
from mien.pipeline.traits import Trait, Traits, available_traits
from mien.run.local import run_stages
from mien.stage import AnyStage, Needs
from mien.types import Embedding, Faces, Floats, Photo, PhotoRef, Reason, Rejected

# Raised whenever the same settings would give other figures, so that no cache answers for an older mien.
_VERSION = 2

_TOLD = ("mask", "glasses")

_AT_ONCE = 32  # photos are looked up together: to open the cache takes as long as to read this many out of it


def looking(detector: str = "auto", faces: str = "find") -> PipelineSpec:
    """The chain for a check: every face of a photo, in the order of `mien look`.

    Raises:
        UnknownName: there is no such detector. DataError: `faces` is neither "find" nor "cut".
    """
    return chained(detector, IDENTITY_EMBEDDER, faces, "all")


def inspect(refs: Sequence[PhotoRef], spec: PipelineSpec, drive: RunOptions) -> Iterator[ImageFeatures | Rejected]:
    """PhotoRef -> Shown in the order of the photos; what the cache knows is not looked at again.

    A photo without a face is one that shows no face; what could not be read is rejected. A face that cannot be cut
    keeps its row, with NaN for its vectors and traits. The traits `mask` and `glasses` are missing where they are
    turned off.

    Raises:
        WeightsError: weights are missing or may not be used.
    """
    spec.ready()
    models.ensure(APPEARANCE_EMBEDDER)
    told = available_traits(_TOLD, spec.faces)
    for note in told.notes:
        drive.note(note)
    way = Inspection(spec, told.traits)
    return cached_map(way, way.digest(), refs, drive, CacheFormat(pack, unpack), _AT_ONCE)


@dataclass(frozen=True, slots=True)
class Inspection:
    """How photos are looked at: the chain finds faces and tells people apart, and traits are told of all."""

    spec: PipelineSpec
    traits: Traits

    def stages(self, max_faces: int | None = None) -> list[AnyStage]:  # noqa: ARG002 (a check takes them all)
        """The one stage PhotoRef -> Shown."""
        return [Inspect(self)]

    def ways(self) -> dict[str, FaceEmbedder]:
        """How each network sees a face, by the name of its vectors."""
        one = self.spec
        looks = chained(one.detector, APPEARANCE_EMBEDDER, one.faces)
        return {
            IDENTITY_EMBEDDER: FaceEmbedder(one.view, Embed(one.embedder, one.mirror, one.normalise)),
            APPEARANCE_EMBEDDER: FaceEmbedder(
                looks.view, Embed(APPEARANCE_EMBEDDER, mirror=False)
            ),  # as in the training of the traits
        }

    def digest(self) -> bytes:
        """The address of its results: everything that decides a figure."""
        heads = {name: dict(one.bundle.manifest) for told in self.traits.classifiers for name, one in told.items()}
        weights = {**self.spec.weights(), APPEARANCE_EMBEDDER: models.identity(APPEARANCE_EMBEDDER)}
        whole = {"chain": self.spec.as_json(), "weights": weights, "traits": heads, "version": _VERSION}
        return sha256(b"inspect" + json.dumps(whole, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Inspect:
    """Looks at photos, whose bytes may be at hand: PhotoRef -> Shown."""

    inspection: Inspection
    name: str = "inspect"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[PhotoRef], /) -> Iterator[ImageFeatures | Rejected]:
        loaded = [load_bytes(ref, settings().max_megapixels) for ref in batch]
        sums = {ref.key: checksum for ref, checksum in loaded}
        decode, detect = self.inspection.spec.detect_stages()
        refs = [ref for ref, _ in loaded]
        for result in run_stages([decode, Perhaps(detect), Show(self.inspection)], refs, keep_going=False):
            yield replace(result, digest=sums[result.key]) if isinstance(result, ImageFeatures) else result


@dataclass(frozen=True, slots=True)
class Perhaps:
    """Finds faces where there are any: Photo -> Faces, with no rows for a photo without a face."""

    stage: AnyStage
    name: str = "detect"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Faces | Rejected]:
        for photo in batch:
            for result in self.stage([photo]):
                none = isinstance(result, Rejected) and result.reason is Reason.NO_FACE
                yield Faces(photo, np.empty((0, 4), np.float32), np.empty(0, np.float32)) if none else result


@dataclass(frozen=True, slots=True)
class Show:
    """Puts what can be seen of faces into columns: Faces -> Shown, without the digest of the photo's bytes."""

    inspection: Inspection
    name: str = "show"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[ImageFeatures | Rejected]:
        ways, traits = self.inspection.ways(), self.inspection.traits
        made, rejected = embed_faces(batch, list(ways.values()))
        by_way = dict(zip(ways.values(), made, strict=True))
        told = traits.from_vectors(batch, [by_way[way] for way in traits.embedders])
        lost = {item.key: item for item in rejected if item.reason is not Reason.NO_FACE}
        for faces, each in zip(batch, told, strict=True):
            if faces.key in lost:
                yield lost[faces.key]
                continue
            vectors = {name: _rows(name, faces, by_way[way]) for name, way in ways.items()}
            try:
                yield _shown(faces, vectors, self._columns(each))
            except ImageError as error:
                yield Rejected(faces.origin, self.name, error.reason, error.detail)

    def _columns(self, told: Sequence[Mapping[str, Trait]]) -> dict[str, Floats]:
        """Probabilities (n, k) of each trait, NaN where it says nothing of a face."""
        columns = {}
        for named in self.inspection.traits.classifiers:
            for name, recogniser in named.items():
                silent = [np.nan] * len(recogniser.head.labels)
                rows = [list(each[name].scores.values()) if name in each else silent for each in told]
                columns[name] = np.array(rows, np.float32).reshape(len(told), len(silent))
        return columns


def _shown(faces: Faces, vectors: Mapping[str, Floats], traits: Mapping[str, Floats]) -> ImageFeatures:
    """The columns of one photo."""
    photo = faces.photo
    return ImageFeatures(
        origin=photo.origin,
        digest=b"",
        width=photo.width,
        height=photo.height,
        thumb=grey_thumbnail(photo.pixels),
        colour=_colour(faces),
        boxes=faces.boxes,
        scores=faces.scores,
        landmarks=faces.landmarks,
        quality=_quality(faces, measure_quality(faces)),
        vectors=vectors,
        traits=traits,
    )


def _quality(faces: Faces, found: Sequence[Quality]) -> dict[str, Floats]:
    names = ("side", "sharpness", "brightness", "contrast")
    columns = {name: np.array([getattr(each, name) for each in found], np.float32) for name in names}
    points = np.full((len(faces), 5, 2), np.nan, np.float32) if faces.landmarks is None else faces.landmarks
    whole = share_inside(faces.boxes, faces.landmarks, faces.photo.width, faces.photo.height)
    return columns | pose(points, faces.boxes) | {"inside": whole}


def _colour(faces: Faces) -> Floats:
    """Of the main face, by the pixels that there are."""
    photo = faces.photo
    return (
        colour_statistics(pixels_inside(photo.pixels, photo.scale, faces.face(0)))
        if len(faces)
        else np.empty(0, np.float32)
    )


def _rows(name: str, faces: Faces, vectors: Sequence[Embedding]) -> Floats:
    """The vectors of an embedder for a photo's faces (n, d), out of those of several photos."""
    rows = np.full((len(faces), models.get_card(name).dim or 0), np.nan, np.float32)
    for item in vectors:
        if item.key == faces.key:
            rows[item.face.index] = item.vector
    return rows
