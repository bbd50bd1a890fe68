"""Photos in, the features that `check` looks at out: every face, by every network, once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import numpy as np

from mien import models
from mien.config import settings
from mien.curation.features import ImageFeatures, colour_statistics, grey_thumbnail, pack, pose, unpack, visible_share
from mien.embedding.stage import Embed
from mien.images import ImageError
from mien.models import APPEARANCE_EMBEDDER, IDENTITY_EMBEDDER
from mien.pipeline.annotate import measure_quality, pixels_inside
from mien.pipeline.embed_faces import FaceEmbedder, embed_faces
from mien.pipeline.execute import CacheFormat, RunOptions, cached_map, load_bytes
from mien.pipeline.spec import PipelineSpec, build_spec
from mien.pipeline.traits import Trait, Traits, available_traits
from mien.run.runners import run_stages
from mien.stage import AnyStage, Needs
from mien.types import Embedding, Faces, Floats, Photo, PhotoRef, Reason, Rejected

# Increased whenever the same settings would give other figures, so that no cache answers for an older mien.
_VERSION = 3

_BATCH = 32  # photos are looked up together: to open the cache takes as long as to read this many from it


def check_spec(detector: str = "auto", faces: str = "find", min_face: int | None = None) -> PipelineSpec:
    """The pipeline for a check: every face of a photo, in the order of `mien look`."""
    return build_spec(detector, IDENTITY_EMBEDDER, faces, "all", min_face)


def extract_features(
    refs: Sequence[PhotoRef], spec: PipelineSpec, run: RunOptions
) -> Iterator[ImageFeatures | Rejected]:
    """PhotoRef -> ImageFeatures in the order of the photos, those that the cache holds without computing them.

    A photo without a face has features of no faces; what cannot be read is rejected. A face that cannot be cut keeps
    its row, with NaN for its vectors and traits. The traits `mask` and `glasses` are missing where they are turned off.

    Raises:
        WeightsError: weights are missing or may not be used.
    """
    spec.ready()
    models.ensure(APPEARANCE_EMBEDDER)
    available = available_traits(("mask", "glasses"), spec.faces)
    for note in available.notes:
        run.note(note)
    extractor = FeatureExtractor(spec, available.traits)
    return cached_map(extractor, extractor.digest(), refs, run, CacheFormat(pack, unpack), _BATCH)


@dataclass(frozen=True, slots=True)
class FeatureExtractor:
    """PhotoRef -> ImageFeatures, by the pipeline that finds and identifies faces, and by the traits."""

    spec: PipelineSpec
    traits: Traits
    name: str = "extract"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def stages(self, max_faces: int | None = None) -> list[AnyStage]:  # noqa: ARG002 (a check takes all faces)
        """Itself, the only stage."""
        return [self]

    def __call__(self, batch: Sequence[PhotoRef], /) -> Iterator[ImageFeatures | Rejected]:
        loaded = [load_bytes(ref, settings().max_megapixels) for ref in batch]
        digests = {ref.key: digest for ref, digest in loaded}
        decode, detect = self.spec.detect_stages()
        stages = [decode, DetectIfAny(detect), MeasureFaces(self)]
        for result in run_stages(stages, [ref for ref, _ in loaded], keep_going=False):
            yield replace(result, digest=digests[result.key]) if isinstance(result, ImageFeatures) else result

    def embedders(self) -> dict[str, FaceEmbedder]:
        """The face embedders by the names of their vectors."""
        spec = self.spec
        appearance = build_spec(spec.detector, APPEARANCE_EMBEDDER, spec.faces)
        return {
            IDENTITY_EMBEDDER: FaceEmbedder(spec.view, Embed(spec.embedder, spec.mirror, spec.normalise)),
            # Not mirrored, as in the training of the traits.
            APPEARANCE_EMBEDDER: FaceEmbedder(appearance.view, Embed(APPEARANCE_EMBEDDER, mirror=False)),
        }

    def digest(self) -> bytes:
        """The address of its results in the cache: everything that decides a figure."""
        heads = {
            name: dict(model.bundle.manifest) for group in self.traits.classifiers for name, model in group.items()
        }
        weights = {**self.spec.weights(), APPEARANCE_EMBEDDER: models.identity(APPEARANCE_EMBEDDER)}
        everything = {"chain": self.spec.as_json(), "weights": weights, "traits": heads, "version": _VERSION}
        return sha256(b"inspect" + json.dumps(everything, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class DetectIfAny:
    """Photo -> Faces, with no rows for a photo without a face, which a detector would reject."""

    stage: AnyStage
    name: str = "detect"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Faces | Rejected]:
        for photo in batch:
            for result in self.stage([photo]):
                no_face = isinstance(result, Rejected) and result.reason is Reason.NO_FACE
                yield Faces(photo, np.empty((0, 4), np.float32), np.empty(0, np.float32)) if no_face else result


@dataclass(frozen=True, slots=True)
class MeasureFaces:
    """Faces -> ImageFeatures, without the digest of the photo's bytes."""

    extractor: FeatureExtractor
    name: str = "measure"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[ImageFeatures | Rejected]:
        embedders, traits = self.extractor.embedders(), self.extractor.traits
        embeddings, rejected = embed_faces(batch, list(embedders.values()))
        by_embedder = dict(zip(embedders.values(), embeddings, strict=True))
        traits_by_photo = traits.from_vectors(batch, [by_embedder[embedder] for embedder in traits.embedders])
        lost = {item.key: item for item in rejected if item.reason is not Reason.NO_FACE}
        for faces, face_traits in zip(batch, traits_by_photo, strict=True):
            if faces.key in lost:
                yield lost[faces.key]
                continue
            vectors = {name: _rows(name, faces, by_embedder[embedder]) for name, embedder in embedders.items()}
            try:
                yield _features(faces, vectors, self._probabilities(face_traits))
            except ImageError as error:
                yield Rejected(faces.origin, self.name, error.reason, error.detail)

    def _probabilities(self, faces: Sequence[Mapping[str, Trait]]) -> dict[str, Floats]:
        """Probabilities (n, k) of each trait, NaN where it has no answer for a face."""
        columns = {}
        for group in self.extractor.traits.classifiers:
            for name, model in group.items():
                unknown = [np.nan] * len(model.head.labels)
                rows = [list(face[name].scores.values()) if name in face else unknown for face in faces]
                columns[name] = np.array(rows, np.float32).reshape(len(faces), len(unknown))
        return columns


