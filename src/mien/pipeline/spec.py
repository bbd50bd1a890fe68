"""How a photo becomes vectors, as data: a bundle pins it, and the cache is addressed by it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, ClassVar, Literal

from mien import models
from mien.alignment.stage import Align
from mien.alignment.views import View, view
from mien.config import settings
from mien.detection import DETECTORS, resolve, second_look
from mien.detection.stage import Detect, WholeImage
from mien.embedding import EMBEDDERS
from mien.embedding.stage import Embed
from mien.errors import BundleError, DataError, WeightsError, warn
from mien.images.stage import Decode
from mien.pipeline.embed_faces import ConcatEmbedder, FaceEmbedder
from mien.stage import AnyStage, Needs
from mien.types import Faces, Reason, Rejected
from mien.validate import from_dict

# Raised whenever the same settings would give other vectors, so that no cache answers for an older mien.
_VERSION = 2

# Detection needs no more pixels than this on the longer side; crops are cut from as many as they can use.
_DETECTION_SIDE = 1000

PIXELS = "none"
"""The embedder of a chain that ends with the crop, whose pixels are the numbers."""

# What a bundle may ask for, in pixels: networks look at squares of 12, and a photo enlarged for them fills the memory.
_SMALLEST_FACE, _LARGEST_FACE = 12, 100_000


@dataclass(frozen=True, slots=True)
class LimitFaces:
    """Rejects photos with more faces than a service wants to take on: Faces -> Faces."""

    most: int
    name: ClassVar[str] = "limit"
    batch_size: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[Faces | Rejected]:
        for faces in batch:
            if len(faces) <= self.most:
                yield faces
            else:
                detail = f"{len(faces)} faces, over the limit of {self.most}"
                yield Rejected(faces.origin, self.name, Reason.TOO_LARGE, detail)


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """Photo -> vectors: everything that decides the numbers.

    embedder: its name, or `PIXELS` where a network looks at the crop itself; of several, whose vectors stand one after
    the other, the names with `+` between: they see the same view, the first at its size and each other at its own.
    faces: "find" looks for faces, "cut" takes each picture as a face already cut. which: the main face of a photo, or
    all of them. min_face: side of the smallest face in pixels of the photo; None: as small as a quick search finds.
    second_look: whether faces get finer landmarks, and photos without a face another try (`mien.detection.stage`).
    """

    view: View
    detector: str = "yunet"
    embedder: str = models.IDENTITY_EMBEDDER
    faces: Literal["find", "cut"] = "find"
    which: Literal["largest", "all"] = "largest"
    min_face: int | None = None
    second_look: bool = True
    mirror: bool = True
    normalise: bool = True

    @property
    def embedders(self) -> tuple[str, ...]:
        """The names of its networks: one, or several whose vectors are joined; none where it ends with the crop."""
        return () if self.embedder == PIXELS else tuple(self.embedder.split(models.EMBEDDER_SEPARATOR))

    def with_faces(self, faces: str) -> PipelineSpec:
        """The same for pictures that are prepared otherwise: faces to be found, or already cut.

        Raises:
            DataError: `faces` is neither "find" nor "cut".
        """
        if faces == self.faces:
            return self
        view = replace(_view(self.embedder, faces), size=self.view.size, grey=self.view.grey)
        return replace(self, view=view, faces="cut" if faces == "cut" else "find")

    def all_faces(self) -> PipelineSpec:
        """The same for every face of a photo."""
        return replace(self, which="all")

    def detect_stages(self, max_faces: int | None = None) -> list[AnyStage]:
        """The stages PhotoRef -> Photo -> Faces; photos with more than `max_faces` are rejected."""
        megapixels = settings().max_megapixels
        if self.faces == "cut":
            return [Decode(None, megapixels), WholeImage()]
        limit: list[AnyStage] = [] if max_faces is None else [LimitFaces(max_faces)]
        detect = Detect(self.detector, self.which, self.min_face, self.second_look)
        return [Decode(_DETECTION_SIDE, megapixels), detect, *limit]

    def crop_stages(self, max_faces: int | None = None) -> list[AnyStage]:
        """The stages PhotoRef -> Crop."""
        return [*self.detect_stages(max_faces), Align(self.view)]

    def stages(self, max_faces: int | None = None) -> list[AnyStage]:
        """The stages PhotoRef -> Embedding, or Crop where there is no embedder."""
        if self.embedder == PIXELS:
            return self.crop_stages(max_faces)
        if len(self.embedders) > 1:
            return [*self.detect_stages(max_faces), ConcatEmbedder(self.face_embedders())]
        return [*self.crop_stages(max_faces), self.face_embedders()[0].embed]

    def face_embedders(self) -> tuple[FaceEmbedder, ...]:
        """Each network with the crop that it takes: the first at the view's size, every other one at its own."""
        sizes = [EMBEDDERS.load(name)(name).size if i else self.view.size for i, name in enumerate(self.embedders)]
        return tuple(
            FaceEmbedder(replace(self.view, size=size), Embed(name, self.mirror, self.normalise))
            for name, size in zip(self.embedders, sizes, strict=True)
        )

    def weights(self) -> dict[str, str]:
        """The weights that it depends on: name -> identity.

        Raises:
            WeightsError: some are not on this machine.
        """
        found = []
        if self.faces == "find":
            found = [self.detector, *([second_look.WEIGHTS] if self.second_look else [])]
        # A second look gives landmarks to every face.
        points = [] if self.view.points == "detector" and self.second_look else self.view.weights
        names = [*self.embedders, *found, *points]
        return {name: models.identity(name) for name in names if name in models.CARDS}

    def ready(self) -> None:
        """Have all weights at hand before the work begins, so that what is missing is said once and early.

        Raises:
            WeightsError: some are missing, changed or refused.
        """
        for name in self.weights():
            models.ensure(name)

    def as_json(self) -> dict[str, Any]:
        """All of it, for a bundle."""
        return {
            "detector": self.detector,
            "embedder": self.embedder,
            "faces": self.faces,
            "which": self.which,
            "min_face": self.min_face,
            "second_look": self.second_look,
            "mirror": self.mirror,
            "normalise": self.normalise,
            "view": self.view.as_json(),
        }

    @staticmethod
    def from_json(fields: Mapping[str, Any]) -> PipelineSpec:
        """The pipeline that a bundle pins.

        Raises:
            BundleError: the fields are not a pipeline's.
        """
        try:
            if (
                isinstance(fields, dict) and "second_look" not in fields
            ):  # from before there was one; the smallest face was 20 where nobody chose
                quick = {"min_face": None} if fields.get("min_face") == 20 else {}
                fields = {**fields, "second_look": False, **quick}
            spec = replace(from_dict(PipelineSpec, fields), view=View.from_json(fields["view"]))
            if spec.min_face is not None and not _SMALLEST_FACE <= spec.min_face <= _LARGEST_FACE:
                raise ValueError("'min_face' is out of range")
            return spec
        except ValueError as error:
            raise BundleError(f"the bundle does not say how faces are prepared ({error}): train it again") from error

    def digest(self) -> bytes:
        """The address of its results: settings, weights and version.

        Raises:
            WeightsError: a network is not on this machine.
        """
        for name in (*self.embedders, *([self.detector] if self.faces == "find" else [])):
            if name != "auto" and name not in EMBEDDERS and name not in DETECTORS:
                raise WeightsError(
                    f"there is no network called {name!r} on this machine: if it is one of your own, type 'mien models"
                    f" add FILE --as {name}' with the options that it was added with elsewhere"
                )
        whole = {**self.as_json(), "weights": self.weights(), "version": _VERSION, "side": _DETECTION_SIDE}
        return sha256(json.dumps(whole, sort_keys=True).encode()).digest()


