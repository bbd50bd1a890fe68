"""Routes for photos that are looked at and not kept: look, classify, verify, identify."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from mien.errors import DataError, UnknownName
from mien.serve import schema
from mien.serve.problems import Problem
from mien.serve.routes import Placed, Reader, problems
from mien.serve.uploads import form

router = APIRouter(prefix="/v1", tags=["faces"])


@router.post("/look", response_model=schema.Looked, responses=problems(body=True), openapi_extra=schema.upload())
async def look(request: Request, caller: Reader, service: Placed) -> JSONResponse:
    """Every face of photos: box, landmarks, quality, traits, and who it is of those who are enrolled."""
    start = time.perf_counter()
    sent = await form(request, service.config.limits)
    results = await service.look(sent.photos)
    people = sorted({face["person"]["id"] for one in results for face in one.get("faces", ()) if face["person"]})
    service.audit.write("look", photos=len(sent.photos), people=people, **caller.as_json())
    return _timed(results, start)


@router.post(
    "/classify/{bundle}",
    response_model=schema.ClassifiedAll,
    responses=problems(404, body=True),
    openapi_extra=schema.upload(),
)
async def classify(
    request: Request, bundle: str, caller: Reader, service: Placed, top: Annotated[int, Query(ge=1, le=10)] = 3
) -> JSONResponse:
    """The label of every face, by a bundle: a built-in trait, or one of the folder that is served."""
    start = time.perf_counter()
    _known(service, bundle)
    sent = await form(request, service.config.limits)
    results = await service.classify(bundle, sent.photos, top)
    service.audit.write("classify", photos=len(sent.photos), bundle=bundle, **caller.as_json())
    return _timed(results, start)


@router.post(
    "/verify",
    response_model=schema.Verified,
    responses=problems(409, body=True),
    openapi_extra=schema.upload(photos=2),
)
async def verify(
    request: Request,
    caller: Reader,
    service: Placed,
    threshold: Annotated[float | None, Query(gt=0, le=100, allow_inf_nan=False)] = None,
) -> JSONResponse:
    """Whether the main faces of two photos are one person's."""
    sent = await form(request, service.config.limits, photos=2)
    try:
        answer = await service.verify(sent.photos[0], sent.photos[1], threshold)
    except DataError as error:
        raise Problem(422, "invalid", str(error)) from error
    service.audit.write("verify", photos=2, **caller.as_json())
    return JSONResponse(answer)


@router.post(
    "/identify",
    response_model=schema.IdentifiedAll,
    responses=problems(409, body=True),
    openapi_extra=schema.upload(),
)
async def identify(request: Request, caller: Reader, service: Placed) -> JSONResponse:
    """Who every face is: somebody who is enrolled, or unknown."""
    start = time.perf_counter()
    sent = await form(request, service.config.limits)
    results, people = await service.identify(sent.photos)
    service.audit.write("identify", photos=len(sent.photos), people=sorted(set(people)), **caller.as_json())
    return _timed(results, start)


def _known(service: Placed, bundle: str) -> None:
    try:
        service.bundles.get(bundle)
    except UnknownName as error:
        raise Problem(404, "no-such-bundle", str(error)) from error


def _timed(results: list[dict[str, Any]], start: float) -> JSONResponse:
    return JSONResponse({"results": results, "seconds": round(time.perf_counter() - start, 4)})
