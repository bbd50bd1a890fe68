"""Everything that is said of the faces of photos: quality, traits, and who they are of those who are enrolled."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien import fileio
from mien.curation.features import SIDE, Quality, face_quality
from mien.images import draw, encode, pixels_at_scale, thumbnail
from mien.pipeline.embed_faces import embed_faces
from mien.pipeline.execute import RunOptions, execute
from mien.pipeline.spec import PipelineSpec
from mien.pipeline.traits import NO_TRAITS, Trait, Traits
from mien.stage import AnyStage, Needs
from mien.types import UNCERTAIN, Box, Detection, Faces, Floats, Origin, PhotoRef, Pixels, Rejected

if TYPE_CHECKING:
    from mien.pipeline.identify import FaceNamer, Match

_PICTURE = 640  # pixels on the longer side of a picture for a notebook
_NOT_WORTH_SAYING = ("without_mask", "none", UNCERTAIN)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Face:
    """A face of a photo: where it is, how well it can be seen, its traits by name, and who it is if enrolled."""

    detection: Detection
    quality: Quality
    traits: Mapping[str, Trait]
    person: Match | None = None

    @property
    def box(self) -> Box:
        """x1, y1, x2, y2 in pixels of the photo."""
        return self.detection.box

    @property
    def score(self) -> float:
        """How certain the detector is, 0 to 1."""
        return self.detection.score

    @property
    def landmarks(self) -> Floats | None:
        """(5, 2) in pixels of the photo: right eye, left eye, nose, right and left corner of the mouth."""
        return self.detection.landmarks

    def __repr__(self) -> str:
        return f"<Face {', '.join(self.words()) or 'unremarkable'}, {self.detection!r}>"

    def words(self) -> list[str]:
        """What is worth saying in a few words: who it is, and what the face shows, not what it does not show."""
        names = [] if self.person is None else [self.person.name]
        return names + [trait.label for trait in self.traits.values() if trait.label not in _NOT_WORTH_SAYING]

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien look` prints of a face."""
        return {
            **self.detection.as_json(),
            "landmarks": None if self.landmarks is None else self.landmarks.astype(float).round(1).tolist(),
            "quality": self.quality.as_json(),
            "traits": {name: trait.as_json() for name, trait in self.traits.items()},
            "person": None if self.person is None else self.person.as_json(),
        }

    def _repr_html_(self) -> str:
        """A line for a notebook."""
        box = " ".join(f"{value:.0f}" for value in self.box)
        return f"<p>{escape(', '.join(self.words()) or 'face')} at {box}, score {self.score:.2f}</p>"


@dataclass(frozen=True, slots=True, eq=False)
class PhotoReport:
    """A photo with faces: its size at full scale, and the detector that found them.

    turned: degrees clockwise by which the photo lies on its side, as in `Faces`; boxes are in the photo as it is.
    picture: a JPEG with the faces drawn into it, where that was asked for.
    """

    origin: Origin
    width: int
    height: int
    faces: Sequence[Face]
    detector: str
    picture: bytes | None = field(default=None, repr=False)
    turned: int = 0

    @property
    def key(self) -> str:
        return self.origin.uri

    def as_json(self) -> dict[str, Any]:
        """The line that `mien look` prints for a photo."""
        faces = [face.as_json() for face in self.faces]
        return {
            "image": self.key,
            "width": self.width,
            "height": self.height,
            "turned": self.turned,
            "detector": self.detector,
            "faces": faces,
        }

    def _repr_html_(self) -> str:
        """The photo with its faces, for a notebook."""
        picture = f'<img src="data:image/jpeg;base64,{b64encode(self.picture).decode()}">' if self.picture else ""
        return f"<div>{picture}{''.join(face._repr_html_() for face in self.faces)}</div>"