def _features(faces: Faces, vectors: Mapping[str, Floats], traits: Mapping[str, Floats]) -> ImageFeatures:
    photo = faces.photo
    main_face = pixels_inside(photo.pixels, photo.scale, faces.face(0)) if len(faces) else None
    if main_face is not None:
        main_face = np.rot90(main_face, faces.turned // 90)
    return ImageFeatures(
        origin=photo.origin,
        digest=b"",
        width=photo.width,
        height=photo.height,
        thumb=grey_thumbnail(photo.pixels),
        colour=np.empty(0, np.float32) if main_face is None else colour_statistics(main_face),
        boxes=faces.boxes,
        scores=faces.scores,
        landmarks=faces.landmarks,
        quality=_quality_columns(faces),
        vectors=vectors,
        traits=traits,
        turned=faces.turned,
    )


def _quality_columns(faces: Faces) -> dict[str, Floats]:
    qualities, measures = measure_quality(faces), ("side", "sharpness", "brightness", "contrast")
    columns = {name: np.array([getattr(quality, name) for quality in qualities], np.float32) for name in measures}
    points = np.full((len(faces), 5, 2), np.nan, np.float32) if faces.landmarks is None else faces.landmarks
    share = visible_share(faces.boxes, faces.landmarks, faces.photo.width, faces.photo.height)
    return columns | pose(points, faces.boxes, faces.turned) | {"inside": share}


def _rows(name: str, faces: Faces, embeddings: Sequence[Embedding]) -> Floats:
    """The vectors of a photo's faces (n, d) by one embedder, taken from those of several photos."""
    rows = np.full((len(faces), models.get_card(name).dim or 0), np.nan, np.float32)
    for item in embeddings:
        if item.key == faces.key:
            rows[item.face.index] = item.vector
    return rows
