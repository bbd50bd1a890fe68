"""The fields of requests and answers, as the OpenAPI description tells them; the flows make the answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from mien.serve.settings import Limits
from mien.serve.uploads import MULTIPART, PHOTO, RAW

Box = list[float]


class Rejection(BaseModel):
    """Why there is no result for a photo."""

    stage: str = Field(description="where it went no further")
    reason: str = Field(description="one of a short list, such as no-face or unreadable")
    detail: str = Field(description="more about it, or nothing")


class Quality(BaseModel):
    """How well a face can be seen."""

    side: int = Field(description="pixels of the box's shorter side")
    sharpness: float = Field(description="below about 50 it looks blurred")
    brightness: float = Field(description="0 to 1")
    contrast: float = Field(description="0 to 1")


class Trait(BaseModel):
    """What a face was taken for."""

    label: str = Field(description="the likeliest one, or uncertain")
    score: float = Field(description="its probability")
    scores: dict[str, float] = Field(description="the probabilities of all labels")


class Match(BaseModel):
    """Somebody who is enrolled."""

    id: int = Field(description="a number that never comes to mean somebody else")
    name: str = Field(description="who it is")
    distance: float = Field(description="between the face and the person's template")


class Face(BaseModel):
    """Where a face is."""

    box: Box = Field(description="x1, y1, x2, y2 in pixels of the upright photo")
    score: float = Field(description="how sure the detector is")


class SeenFace(Face):
    """What is seen of a face."""

    landmarks: list[list[float]] | None = Field(description="five points, or null")
    quality: Quality = Field(description="how well it can be seen")
    traits: dict[str, Trait] = Field(description="by name")
    person: Match | None = Field(description="who it is, or null")


class Line(BaseModel):
    """An answer for a photo or a face."""

    image: str = Field(description="the name that the photo was sent with")


class Refused(Line):
    """A photo without a result."""

    rejected: Rejection = Field(description="why")


class Seen(Line):
    """A photo with faces."""

    width: int = Field(description="in pixels, upright")
    height: int = Field(description="in pixels, upright")
    detector: str = Field(description="which one it was")
    faces: list[SeenFace] = Field(description="the main face first")


class Score(BaseModel):
    """A label and its probability."""

    label: str = Field(description="of the bundle's labels")
    score: float = Field(description="its probability")


class Classified(Line):
    """A face with its label."""

    face: Face = Field(description="which one")
    label: str = Field(description="the best one, unknown or uncertain")
    top: list[Score] = Field(description="the best labels")


class Identified(Line):
    """A face with its name."""

    face: Face = Field(description="which one")
    label: str = Field(description="the name, or unknown")
    person: Match | None = Field(description="who it is, or null")
    rival: Match | None = Field(description="somebody else whom it might as well be, or null")
    threshold: float | None = Field(description="the largest distance of somebody")


class Looked(BaseModel):
    """An answer for each photo."""

    results: list[Seen | Refused] = Field(description="in the order of the photos")
    seconds: float = Field(description="how long it took")


class ClassifiedAll(BaseModel):
    """An answer for each face."""

    results: list[Classified | Refused] = Field(description="in the order of the photos")
    seconds: float = Field(description="how long it took")


class IdentifiedAll(BaseModel):
    """An answer for each face."""

    results: list[Identified | Refused] = Field(description="in the order of the photos")
    seconds: float = Field(description="how long it took")


class Verified(BaseModel):
    """Whether two photos show one person."""

    distance: float = Field(description="between the vectors of the two main faces")
    threshold: float = Field(description="the largest of one person")
    same: bool = Field(description="whether it lies below")
    detector: str = Field(description="which one it was")
    embedder: str = Field(description="which one it was")


class Person(BaseModel):
    """Somebody who is enrolled."""

    id: int = Field(description="a number that never comes to mean somebody else")
    name: str = Field(description="who it is")
    photos: int = Field(description="how many there are of them")
    created: str = Field(description="when they were first enrolled, in UTC")
    consent: str | None = Field(description="what was noted about it, or null")
    close: list[Match] = Field(description="people who cannot be told apart from them")


class Everybody(BaseModel):
    """Who is enrolled."""

    people: list[Person] = Field(description="by name")
    threshold: float | None = Field(description="the largest distance of somebody, or null")


class NotEnrolled(Line):
    """A photo that was not enrolled."""

    stage: str = Field(description="where it went no further")
    reason: str = Field(description="why")
    detail: str = Field(description="more about it, or nothing")


class Enrolled(BaseModel):
    """What came of enrolling."""

    person: str = Field(description="the name")
    id: int = Field(description="the person's number")
    photos: int = Field(description="how many there are of them now")
    enrolled: int = Field(description="how many of these are new")
    rejected: list[NotEnrolled] = Field(description="photos that were not used, and why")
    close: list[Match] = Field(description="people who cannot be told apart from them")
    detector: str = Field(description="which one it was")
    embedder: str = Field(description="which one it was")


class Receipt(BaseModel):
    """What was removed."""

    person: str = Field(description="the name")
    id: int = Field(description="the person's number")
    photos: int = Field(description="how many there were")
    vectors: int = Field(description="how many were removed")
    cache_entries: int = Field(description="how many went with them")
    sha256: list[str] = Field(description="the checksums of the photos")
    forgotten: str = Field(description="when, in UTC")
    erased: bool = Field(description="whether the files were rewritten, too")


class Bundle(BaseModel):
    """A bundle in use."""

    name: str = Field(description="as in /v1/classify/{bundle}")
    trait: bool = Field(description="whether it comes with mien")
    labels: list[str] = Field(description="all that it tells apart")
    recipe: str = Field(description="how it was trained")
    detector: str = Field(description="by which faces are found")
    embedder: str = Field(description="by which they become vectors")
    faces: Literal["find", "cut"] = Field(description="whether faces are looked for, or pictures are faces already")
    created: str = Field(description="when")
    card: bool = Field(description="whether there is a card of it")
    report: bool = Field(description="whether there is a report of it")


class BundleList(BaseModel):
    """What there is to classify by."""

    bundles: list[Bundle] = Field(description="the built-in traits first")


class Correction(BaseModel):
    """A face whose label was put right."""

    id: str = Field(description="by which it can be removed")
    about: str = Field(description="the bundle that was wrong, or person")
    label: str = Field(description="the right one")
    was: str = Field(description="what had been said")
    consent: str = Field(description="how it was agreed that the face is kept")
    created: str = Field(description="when, in UTC")


class Corrections(BaseModel):
    """Every correction, the oldest first."""

    corrections: list[Correction] = Field(description="the oldest first")


class State(BaseModel):
    """How the service is."""

    status: str = Field(description="ok, ready, or starting")


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:mien:problem: and a name for programs")
    title: str = Field(description="what the status means")
    status: int = Field(description="the status")
    detail: str = Field(description="a sentence")


BOX = r"^-?[0-9]{1,6}(\.[0-9]{1,9})?(,-?[0-9]{1,6}(\.[0-9]{1,9})?){3}$"
"""How a box is written in a field."""

_RULES: dict[str, dict[str, Any]] = {"box": {"pattern": BOX}, "largest": {"enum": ["true", "false"]}}
_SOMETHING = {"pattern": r"\S"}


def upload(
    fields: dict[str, str] | None = None, required: tuple[str, ...] = (), photos: int | None = None
) -> dict[str, Any]:
    """The description of a body with photos; raw bytes are one of them, where no field is required.

    photos: exactly so many; from 1 to the limit of a request where None.
    """
    binary = {"type": "string", "format": "binary"}
    most = photos or Limits().photos
    parts: dict[str, Any] = {
        PHOTO: {
            "type": "array",
            "items": binary,
            "minItems": photos or 1,
            "maxItems": most,
            "description": "pictures" if photos is None else "a picture" if photos == 1 else f"{photos} pictures",
        }
    }
    for name, what in (fields or {}).items():
        rule = _RULES.get(name, _SOMETHING if name in required else {})
        parts[name] = {"type": "string", "description": what, **rule}
    form = {"type": "object", "properties": parts, "required": [PHOTO, *required], "additionalProperties": False}
    content: dict[str, Any] = {MULTIPART: {"schema": form}}
    if not required and photos is None:
        content |= {RAW: {"schema": binary}, "image/jpeg": {"schema": binary}, "image/png": {"schema": binary}}
    return {"requestBody": {"required": True, "content": content}}


def limit_photos(described: dict[str, Any], most: int) -> None:
    """Let a description say how many photos of a request this service takes."""
    for methods in described["paths"].values():
        for route in methods.values():
            content = route.get("requestBody", {}).get("content", {})
            photos = content.get(MULTIPART, {}).get("schema", {}).get("properties", {}).get(PHOTO)
            if photos is not None and photos["minItems"] != photos["maxItems"]:
                photos["maxItems"] = most
