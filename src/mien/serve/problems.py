"""Errors of the API as problem details (RFC 9457)."""

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
HANDLED = (HTTPException, RequestValidationError, MienError)
"""The errors besides `Problem` that become one."""

_log = logging.getLogger("mien.serve")


class Problem(Exception):
    """An error response: a status, a name for programs, and a sentence for people."""

    def __init__(
        self, status: int, name: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.name, self.detail = status, name, detail
        self.headers, self.more = dict(headers or {}), more

    def response(self) -> JSONResponse:
        """The response, with `type`, `title`, `status`, `detail` and any further fields."""
        fields = {
            "type": f"urn:mien:problem:{self.name}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        return JSONResponse(fields, self.status, self.headers, MEDIA_TYPE)


def busy(detail: str, seconds: int = 1) -> Problem:
    """The service is overloaded, starting or stopping: try again after `seconds`."""
    return Problem(503, "busy", detail, {"Retry-After": str(seconds)})


def from_exception(request: Request, error: Exception) -> Problem:
    """Whatever a route raised -> a problem that says nothing of the inside of the service."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        # The request's own values are not repeated: they may be anything.
        errors = [{"where": [str(part) for part in item["loc"]], "what": item["msg"]} for item in error.errors()]
        return Problem(422, "invalid", "Invalid request", errors=errors)
    if isinstance(error, HTTPException):
        name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        headers = dict(error.headers or {})
        if error.status_code == 405:  # Starlette names the methods of a path's first route only
            headers["Allow"] = ", ".join(_methods(request))
        return Problem(error.status_code, name, str(error.detail), headers)
    _log.error("a request could not be answered", extra={"why": str(error)})
    return Problem(503, "unavailable", "The service cannot do this now; its log says why")


def _methods(request: Request) -> list[str]:
    # A path without parameters takes precedence over one whose parameter would match it, too.
    if (operations := request.app.openapi()["paths"].get(request.url.path)) is not None:
        return sorted(method.upper() for method in operations)
    scopes = {method: {**request.scope, "method": method} for method in ("DELETE", "GET", "POST")}
    routes = request.app.routes
    return [name for name, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)]


def install(app: FastAPI) -> None:
    """Answer every error that a route raises with a problem."""

    async def respond(request: Request, error: Exception) -> JSONResponse:
        return from_exception(request, error).response()

    for kind in (Problem, *HANDLED):
        app.add_exception_handler(kind, respond)
