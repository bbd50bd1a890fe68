"""Routes for labels that were put right: kept with the face, exported as training data, and removed."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from mien.config import settings
from mien.errors import DataError, UnknownName
from mien.gallery.records import InvalidName, normalize_name
from mien.serve import schema
from mien.serve.corrections import Correction, cut
from mien.serve.problems import Problem
from mien.serve.routes import Admin, Enroller, Placed, problems
from mien.serve.service import Service
from mien.serve.uploads import form
from mien.types import Box

router = APIRouter(prefix="/v1/corrections", tags=["corrections"])

PERSON, EXPORT = "person", "export"
_FIELDS = {
    "about": "the bundle that was wrong, or person",
    "label": "the right label",
    "box": "x1,y1,x2,y2 of the face, as it was answered",
    "consent": "how it was agreed that this face is kept",
    "was": "what had been said",
}
_NEEDED = ("about", "label", "box", "consent")
_PARQUET = "application/vnd.apache.parquet"


@router.post(
    "",
    status_code=201,
    response_model=schema.Correction,
    responses=problems(404, 409, body=True),
    openapi_extra=schema.upload(_FIELDS, _NEEDED, photos=1),
)
async def add(request: Request, caller: Enroller, service: Placed) -> JSONResponse:
    """Say what a face should have been called. The face is kept, and nothing else of the photo."""
    sent = await form(request, service.config.limits, _FIELDS, photos=1)
    if missing := [name for name in _NEEDED if not sent.fields.get(name, "").strip()]:
        raise Problem(422, "invalid", f"these fields are needed: {', '.join(missing)}")
    box = _box(sent.fields["box"])
    about = sent.fields["about"]
    _known(service, about)

    def work() -> Correction:
        try:
            said = [normalize_name(sent.fields[name]) for name in ("label", "consent")]
            was = normalize_name(sent.fields["was"]) if sent.fields.get("was", "").strip() else ""
            face = cut(sent.photos[0].data, box, settings().max_megapixels)
        except InvalidName as error:
            raise Problem(409, "no-name", str(error)) from error
        except DataError as error:
            raise Problem(409, "not-kept", str(error)) from error
        try:
            return service.corrections.add(about, said[0], was, said[1], face)
        except DataError as error:
            raise error if error.__cause__ else Problem(409, "full", str(error)) from error

    made = await service.call(work)
    service.audit.write("correct", correction=made.id, about=made.about, **caller.as_json())
    return JSONResponse(made.as_json(), 201)


@router.get("", response_model=schema.Corrections, responses=problems())
async def corrections(caller: Admin, service: Placed) -> JSONResponse:
    """Every correction, the oldest first. Their faces are in the exports."""
    found = await service.call(service.corrections.all)
    service.audit.write("corrections", **caller.as_json())
    return JSONResponse({"corrections": [one.as_json() for one in found]})


@router.get(
    f"/{EXPORT}",
    response_class=Response,
    responses={
        200: {
            "description": "Parquet: image and label",
            "content": {_PARQUET: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(404, 422),
    },
)
async def export(
    caller: Admin, service: Placed, about: Annotated[str, Query(min_length=1, max_length=200)]
) -> Response:
    """The corrections of a bundle as a data set that `mien train` reads."""
    if not await service.call(lambda: service.corrections.all(about)):
        raise Problem(404, "no-corrections", "there are no corrections about that")
    data = await service.call(lambda: service.corrections.export(about))
    service.audit.write("export", **caller.as_json())
    headers = {"Content-Disposition": 'attachment; filename="corrections.parquet"'}
    return Response(data, headers=headers, media_type=_PARQUET)


@router.delete("/{id}", status_code=204, response_class=Response, responses=problems(404, 422))
async def remove(id: Annotated[str, Path(min_length=1, max_length=64)], caller: Admin, service: Placed) -> Response:
    """Remove a correction and its face."""
    if id == EXPORT:
        raise Problem(405, "method-not-allowed", "this is no correction", {"Allow": "GET"})
    if not await service.call(lambda: service.corrections.remove(id)):
        raise Problem(404, "no-such-correction", "there is no correction of that number")
    service.audit.write("remove-correction", correction=id, **caller.as_json())
    return Response(status_code=204)


def _known(service: Service, about: str) -> None:
    try:
        if about != PERSON:
            service.bundles.get(about)
    except UnknownName as error:
        raise Problem(404, "no-such-bundle", str(error)) from error


def _box(text: str) -> Box:
    if re.fullmatch(schema.BOX, text) is None:
        raise Problem(422, "invalid", "say x1,y1,x2,y2 in the field 'box', in pixels of the photo")
    x1, y1, x2, y2 = (float(part) for part in text.split(","))
    return x1, y1, x2, y2
