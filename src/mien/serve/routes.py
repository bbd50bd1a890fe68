"""The routes of the REST API: each parses a request, asks the service, and answers with JSON or raises a `Problem`."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from mien.config import settings
from mien.errors import DataError
from mien.gallery.records import InvalidName, normalize_name
from mien.serve import metrics, schemas
from mien.serve.auth import Caller, Scope, require
from mien.serve.corrections import Correction, cut_face
from mien.serve.problems import Problem, busy
from mien.serve.schemas import errors, file_response, upload
from mien.serve.state import Service
from mien.serve.uploads import UploadForm, read_form
from mien.store.bundle import CARD, REPORT
from mien.types import Box

router = APIRouter()
faces = APIRouter(prefix="/v1", tags=["faces"])
people = APIRouter(prefix="/v1/people", tags=["people"])
corrections = APIRouter(prefix="/v1/corrections", tags=["corrections"])
bundles = APIRouter(prefix="/v1/bundles", tags=["bundles"])
operation = APIRouter(tags=["operation"])

PERSON, EXPORT = "person", "export"
ENROLLMENT_FIELDS = {
    "consent": "a note on how the person agreed",
    "largest": "true: if a photo shows several faces, use the main one",
}
CORRECTION_FIELDS = {
    "about": "the bundle that was wrong, or person",
    "label": "the correct label",
    "box": "x1,y1,x2,y2 of the face, as in the response",
    "consent": "how the person agreed that this face is stored",
    "was": "the label that was wrong",
}
_REQUIRED = ("about", "label", "box", "consent")
_PARQUET = "application/vnd.apache.parquet"
REPORT_HEADERS = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
}
"""A report comes from whoever made the bundle: it runs no script, loads and sends nothing, and has no origin with which
to use the service. Its styles and small pictures are inline."""


async def ready_service(request: Request) -> AsyncIterator[Service]:
    """The service, with a place in it while the request is in progress."""
    service: Service = request.app.state.service
    async with service.place():
        yield service


ReadyService = Annotated[Service, Depends(ready_service)]
Reader = Annotated[Caller, Depends(require(Scope.READ))]
Enroller = Annotated[Caller, Depends(require(Scope.ENROL))]
Admin = Annotated[Caller, Depends(require(Scope.ADMIN))]
PersonId = Annotated[int, Path(ge=1, le=2**63 - 1)]
CorrectionId = Annotated[str, Path(min_length=1, max_length=64)]


@faces.post("/look", response_model=schemas.LookResponse, responses=errors(body=True), openapi_extra=upload())
async def look(request: Request, caller: Reader, service: ReadyService) -> JSONResponse:
    """Every face of photos: box, landmarks, quality, traits, and the person if enrolled."""
    start = time.perf_counter()
    form = await read_form(request, service.config.limits)
    return _timed(await service.look(form.photos, caller), start)


@faces.post(
    "/classify/{bundle}",
    response_model=schemas.ClassifyResponse,
    responses=errors(404, body=True),
    openapi_extra=upload(),
)
async def classify(
    request: Request, bundle: str, caller: Reader, service: ReadyService, top: Annotated[int, Query(ge=1, le=10)] = 3
) -> JSONResponse:
    """The label of every face, by a bundle: a built-in trait or one of the folder that is served."""
    start = time.perf_counter()
    service.bundles.get(bundle)  # before the photos are read
    form = await read_form(request, service.config.limits)
    return _timed(await service.classify(bundle, form.photos, top, caller), start)


@faces.post(
    "/explain",
    response_model=schemas.ExplainResponse,
    responses=errors(404, body=True),
    openapi_extra=upload({"bundle": "whose answer to explain, in place of the traits"}, photos=1),
)
async def explain(request: Request, caller: Reader, service: ReadyService) -> JSONResponse:
    """The way of a photo to its answer, and what in the face that hangs on: as fields, and as a page with pictures."""
    start = time.perf_counter()
    form = await read_form(request, service.config.limits, ("bundle",), photos=1)
    found = await service.explain(form.photos[0], form.fields.get("bundle", ""), caller)
    lines, page = found.as_json(), await service.call(found.html)
    return JSONResponse({"results": lines, "page": page, "seconds": round(time.perf_counter() - start, 4)})


@faces.post(
    "/verify", response_model=schemas.VerifyResponse, responses=errors(409, body=True), openapi_extra=upload(photos=2)
)
async def verify(
    request: Request,
    caller: Reader,
    service: ReadyService,
    threshold: Annotated[float | None, Query(gt=0, le=100, allow_inf_nan=False)] = None,
) -> JSONResponse:
    """Whether the main faces of two photos are the same person."""
    form = await read_form(request, service.config.limits, photos=2)
    return JSONResponse(await service.verify(form.photos, threshold, caller))


@faces.post(
    "/identify", response_model=schemas.IdentifyResponse, responses=errors(409, body=True), openapi_extra=upload()
)
async def identify(request: Request, caller: Reader, service: ReadyService) -> JSONResponse:
    """Who every face is: an enrolled person, or unknown."""
    start = time.perf_counter()
    form = await read_form(request, service.config.limits)
    return _timed(await service.identify(form.photos, caller), start)


def _timed(results: list[dict[str, Any]], start: float) -> JSONResponse:
    return JSONResponse({"results": results, "seconds": round(time.perf_counter() - start, 4)})


@people.get("", operation_id="people_v1_people_get", response_model=schemas.PersonList, responses=errors())
async def get_people(caller: Enroller, service: ReadyService) -> JSONResponse:
    """Everybody who is enrolled, and who is too similar to tell apart."""
    return JSONResponse(await list_people(service, caller))


@people.post(
    "",
    status_code=201,
    response_model=schemas.EnrollResponse,
    responses=errors(409, body=True),
    openapi_extra=upload({"name": "the name", **ENROLLMENT_FIELDS}, ("name",)),
)
async def add(request: Request, caller: Enroller, service: ReadyService) -> JSONResponse:
    """Enroll somebody with photos, or add photos to the person of that name."""
    form = await read_form(request, service.config.limits, ("name", *ENROLLMENT_FIELDS))
    person = await enroll(service, caller, form)
    return JSONResponse(person, 201, {"Location": f"/v1/people/{person['id']}"})


@people.get("/{id}", response_model=schemas.Person, responses=errors(404, 422))
async def person(id: PersonId, caller: Enroller, service: ReadyService) -> JSONResponse:
    """One person."""
    fields = await service.call(lambda: service.people.get(id))
    service.audit.write("person", person=id, **caller.as_json())
    return JSONResponse(fields)


@people.post(
    "/{id}/photos",
    response_model=schemas.EnrollResponse,
    responses=errors(404, 409, body=True),
    openapi_extra=upload(ENROLLMENT_FIELDS),
)
async def photos(request: Request, id: PersonId, caller: Enroller, service: ReadyService) -> JSONResponse:
    """Add photos to a person."""
    form = await read_form(request, service.config.limits, ENROLLMENT_FIELDS)
    return JSONResponse(await enroll(service, caller, form, id))


@people.delete("/{id}", response_model=schemas.ForgetResponse, responses=errors(404, 422))
async def remove(id: PersonId, caller: Admin, service: ReadyService) -> JSONResponse:
    """Forget somebody: the name, the vectors, and the cached results of the photos. There is no undo."""
    return JSONResponse(await forget(service, caller, id))


@corrections.post(
    "",
    operation_id="add_v1_corrections_post",
    status_code=201,
    response_model=schemas.Correction,
    responses=errors(404, 409, body=True),
    openapi_extra=upload(CORRECTION_FIELDS, _REQUIRED, photos=1),
)
async def add_correction(request: Request, caller: Enroller, service: ReadyService) -> JSONResponse:
    """Correct the label of a face. The face is stored, and nothing else of the photo."""
    form = await read_form(request, service.config.limits, CORRECTION_FIELDS, photos=1)
    return JSONResponse((await correct(service, caller, form)).as_json(), 201)


@corrections.get(
    "", operation_id="corrections_v1_corrections_get", response_model=schemas.CorrectionList, responses=errors()
)
async def get_corrections(caller: Admin, service: ReadyService) -> JSONResponse:
    """Every correction, the oldest first. Their faces are in the exports."""
    return JSONResponse({"corrections": [item.as_json() for item in await list_corrections(service, caller)]})


@corrections.get(
    f"/{EXPORT}",
    response_class=Response,
    responses=file_response(_PARQUET, "Parquet: image and label", 404, 422, binary=True),
)
async def export(
    caller: Admin, service: ReadyService, about: Annotated[str, Query(min_length=1, max_length=200)]
) -> Response:
    """The corrections of a bundle as a data set that `mien train` reads."""
    if not await service.call(lambda: service.corrections.all(about)):
        raise Problem(404, "no-corrections", "There are no corrections of this bundle")
    data = await service.call(lambda: service.corrections.export(about))
    service.audit.write("export", **caller.as_json())
    name = f"filename*=UTF-8''corrections-{quote(about, safe='')}.parquet"
    return Response(data, headers={"Content-Disposition": f"attachment; {name}"}, media_type=_PARQUET)


@corrections.delete(
    "/{id}",
    operation_id="remove_v1_corrections__id__delete",
    status_code=204,
    response_class=Response,
    responses=errors(404, 422),
)
async def delete_correction(id: CorrectionId, caller: Admin, service: ReadyService) -> Response:
    """Remove a correction and its face."""
    if id == EXPORT:
        raise Problem(405, "method-not-allowed", "This is not a correction", {"Allow": "GET"})
    await remove_correction(service, caller, id)
    return Response(status_code=204)


@bundles.get("", operation_id="bundles_v1_bundles_get", response_model=schemas.BundleList, responses=errors())
async def get_bundles(_: Reader, service: ReadyService) -> JSONResponse:
    """All bundles: the built-in traits, and those of the folder that is served."""
    return JSONResponse({"bundles": await service.call(lambda: [item.as_json() for item in service.bundles.all()])})


@bundles.get("/{bundle}/card", response_class=Response, responses=file_response("text/markdown", "the card", 404, 422))
async def card(bundle: str, _: Reader, service: ReadyService) -> Response:
    """The card of a bundle: what it was trained on, what it is not for, and where it fails."""
    return Response(await service.call(lambda: service.bundles.page(bundle, CARD)), media_type="text/markdown")


@bundles.get("/{bundle}/report", response_class=Response, responses=file_response("text/html", "the report", 404, 422))
async def report(bundle: str, _: Reader, service: ReadyService) -> Response:
    """The report of a bundle: what was measured when it was trained, as a page that runs no script."""
    data = await service.call(lambda: service.bundles.page(bundle, REPORT))
    return Response(data, headers=REPORT_HEADERS, media_type="text/html")


@operation.get("/healthz", response_model=schemas.Status, responses=errors())
async def healthz() -> JSONResponse:
    """Whether the process is alive."""
    return JSONResponse({"status": "ok"})


@operation.get("/readyz", response_model=schemas.Status, responses=errors())
async def readyz(request: Request) -> JSONResponse:
    """Whether everything is loaded and requests are accepted."""
    if not request.app.state.service.ready:
        raise busy("The service is starting or stopping")
    return JSONResponse({"status": "ready"})


@operation.get(
    "/metrics",
    operation_id="figures_metrics_get",
    response_class=Response,
    responses={200: {"description": "Prometheus text", "content": {metrics.MEDIA_TYPE: {}}}, **errors()},
)
async def prometheus(request: Request, _: Reader) -> Response:
    """What was measured since the process started."""
    return Response(request.app.state.service.metrics.text(), media_type=metrics.MEDIA_TYPE)


for part in (faces, people, corrections, bundles, operation):
    router.include_router(part)


# What follows is shared with the web pages.


async def list_people(service: Service, caller: Caller) -> dict[str, Any]:
    """The people, with a line in the audit log."""
    listed = await service.call(service.people.list)
    service.audit.write("people", **caller.as_json())
    return listed


async def enroll(service: Service, caller: Caller, form: UploadForm, id: int | None = None) -> dict[str, Any]:
    """Enroll the person that a form names, or add photos to the one with that id."""
    name, largest = form.fields.get("name", ""), form.fields.get("largest", "false").lower()
    if id is None and not name.strip():
        raise Problem(422, "invalid", "The field 'name' is required")
    if largest not in ("true", "false"):
        raise Problem(422, "invalid", "The field 'largest' must be true or false")
    who, consent = name if id is None else id, form.fields.get("consent") or None
    person = await service.call(lambda: service.people.enroll(who, form.photos, consent, largest=largest == "true"))
    service.audit.write("enrol", person=person["id"], photos=person["enrolled"], **caller.as_json())
    return person


async def forget(service: Service, caller: Caller, id: int) -> dict[str, Any]:
    """Forget somebody -> the receipt."""
    receipt = await service.call(lambda: service.people.forget(id))
    service.audit.write("forget", person=id, photos=receipt["photos"], **caller.as_json())
    return receipt


async def correct(service: Service, caller: Caller, form: UploadForm) -> Correction:
    """Store the correction in a form."""
    fields = form.fields
    if missing := [name for name in _REQUIRED if not fields.get(name, "").strip()]:
        raise Problem(422, "invalid", f"Required fields are missing: {', '.join(missing)}")
    box, about = _parse_box(fields["box"]), fields["about"]
    if about != PERSON:
        service.bundles.get(about)

    def work() -> Correction:
        try:
            label, consent = normalize_name(fields["label"]), normalize_name(fields["consent"])
            was = normalize_name(fields["was"]) if fields.get("was", "").strip() else ""
            face = cut_face(form.photos[0].data, box, settings().max_megapixels)
        except InvalidName as error:
            raise Problem(409, "no-name", str(error)) from error
        except DataError as error:
            raise Problem(409, "not-kept", str(error)) from error
        try:
            return service.corrections.add(about, label, was, consent, face)
        except DataError as error:
            raise error if error.__cause__ else Problem(409, "full", str(error)) from error

    correction = await service.call(work)
    service.audit.write("correct", correction=correction.id, about=about, **caller.as_json())
    return correction


async def list_corrections(service: Service, caller: Caller) -> list[Correction]:
    """The corrections, with a line in the audit log."""
    stored = await service.call(service.corrections.all)
    service.audit.write("corrections", **caller.as_json())
    return stored


async def remove_correction(service: Service, caller: Caller, id: str) -> None:
    """Remove a correction."""
    if not await service.call(lambda: service.corrections.remove(id)):
        raise Problem(404, "no-such-correction", "There is no correction with this id")
    service.audit.write("remove-correction", correction=id, **caller.as_json())


def _parse_box(text: str) -> Box:
    if re.fullmatch(schemas.BOX, text) is None:
        raise Problem(422, "invalid", "The field 'box' must be x1,y1,x2,y2 in pixels of the photo")
    x1, y1, x2, y2 = map(float, text.split(","))
    return x1, y1, x2, y2