def build_spec(
    detector: str = "auto",
    embedder: str = "auto",
    faces: str = "find",
    which: str = "largest",
    min_face: int | None = None,
) -> PipelineSpec:
    """The pipeline for what a user asked for; "auto" is chosen here, and pinned from here on.

    Raises:
        UnknownName: there is no such detector or embedder.
        DataError: another word that has no meaning.
    """
    embedder = models.IDENTITY_EMBEDDER if embedder == "auto" else embedder
    inner = _inner(embedder)
    return PipelineSpec(
        view=_view(embedder, faces),
        detector=_detector(detector),
        embedder=embedder,
        faces="cut" if faces == "cut" else "find",
        which="all" if which == "all" else "largest",
        min_face=min_face,
        second_look=models.is_available(second_look.WEIGHTS),
        mirror=not inner,
        normalise=not inner,
    )


def _detector(name: str) -> str:
    """A detector's name, or "auto" -> the name; says where "auto" is not YuNet."""
    found = resolve(name)
    if name == "auto" and found != second_look.WEIGHTS:
        warn(f"the detector is {found}: YuNet, which finds more faces, cannot be used here (see 'mien models list')")
    return found


def _inner(embedder: str) -> bool:
    """Whether an embedder's vectors are the values of an inner layer; raises as `build_spec`."""
    names = embedder.split(models.EMBEDDER_SEPARATOR)
    for name in names:
        EMBEDDERS.load(name)
    inner = [name for name in names if name in models.CARDS and models.get_card(name).layout is not None]
    if len(names) > 1:
        views = {_view(name, "find").name for name in names}
        if inner or len(views) > 1 or len(set(names)) < len(names):
            raise DataError(
                f"--embedder {embedder}: these cannot be joined: name different ones that see a face by one view"
            )
    return bool(inner)


def build_crop_spec(
    size: int, *, grey: bool, detector: str = "auto", faces: str = "find", min_face: int | None = None
) -> PipelineSpec:
    """The pipeline for a network that looks at crops of `size` pixels.

    Raises:
        UnknownName: there is no such detector. DataError: another word without meaning, or a size out of range.
    """
    if not 8 <= size <= 2048:
        raise DataError(f"crops of {size} pixels are not possible: use 8 to 2048")
    return PipelineSpec(
        view=replace(_view(PIXELS, faces), size=size, grey=grey),
        detector=_detector(detector),
        embedder=PIXELS,
        faces="cut" if faces == "cut" else "find",
        min_face=min_face,
        second_look=models.is_available(second_look.WEIGHTS),
    )


def _view(embedder: str, faces: str) -> View:
    """How faces are cut for an embedder, or for a network of one's own, at the size that it wants."""
    if faces not in ("find", "cut"):
        raise DataError(f"--faces {faces}: use 'find' or 'cut'")
    first = embedder.split(models.EMBEDDER_SEPARATOR, maxsplit=1)[0]
    plan = models.get_card(first).input if first in models.CARDS else None
    # dlib's view shows the whole face and some hair, by five points whose weights may be used for anything.
    cut = view(plan.view if plan else "dlib")
    if faces == "cut":
        return replace(view("box"), size=plan.size if plan else cut.size, margin=0.0)
    return cut if plan is None else replace(cut, size=plan.size)
