"""The values that flow from photo to prediction; knows nothing of files, models or stages.

Every value is frozen and carries its `Origin` from first to last, so that evaluating and sorting never look back.
Arrays inside them are read, never written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""An image: (height, width, 3) RGB or (height, width) grey, uint8, upright."""

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]
Box: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright photo at full size; x2 and y2 lie outside."""


class Reason(StrEnum):
    """Why an item went no further; the whole list, so that ledgers can be counted."""

    MISSING = "missing"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    NO_FACE = "no-face"
    SEVERAL_FACES = "several-faces"
    ENROLLED = "enrolled-before"
    ERROR = "error"

    @property
    def meaning(self) -> str:
        """What a person should know about it, for the table at the end of a run."""
        return _MEANINGS[self]


_MEANINGS = {
    Reason.MISSING: "the file is not there",
    Reason.EMPTY: "the file has no bytes",
    Reason.UNREADABLE: "not a picture, or a broken one",
    Reason.TOO_LARGE: "more pixels than the limit; raise MIEN_MAX_MEGAPIXELS if you trust it",
    Reason.NO_FACE: "no face was found",
    Reason.SEVERAL_FACES: "several faces, and which of them is meant cannot be told; --largest takes the main one",
    Reason.ENROLLED: "somebody was enrolled with this photo before",
    Reason.ERROR: "something unforeseen; the detail says what",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from and what is known of it.

    `uri` is unique in a run and is the item's key. `group` names what must stay on one side of a split (a person, a
    burst of photos), where the data says so.
    """

    uri: str
    label: str | None = None
    split: str | None = None
    licence: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class PhotoRef:
    """A photo that has not been read: a path on disk, its encoded bytes, or pixels (h, w, 3) that are in memory."""

    origin: Origin
    path: Path | None = None
    data: bytes | None = None
    pixels: Pixels | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        return self.origin.uri


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photo. `pixels` may be smaller than the photo by `scale` (pixels = photo * scale, 0 < scale <= 1).

    `data` keeps the encoded bytes where `scale` < 1, so that a crop can be cut from more pixels.
    """

    origin: Origin
    pixels: Pixels
    width: int
    height: int
    scale: float = 1.0
    data: bytes | None = None

    @property
    def key(self) -> str:
        return self.origin.uri


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Detection:
    """One face of a photo: box and landmarks in pixels of the full-size photo.

    `landmarks` is (5, 2): right eye, left eye, nose, right and left corner of the mouth, as the person would say them,
    so that the first eye is the one on the left of the picture. `turned` is that of the photo, see `Faces`.
    """

    index: int
    box: Box
    score: float
    landmarks: Floats | None = None
    turned: int = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at ({', '.join(f'{value:.0f}' for value in self.box)}), score {self.score:.2f}>"

    def as_json(self) -> dict[str, Any]:
        """The fields that say which face is meant."""
        return {"box": [round(value, 1) for value in self.box], "score": round(self.score, 4)}


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The faces of one photo in columns: `boxes` (n, 4), `scores` (n,), `landmarks` (n, 5, 2) or None, float32.

    turned: degrees clockwise, 0, 90, 180 or 270, by which the photo lies on its side: turned back by them, its faces
    are upright. Boxes and landmarks are in the photo as it is.
    """

    photo: Photo
    boxes: Floats
    scores: Floats
    landmarks: Floats | None = None
    turned: int = 0

    def __post_init__(self) -> None:
        n = len(self.boxes)
        if self.boxes.shape != (n, 4) or self.scores.shape != (n,):
            raise ValueError(f"boxes {self.boxes.shape} and scores {self.scores.shape} do not belong together")
        if self.landmarks is not None and self.landmarks.shape != (n, 5, 2):
            raise ValueError(f"landmarks must be ({n}, 5, 2), not {self.landmarks.shape}")

    @property
    def key(self) -> str:
        return self.photo.key

    @property
    def origin(self) -> Origin:
        return self.photo.origin

    def __len__(self) -> int:
        return len(self.boxes)

    def face(self, i: int) -> Detection:
        """The i-th face by itself."""
        x1, y1, x2, y2 = (float(v) for v in self.boxes[i])
        landmarks = None if self.landmarks is None else self.landmarks[i]
        return Detection(i, (x1, y1, x2, y2), float(self.scores[i]), landmarks, self.turned)


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A face cut out by a view: `pixels` (size, size, 3) RGB or (size, size) grey."""

    origin: Origin
    face: Detection
    pixels: Pixels

    @property
    def key(self) -> str:
        return self.origin.uri


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A face as numbers: `vector` (d,) float32."""

    origin: Origin
    face: Detection
    vector: Floats

    @property
    def key(self) -> str:
        return self.origin.uri


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Prediction:
    """What a face was taken for: `top` holds (label, probability), best first, of the ten best labels at most.

    It is empty where nothing is to be said.
    `label` is the best one, or `UNKNOWN` where `familiarity` lies below the bundle's threshold, or `UNCERTAIN` where
    the best one's probability is too low for an answer.
    """

    origin: Origin
    face: Detection
    label: str
    top: tuple[tuple[str, float], ...]
    familiarity: float

    @property
    def key(self) -> str:
        return self.origin.uri

    @property
    def score(self) -> float:
        """The probability of the best label; 0 where nothing is said."""
        return self.top[0][1] if self.top else 0.0

    def __repr__(self) -> str:
        return f"<Prediction {self.label!r}, best {dict(self.top[:1])}, {self.key}, {self.face!r}>"

    def as_json(self, top: int = 3) -> dict[str, Any]:
        """The fields that `mien classify` prints, with so many labels at most."""
        best = [{"label": label, "score": round(score, 4)} for label, score in self.top[:top]]
        return {"image": self.key, "face": self.face.as_json(), "label": self.label, "top": best}


UNKNOWN = "unknown"
UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that went no further: which, at which stage, and why."""

    origin: Origin
    stage: str
    reason: Reason
    detail: str = ""

    @property
    def key(self) -> str:
        return self.origin.uri

    def as_json(self) -> dict[str, Any]:
        """The fields that say why, of a rejected item."""
        return {"stage": self.stage, "reason": str(self.reason), "detail": self.detail}

    def line(self) -> dict[str, Any]:
        """The line that every verb prints for a photo without a result."""
        return {"image": self.key, "rejected": self.as_json()}

    def text(self) -> str:
        """The same for a person."""
        return f"{self.key}: {self.reason}" + (f" ({self.detail})" if self.detail else "")
