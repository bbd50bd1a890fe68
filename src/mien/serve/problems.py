"""What goes wrong, as problem details (RFC 9457); knows HTTP, and nothing of faces."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from mien.errors import MienError

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger("mien.serve")


class Problem(Exception):
    """An answer that is an error: a status, a short name for programs, and a sentence for people."""

    def __init__(
        self, status: int, name: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.name, self.detail = status, name, detail
        self.headers, self.more = dict(headers or {}), more

    def response(self) -> JSONResponse:
        """The answer: `type`, `title`, `status`, `detail`, and what else is known."""
        fields = {
            "type": f"urn:mien:problem:{self.name}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        return JSONResponse(fields, self.status, self.headers, MEDIA_TYPE)


def busy(why: str, seconds: int = 1) -> Problem:
    """The service has too much to do, or is about to start or to stop."""
    return Problem(503, "busy", why, {"Retry-After": str(seconds)})


def _methods(request: Request) -> list[str]:
    """What may be asked of a path."""
    # A path that is written out goes before one with a place for a name, which would match it, too.
    if (written := request.app.openapi()["paths"].get(request.url.path)) is not None:
        return sorted(method.upper() for method in written)
    scopes = {method: {**request.scope, "method": method} for method in ("DELETE", "GET", "POST")}
    routes = request.app.routes
    return [name for name, scope in scopes.items() if any(each.matches(scope)[0] is Match.FULL for each in routes)]


def install(app: FastAPI) -> None:
    """Let every error that a route raises become a problem."""

    @app.exception_handler(Problem)
    async def told(_: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        headers = dict(error.headers or {})
        if error.status_code == 405:  # Starlette tells the methods of the first route of a path alone
            headers["Allow"] = ", ".join(_methods(request))
        return Problem(error.status_code, name, str(error.detail), headers).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent is not repeated: it may be anything.
        errors = [{"where": [str(part) for part in each["loc"]], "what": each["msg"]} for each in error.errors()]
        return Problem(422, "invalid", "the request is not as it should be", errors=errors).response()

    @app.exception_handler(MienError)
    async def unable(_: Request, error: MienError) -> JSONResponse:
        _log.error("it could not be done", extra={"fields": {"why": str(error)}})
        return Problem(503, "unavailable", "the service cannot do this now; its log says why").response()
