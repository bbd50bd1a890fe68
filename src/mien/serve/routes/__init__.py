"""The routes: each parses a request, asks the service, and answers with JSON; what they share stands here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request

from mien.serve.access import Caller, may
from mien.serve.keys import Scope
from mien.serve.problems import MEDIA_TYPE, busy
from mien.serve.schema import ProblemDetails
from mien.serve.service import Service


def service_of(request: Request) -> Service:
    """The service that a request was sent to."""
    service: Service = request.app.state.service
    return service


async def place(request: Request) -> AsyncIterator[Service]:
    """The service, with a place in it for as long as the request takes.

    Raises:
        Problem: it is not ready, or so many requests are under way that this one would wait for too long.
    """
    service = service_of(request)
    if not service.ready:
        raise busy("the service is about to start or to stop", 2)
    if not service.enter():
        raise busy("too many requests are under way")
    try:
        yield service
    finally:
        service.leave()


Placed = Annotated[Service, Depends(place)]
Reader = Annotated[Caller, Depends(may(Scope.READ))]
Enroller = Annotated[Caller, Depends(may(Scope.ENROL))]
Admin = Annotated[Caller, Depends(may(Scope.ADMIN))]

_WHY = {
    400: "the body is malformed",
    401: "a key is needed, and none that is known was sent",
    403: "the key may not do this, or a page of another site asked",
    404: "there is none such",
    408: "the body came too slowly",
    409: "it cannot be done with these photos, or as things are: no face, nobody enrolled",
    413: "the body is too large",
    415: "the body is of another kind",
    421: "the service answers to localhost only",
    422: "what was sent cannot be used",
    429: "the key has asked too often",
    503: "too much to do, or about to start or to stop: ask again after Retry-After seconds",
}
_ANYWHERE = (401, 403, 421, 429, 503)
_BODY = (400, 408, 413, 415, 422)


def problems(*statuses: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """The errors that a route may answer with, besides those of every route; `body`: those of uploads, too."""
    wanted = sorted({*_ANYWHERE, *(_BODY if body else ()), *statuses})
    content = {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}}
    return {status: {"description": _WHY[status], "content": content} for status in wanted}
