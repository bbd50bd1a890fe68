"""Photos in, everything that can be seen of their faces out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien import atomic
from mien.curate.quality import SIDE, Quality, quality
from mien.flows.chain import Chain
from mien.flows.drive import Drive
from mien.images import draw, encode, sharper
from mien.stage import Needs
from mien.types import Face, Faces, Origin, PhotoRef, Rejected


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A photo with faces: its size at full scale, and each face with its quality."""

    origin: Origin
    width: int
    height: int
    faces: Sequence[tuple[Face, Quality]]

    @property
    def key(self) -> str:
        return self.origin.uri


def look(refs: Sequence[PhotoRef], chain: Chain, drawings: Path | None, drive: Drive) -> Iterator[Seen | Rejected]:
    """Photos -> what is seen in them; with `drawings`, an annotated copy of each photo with faces goes there.

    Raises:
        WeightsError: weights are missing. DataError: `drawings` cannot be written.
    """
    chain.ready()
    places = {ref.key: f"{i:04d}-{Path(ref.key).stem}.jpg" for i, ref in enumerate(refs)} if drawings else {}
    return drive.run([*chain.detecting(), Describe(drawings, places)], refs, len(refs), "photos")


@dataclass(frozen=True, slots=True)
class Describe:
    """Measures the faces of a photo, and draws them where asked: Faces -> Seen."""

    drawings: Path | None
    places: dict[str, str]
    name: str = "describe"
    batch_size: int = 1
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Faces], /) -> Iterator[Seen]:
        for faces in batch:
            photo = faces.photo
            found = [faces.face(i) for i in range(len(faces))]
            if self.drawings:
                pixels, scale = sharper(photo, 1.0)
                labels = [f"{face.score:.2f}" for face in found]
                drawn = draw(
                    pixels, faces.boxes * scale, None if faces.landmarks is None else faces.landmarks * scale, labels
                )
                atomic.write(self.drawings / self.places[photo.key], encode(drawn, "jpeg"))
            seen = [(face, _measured(faces, face)) for face in found]
            yield Seen(photo.origin, photo.width, photo.height, seen)


def _measured(faces: Faces, face: Face) -> Quality:
    side = round(min(face.box[2] - face.box[0], face.box[3] - face.box[1]))
    pixels, scale = sharper(faces.photo, min(1.0, SIDE / max(side, 1)))
    x1, y1, x2, y2 = (round(value * scale) for value in face.box)
    x1, y1 = max(0, min(x1, pixels.shape[1] - 1)), max(0, min(y1, pixels.shape[0] - 1))
    return quality(pixels[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)], side)