@dataclass(frozen=True, slots=True)
class FaceAnnotator:
    """PhotoRef -> PhotoReport: `spec` finds every face of a photo, `traits` and `namer` say what there is to say."""

    spec: PipelineSpec
    traits: Traits = NO_TRAITS
    namer: FaceNamer | None = None

    def reports(
        self, refs: Sequence[PhotoRef], run: RunOptions, drawings: Path | None = None, *, pictures: bool = False
    ) -> Iterator[PhotoReport | Rejected]:
        """Photos -> what can be seen in them; with `drawings`, an annotated copy of each photo with faces goes there.

        pictures: whether reports hold a small annotated copy, too.

        Raises:
            WeightsError: weights are missing. DataError: `drawings` cannot be written.
        """
        self.spec.ready()
        names = {ref.key: f"{i:04d}-{Path(ref.key).stem}.jpg" for i, ref in enumerate(refs)} if drawings else {}
        stages: list[AnyStage] = [*self.spec.detect_stages(run.max_faces), Annotate(self, drawings, names, pictures)]
        return execute(stages, refs, len(refs), "photos", run)

    def describe(self, faces: Sequence[Faces]) -> list[list[Face]]:
        """Photos -> for each, everything that is said of its faces; every network runs once over all of them.

        Raises:
            ImageError: a photo can no longer be read at the size that is wanted.
        """
        own = () if self.namer is None else (self.namer.embedder,)
        embedders = (*self.traits.embedders, *own)
        vectors = embed_faces(faces, embedders)[0] if embedders else []
        traits = self.traits.from_vectors(faces, vectors[: len(self.traits.embedders)])
        people = None if self.namer is None else self.namer.names(faces, vectors[-1])
        described = []
        for i, photo in enumerate(faces):
            columns = zip(measure_quality(photo), traits[i], people[i] if people else [None] * len(photo), strict=True)
            described.append([Face(photo.face(j), *column) for j, column in enumerate(columns)])
        return described


@dataclass(frozen=True, slots=True)
class Annotate:
    """Says everything that there is to say of the faces of photos, and draws it where asked: Faces -> PhotoReport."""

    annotator: FaceAnnotator
    drawings: Path | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    pictures: bool = False
    name: str = "describe"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[PhotoReport]:
        for faces, described in zip(batch, self.annotator.describe(batch), strict=True):
            photo, drawn = faces.photo, None
            if self.drawings or self.pictures:
                drawn = draw_faces(faces, described)
            if self.drawings and drawn is not None:
                fileio.write(self.drawings / self.names[photo.key], encode(drawn, "jpeg"))
            picture = thumbnail(drawn, _PICTURE) if self.pictures and drawn is not None else None
            detector = self.annotator.spec.detector
            yield PhotoReport(photo.origin, photo.width, photo.height, described, detector, picture, faces.turned)


def draw_faces(faces: Faces, described: Sequence[Face]) -> Pixels:
    """A photo at full size with boxes, landmarks, scores and a few words at each face."""
    pixels, scale = pixels_at_scale(faces.photo, 1.0)
    scores = [f"{face.score:.2f}" for face in described]
    landmarks = None if faces.landmarks is None else faces.landmarks * scale
    return draw(pixels, faces.boxes * scale, landmarks, scores, [face.words() for face in described])


def measure_quality(faces: Faces) -> list[Quality]:
    """Faces of a photo -> how well each can be seen.

    Raises:
        ImageError: more pixels are wanted than were decoded, and the photo can no longer be read.
    """
    photo, detections = faces.photo, [faces.face(i) for i in range(len(faces))]
    wanted = [min(1.0, SIDE / max(_side(face), 1)) for face in detections]
    # One finer picture serves all faces that want one; the others have pixels enough as it is.
    finer = pixels_at_scale(photo, max(wanted, default=0.0))
    sources = [(photo.pixels, photo.scale) if photo.scale >= scale else finer for scale in wanted]
    return [
        face_quality(pixels_inside(*source, face), _side(face))
        for face, source in zip(detections, sources, strict=True)
    ]


def pixels_inside(pixels: Pixels, scale: float, face: Detection) -> Pixels:
    """A photo at some scale (h, w, 3) -> what of it lies in the face's box, one pixel at least."""
    x1, y1, x2, y2 = (round(value * scale) for value in face.box)
    x1, y1 = max(0, min(x1, pixels.shape[1] - 1)), max(0, min(y1, pixels.shape[0] - 1))
    return pixels[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


def _side(face: Detection) -> int:
    return round(min(face.box[2] - face.box[0], face.box[3] - face.box[1]))
