"""The fields of requests and responses, for the OpenAPI description; the flows make the responses themselves."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field

from mien.serve.problems import MEDIA_TYPE
from mien.serve.settings import ServiceLimits
from mien.serve.uploads import MULTIPART, PHOTO, RAW

Box = list[float]


class Rejection(BaseModel):
    """Why there is no result for a photo."""

    stage: str = Field(description="the stage that rejected it")
    reason: str = Field(description="one of a short list, such as no-face or unreadable")
    detail: str = Field(description="more about it, or empty")


class Quality(BaseModel):
    """How well a face can be seen."""

    side: int = Field(description="pixels of the box's shorter side")
    sharpness: float = Field(description="below about 50 the face looks blurred")
    brightness: float = Field(description="0 to 1")
    contrast: float = Field(description="0 to 1")


class Trait(BaseModel):
    """What a classifier says of a face."""

    label: str = Field(description="the most likely label, or uncertain")
    score: float = Field(description="its probability")
    scores: dict[str, float] = Field(description="the probabilities of all labels")


class Match(BaseModel):
    """A person whom a face resembles."""

    id: int = Field(description="the id of the person, never used again for somebody else")
    name: str = Field(description="the name")
    distance: float = Field(description="between the face and the template of the person")


class Face(BaseModel):
    """Where a face is."""

    box: Box = Field(description="x1, y1, x2, y2 in pixels of the upright photo")
    score: float = Field(description="the confidence of the detector")


class FaceDetails(Face):
    """What a face looks like and who it is."""

    landmarks: list[list[float]] | None = Field(description="five points, or null")
    quality: Quality = Field(description="how good the picture of it is")
    traits: dict[str, Trait] = Field(description="by name")
    person: Match | None = Field(description="the person, or null")


class PhotoResult(BaseModel):
    """The result for a photo or for a face."""

    image: str = Field(description="the file name of the photo")


class RejectedPhoto(PhotoResult):
    """A photo without a result."""

    rejected: Rejection = Field(description="why")


class PhotoFaces(PhotoResult):
    """A photo with faces."""

    width: int = Field(description="in pixels, upright")
    height: int = Field(description="in pixels, upright")
    turned: Literal[0, 90, 180, 270] = Field(description="degrees clockwise by which it lies on its side")
    detector: str = Field(description="its name")
    faces: list[FaceDetails] = Field(description="the main face first")


class Score(BaseModel):
    """A label and its probability."""

    label: str = Field(description="one of the labels of the bundle")
    score: float = Field(description="its probability")


class ClassifiedFace(PhotoResult):
    """A face with its label."""

    face: Face = Field(description="the face")
    label: str = Field(description="the most likely label, unknown or uncertain")
    top: list[Score] = Field(description="the most likely labels")


class IdentifiedFace(PhotoResult):
    """A face with its name."""

    face: Face = Field(description="the face")
    label: str = Field(description="the name, or unknown")
    person: Match | None = Field(description="the person, or null")
    rival: Match | None = Field(description="another person within the threshold, or null")
    threshold: float | None = Field(description="the largest distance between faces of one person")


class LookResponse(BaseModel):
    """An answer for each photo."""

    results: list[PhotoFaces | RejectedPhoto] = Field(description="in the order of the photos")
    seconds: float = Field(description="time taken")


class ClassifyResponse(BaseModel):
    """An answer for each face."""

    results: list[ClassifiedFace | RejectedPhoto] = Field(description="in the order of the photos")
    seconds: float = Field(description="time taken")


class IdentifyResponse(BaseModel):
    """An answer for each face."""

    results: list[IdentifiedFace | RejectedPhoto] = Field(description="in the order of the photos")
    seconds: float = Field(description="time taken")


class ExplainedFace(Face):
    """A face with its answers."""

    landmarks: list[list[float]] | None = Field(default=None, description="five points, or null")
    label: str | None = Field(default=None, description="the label by the bundle, or null")
    top: list[Score] = Field(default=[], description="the most likely labels of the bundle")
    traits: dict[str, Trait] = Field(default={}, description="by name")
    person: Match | None = Field(default=None, description="the person, or null")


class ExplainedPhoto(PhotoResult):
    """A photo with what was found in it, and what was nearly found."""

    width: int = Field(description="in pixels")
    height: int = Field(description="in pixels")
    detector: str = Field(description="its name; empty for faces already cut")
    turned: int = Field(description="degrees clockwise by which it lies on its side")
    faces: list[ExplainedFace] = Field(description="the main face first; only the first six have answers")
    weak: list[Face] = Field(description="what was too weak for a face")
    rejected: Rejection | None = Field(default=None, description="why there is no face, or null")


class ExplainResponse(BaseModel):
    """The way of a photo to its answer."""

    results: list[ExplainedPhoto | RejectedPhoto] = Field(description="of the photo")
    page: str = Field(description="HTML with the pictures, which loads nothing")
    seconds: float = Field(description="time taken")


class VerifyResponse(BaseModel):
    """Whether two photos show one person."""

    distance: float = Field(description="between the vectors of the two main faces")
    threshold: float = Field(description="the largest distance between faces of one person")
    same: bool = Field(description="whether the distance is below the threshold")
    detector: str = Field(description="its name")
    embedder: str = Field(description="its name")


class Person(BaseModel):
    """Somebody who is enrolled."""

    id: int = Field(description="the id of the person, never used again for somebody else")
    name: str = Field(description="the name")
    photos: int = Field(description="number of photos")
    created: str = Field(description="when the person was enrolled, in UTC")
    consent: str | None = Field(description="the note on consent, or null")
    close: list[Match] = Field(description="people too similar to tell apart")


class PersonList(BaseModel):
    """Who is enrolled."""

    people: list[Person] = Field(description="by name")
    threshold: float | None = Field(description="the largest distance between faces of one person, or null")


class UnusedPhoto(PhotoResult):
    """A photo that was not used."""

    stage: str = Field(description="the stage that rejected it")
    reason: str = Field(description="why")
    detail: str = Field(description="more about it, or empty")


class EnrollResponse(BaseModel):
    """A person and the photos that were added."""

    person: str = Field(description="the name")
    id: int = Field(description="the id of the person")
    photos: int = Field(description="number of photos now")
    enrolled: int = Field(description="number of photos added")
    rejected: list[UnusedPhoto] = Field(description="photos that were not used")
    close: list[Match] = Field(description="people too similar to tell apart")
    detector: str = Field(description="its name")
    embedder: str = Field(description="its name")


class ForgetResponse(BaseModel):
    """The receipt: what was removed."""

    person: str = Field(description="the name")
    id: int = Field(description="the id of the person")
    photos: int = Field(description="number of photos")
    vectors: int = Field(description="number of vectors removed")
    cache_entries: int = Field(description="number of cache entries removed")
    sha256: list[str] = Field(description="checksums of the photos")
    forgotten: str = Field(description="time in UTC")
    erased: bool = Field(description="whether the vectors were erased from the files of the database")


class Bundle(BaseModel):
    """A bundle in use."""

    name: str = Field(description="as in /v1/classify/{bundle}")
    trait: bool = Field(description="whether it comes with mien")
    labels: list[str] = Field(description="all labels")
    recipe: str = Field(description="the training recipe")
    detector: str = Field(description="the detector that finds faces")
    embedder: str = Field(description="the embedder that turns faces into vectors")
    faces: Literal["find", "cut"] = Field(description="find: faces are detected; cut: each picture is a face")
    created: str = Field(description="time in UTC")
    card: bool = Field(description="whether it has a card")
    report: bool = Field(description="whether it has a report")


class BundleList(BaseModel):
    """The bundles."""

    bundles: list[Bundle] = Field(description="the built-in traits first")


class Correction(BaseModel):
    """A face and its correct label."""

    id: str = Field(description="the id of the correction")
    about: str = Field(description="the bundle that was wrong, or person")
    label: str = Field(description="the correct label")
    was: str = Field(description="the label that was wrong")
    consent: str = Field(description="how the person agreed that the face is stored")
    created: str = Field(description="time in UTC")


class CorrectionList(BaseModel):
    """Every correction, the oldest first."""

    corrections: list[Correction] = Field(description="the oldest first")


class Status(BaseModel):
    """The status of the service."""

    status: str = Field(description="ok, ready, or starting")


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:mien:problem: and the name of the problem")
    title: str = Field(description="meaning of the status")
    status: int = Field(description="HTTP status")
    detail: str = Field(description="what happened, in a sentence")


BOX = r"^-?[0-9]{1,6}(\.[0-9]{1,9})?(,-?[0-9]{1,6}(\.[0-9]{1,9})?){3}$"
"""The syntax of a box in a form field."""

_RULES: dict[str, dict[str, Any]] = {"box": {"pattern": BOX}, "largest": {"enum": ["true", "false"]}}
_SOMETHING = {"pattern": r"\S"}


def upload(
    fields: dict[str, str] | None = None, required: tuple[str, ...] = (), photos: int | None = None
) -> dict[str, Any]:
    """The OpenAPI description of a body with photos: raw bytes, too, where no field is required.

    photos: the number required; from 1 to the limit of a request where None.
    """
    binary = {"type": "string", "format": "binary"}
    most = photos or ServiceLimits().photos
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


def describe(app: FastAPI, *, needs_keys: bool, photos: int) -> None:
    """Complete the OpenAPI description of an application. photos: the limit of a request."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = generate()
            if needs_keys:
                description["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            for path, methods in description["paths"].items():
                for operation in methods.values():
                    if needs_keys and path not in ("/healthz", "/readyz"):
                        operation["security"] = [{"key": []}]
                    content = operation.get("requestBody", {}).get("content", {})
                    part = content.get(MULTIPART, {}).get("schema", {}).get("properties", {}).get(PHOTO)
                    if part is not None and part["minItems"] != part["maxItems"]:
                        part["maxItems"] = photos
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


_MEANING = {
    400: "Malformed body",
    401: "A valid key is needed",
    403: "The key's scope does not allow it, or a page of another site asked",
    404: "Not found",
    408: "The body arrived too slowly",
    409: "Impossible with these photos or in the present state: no face, nobody enrolled",
    413: "The body is too large",
    415: "Unsupported media type",
    421: "Without keys the service answers to localhost only",
    422: "Invalid request",
    429: "Too many requests",
    503: "Overloaded, starting or stopping: try again after Retry-After seconds",
}
_ANY = (401, 403, 421, 429, 503)
_BODY = (400, 408, 413, 415, 422)


def errors(*statuses: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route, with those that all routes have. body: whether photos are uploaded."""
    content = {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}}
    all_statuses = sorted({*_ANY, *(_BODY if body else ()), *statuses})
    return {status: {"description": _MEANING[status], "content": content} for status in all_statuses}


def file_response(media_type: str, what: str, *statuses: int, binary: bool = False) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that answers with a file, and its error statuses."""
    schema = {"type": "string", **({"format": "binary"} if binary else {})}
    return {200: {"description": what, "content": {media_type: {"schema": schema}}}, **errors(*statuses)}
