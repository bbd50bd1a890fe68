"""Routes for people who are enrolled: who they are, enrolling, and forgetting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse

from mien.errors import DataError
from mien.flows.gallery import Enrollment, NoUsablePhoto, Person, enroll_photos, forget_person, list_people
from mien.gallery.records import IncompatibleVectors, InvalidName
from mien.pipeline.execute import RunOptions
from mien.serve import schema
from mien.serve.problems import Problem
from mien.serve.routes import Admin, Enroller, Placed, problems
from mien.serve.service import Service
from mien.serve.uploads import Form, Upload, form
from mien.types import Origin, PhotoRef

if TYPE_CHECKING:
    from mien.gallery.gallery import Gallery
    from mien.gallery.records import PersonRecord
    from mien.pipeline.identify import Identifier

router = APIRouter(prefix="/v1/people", tags=["people"])

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
_SAID = {
    "consent": "a note on how the person agreed",
    "largest": "true: of several faces in a photo, take the main one",
}
_DRIVE = RunOptions(workers=1, keep_going=True, cache=False)  # what is not kept unless asked is not remembered either


@router.get("", response_model=schema.Everybody, responses=problems())
async def people(caller: Enroller, service: Placed) -> JSONResponse:
    """Everybody who is enrolled, and who cannot be told apart."""

    def work() -> dict[str, Any]:
        held = service.people.held()
        if held is None:
            return {"people": [], "threshold": None}
        found = list_people(*held)
        threshold = None if found.threshold is None else round(found.threshold.distance, 4)
        return {"people": [each.as_json() for each in found], "threshold": threshold}

    answer = await service.call(work)
    service.audit.write("people", **caller.as_json())
    return JSONResponse(answer)


@router.post(
    "",
    status_code=201,
    response_model=schema.Enrolled,
    responses=problems(409, body=True),
    openapi_extra=schema.upload({"name": "who it is", **_SAID}, ("name",)),
)
async def add(request: Request, caller: Enroller, service: Placed) -> JSONResponse:
    """Enrol somebody with photos, or add photos to whoever has that name."""
    sent = await form(request, service.config.limits, ("name", *_SAID))
    if not sent.fields.get("name", "").strip():
        raise Problem(422, "invalid", "say who it is in the field 'name'")
    answer = await service.call(_enrolling(service, sent.fields["name"], sent))
    service.audit.write("enrol", person=answer["id"], photos=answer["enrolled"], **caller.as_json())
    return JSONResponse(answer, 201, {"Location": f"/v1/people/{answer['id']}"})


@router.get("/{id}", response_model=schema.Person, responses=problems(404, 422))
async def person(id: Id, caller: Enroller, service: Placed) -> JSONResponse:
    """Somebody who is enrolled."""

    def work() -> dict[str, Any]:
        _, identifier, known = _find(service, id)
        return Person(known, identifier.too_close([known.id]).get(known.id, [])).as_json()

    answer = await service.call(work)
    service.audit.write("person", person=id, **caller.as_json())
    return JSONResponse(answer)


@router.post(
    "/{id}/photos",
    response_model=schema.Enrolled,
    responses=problems(404, 409, body=True),
    openapi_extra=schema.upload(_SAID),
)
async def photos(request: Request, id: Id, caller: Enroller, service: Placed) -> JSONResponse:
    """More photos of somebody."""
    sent = await form(request, service.config.limits, _SAID)

    def work() -> dict[str, Any]:
        _, _, known = _find(service, id)
        return _enrolling(service, known.name, sent)()

    answer = await service.call(work)
    service.audit.write("enrol", person=answer["id"], photos=answer["enrolled"], **caller.as_json())
    return JSONResponse(answer)


@router.delete("/{id}", response_model=schema.Receipt, responses=problems(404, 422))
async def remove(id: Id, caller: Admin, service: Placed) -> JSONResponse:
    """Forget somebody: the name, the vectors, and what was remembered of the photos; there is no undo."""

    def work() -> dict[str, Any]:
        gallery, _, known = _find(service, id)
        try:
            return forget_person(known.name, gallery).as_json()
        except DataError as error:
            # A database that fails is no fault of the request.
            raise error if error.__cause__ else Problem(404, "no-such-person", str(error)) from error

    answer = await service.call(work)
    service.audit.write("forget", person=id, photos=answer["photos"], **caller.as_json())
    return JSONResponse(answer)


def _enrolling(service: Service, name: str, sent: Form) -> Callable[[], dict[str, Any]]:
    largest = sent.fields.get("largest", "false").lower()
    if largest not in ("true", "false"):
        raise Problem(422, "invalid", "say true or false in the field 'largest'")
    wish = Enrollment(name, sent.fields.get("consent") or None, largest == "true")

    def work() -> dict[str, Any]:
        gallery, identifier, way = service.people.spec()
        try:
            return enroll_photos(wish, _refs(sent.photos), gallery, way, _DRIVE, identifier).as_json()
        except NoUsablePhoto as error:
            rejected = [{"image": item.key, **item.as_json()} for item in error.rejected]
            raise Problem(409, "no-usable-photo", str(error), rejected=rejected) from error
        except InvalidName as error:
            raise Problem(409, "no-name", str(error)) from error
        except IncompatibleVectors as error:
            raise Problem(409, "other-vectors", str(error)) from error

    return work


def _refs(photos: Sequence[Upload]) -> list[PhotoRef]:
    """Photos by their own names, the second of a name with its number."""
    names = [photo.name for photo in photos]
    keys = [name if name not in names[:i] else f"{name} ({i + 1})" for i, name in enumerate(names)]
    return [PhotoRef(Origin(key), data=photo.data) for key, photo in zip(keys, photos, strict=True)]


def _find(service: Service, id: int) -> tuple[Gallery, Identifier, PersonRecord]:
    held = service.people.held()
    found = held[0].people([id]) if held else []
    if held is None or not found:
        raise Problem(404, "no-such-person", "there is nobody of that number")
    return *held, found[0]
