"""What holds for every request, whatever its route: headers, origin, host, a number, a line in the log; ASGI only."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.serve.metrics import Metrics
from mien.serve.problems import Problem

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every answer is sent with, unless its route says otherwise, as the pages do."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_log = logging.getLogger("mien.serve.access")


@dataclass(slots=True)
class _Answer:
    status: int = 0


class Guard:
    """The outermost layer. own: whether only names of this machine are answered to.

    A page of somebody else could have its name lead to this machine (DNS rebinding), and read what it is answered. It
    cannot change the name, though, and where no key is asked for, only names of this machine are taken.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, own: bool) -> None:
        self._app, self._metrics, self._own = app, metrics, own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, answer, number = time.perf_counter(), _Answer(), secrets.token_hex(8)
        scope["mien.id"] = number

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-Id"] = number
            await send(message)

        try:
            if refusal := self._refusal(scope):
                self._metrics.refused(refusal.name)
                await refusal.response()(scope, receive, sending)
            else:
                await self._app(scope, receive, sending)
        except Exception:
            _log.exception("a request failed", extra={"fields": {"request": number}})
            if answer.status:
                raise
            failed = Problem(500, "unforeseen", f"something unforeseen happened; the log has it under {number}")
            await failed.response()(scope, receive, sending)
        finally:
            self._note(scope, answer.status, time.perf_counter() - start, number)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._own and _hostname(host) not in _HERE:
            return Problem(421, "wrong-host", "this service answers to localhost only")
        if scope["method"] not in _SAFE and not _same_origin(headers, host):
            return Problem(403, "cross-site", "a page of another site may not ask this of the service")
        return None

    def _note(self, scope: Scope, status: int, seconds: float, number: str) -> None:
        route: Any = scope.get("route")
        path = getattr(route, "path", "other")
        self._metrics.answered(path, scope["method"] if scope["method"] in _METHODS else "other", status, seconds)
        fields = {
            "request": number,
            "method": scope["method"],
            "route": path,
            "status": status,
            "seconds": round(seconds, 4),
        }
        _log.info("answered", extra={"fields": fields})


_METHODS = _SAFE | {"POST", "DELETE", "PUT", "PATCH"}


def _same_origin(headers: Headers, host: str) -> bool:
    """Whether a request was sent by a page of this service, or by no page at all.

    Browsers say so in Sec-Fetch-Site, and older ones in Origin alone; programs send neither.
    """
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == host


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # brackets that do not close, and the like
        return None
