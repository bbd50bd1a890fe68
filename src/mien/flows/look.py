"""Photos in, everything that can be seen of their faces out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien import fileio
from mien.curate.features import Quality
from mien.images import draw, encode, pixels_at_scale
from mien.pipeline.embed_faces import embed_faces
from mien.pipeline.execute import RunOptions
from mien.pipeline.face_quality import measure_quality
from mien.pipeline.spec import PipelineSpec
from mien.pipeline.traits import NO_TRAITS, Trait, Traits
from mien.stage import Needs
from mien.types import UNCERTAIN, Detection, Faces, Origin, PhotoRef, Pixels, Rejected

if TYPE_CHECKING:
    from mien.flows.identify import Match
    from mien.flows.naming import Naming


_ABSENT = ("without_mask", "none")


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face, how good its picture is, its traits by name, and who it is, of those who are enrolled."""

    face: Detection
    quality: Quality
    traits: Mapping[str, Trait]
    person: Match | None = None

    def words(self) -> list[str]:
        """What is worth saying in a few words: who it is, and what a face shows, not what it does not show."""
        names = [] if self.person is None else [self.person.name]
        return names + [trait.label for trait in self.traits.values() if trait.label not in (*_ABSENT, UNCERTAIN)]

    def as_json(self) -> dict[str, Any]:
        """The fields that `mien look` prints of a face."""
        landmarks = self.face.landmarks
        return {
            **self.face.as_json(),
            "landmarks": None if landmarks is None else landmarks.astype(float).round(1).tolist(),
            "quality": self.quality.as_json(),
            "traits": {name: trait.as_json() for name, trait in self.traits.items()},
            "person": None if self.person is None else self.person.as_json(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class PhotoReport:
    """A photo with faces, and its size at full scale."""

    origin: Origin
    width: int
    height: int
    faces: Sequence[Face]

    @property
    def key(self) -> str:
        return self.origin.uri

    def as_json(self, detector: str) -> dict[str, Any]:
        """The line that `mien look` prints for a photo."""
        faces = [each.as_json() for each in self.faces]
        return {"image": self.key, "width": self.width, "height": self.height, "detector": detector, "faces": faces}


@dataclass(frozen=True, slots=True)
class FaceAnnotator:
    """What is to be said of faces besides where they are: traits, and who they are where a gallery is at hand."""

    traits: Traits = NO_TRAITS
    naming: Naming | None = None

    def __call__(self, batch: Sequence[Faces], /) -> list[list[tuple[dict[str, Trait], Match | None]]]:
        """Photos -> for each, for each face, its traits and its name; every network runs once over all faces."""
        own = () if self.naming is None else (self.naming.way,)
        ways = (*self.traits.ways, *own)
        made = embed_faces(batch, ways)[0] if ways else []
        traits = self.traits.tell(batch, made[: len(self.traits.ways)])
        if self.naming is None:
            return [[(each, None) for each in row] for row in traits]
        names = self.naming.tell(batch, made[-1])
        return [list(zip(row, named, strict=True)) for row, named in zip(traits, names, strict=True)]


def look(
    refs: Sequence[PhotoRef],
    spec: PipelineSpec,
    drawings: Path | None,
    drive: RunOptions,
    told: FaceAnnotator | None = None,
) -> Iterator[PhotoReport | Rejected]:
    """Photos -> what is seen in them; with `drawings`, an annotated copy of each photo with faces goes there.

    Raises:
        WeightsError: weights are missing. DataError: `drawings` cannot be written.
    """
    spec.ready()
    places = {ref.key: f"{i:04d}-{Path(ref.key).stem}.jpg" for i, ref in enumerate(refs)} if drawings else {}
    return drive.run(
        [*spec.detecting(), Annotate(drawings, places, told or FaceAnnotator())], refs, len(refs), "photos"
    )


@dataclass(frozen=True, slots=True)
class Annotate:
    """Measures the faces of photos, says what is told of them, and draws them where asked: Faces -> Seen."""

    drawings: Path | None
    places: dict[str, str]
    told: FaceAnnotator = field(default_factory=FaceAnnotator)
    name: str = "describe"
    batch_size: int = 8
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[PhotoReport]:
        for faces, told in zip(batch, self.told(batch), strict=True):
            photo = faces.photo
            found = [faces.face(i) for i in range(len(faces))]
            columns = zip(found, measure_quality(faces), told, strict=True)
            seen = [Face(face, good, *said) for face, good, said in columns]
            if self.drawings:
                fileio.write(self.drawings / self.places[photo.key], encode(_drawn(faces, seen), "jpeg"))
            yield PhotoReport(photo.origin, photo.width, photo.height, seen)


def _drawn(faces: Faces, seen: Sequence[Face]) -> Pixels:
    pixels, scale = pixels_at_scale(faces.photo, 1.0)
    labels = [f"{each.face.score:.2f}" for each in seen]
    landmarks = None if faces.landmarks is None else faces.landmarks * scale
    return draw(pixels, faces.boxes * scale, landmarks, labels, [each.words() for each in seen])
