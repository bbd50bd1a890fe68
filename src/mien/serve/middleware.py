"""What applies to every request: security headers, checks of host and origin, an id, metrics and a line in the log."""

from __future__ import annotations

import logging
import secrets
import time
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
"""The headers of every response whose route sets no others."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _SAFE | {"POST", "DELETE", "PUT", "PATCH"}
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_log = logging.getLogger("mien.serve.access")


class RequestMiddleware:
    """The outermost layer. local_only: only requests to a name of this machine are answered.

    A page of another site could let its name resolve to this machine (DNS rebinding) and read the responses. It cannot
    change that name, so where no key is needed, only names of this machine are accepted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, local_only: bool) -> None:
        self._app, self._metrics, self._local_only = app, metrics, local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status, id = time.perf_counter(), 0, secrets.token_hex(8)
        scope["mien.id"] = id

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-Id"] = id
            await send(message)

        try:
            if refusal := self._refusal(scope):
                self._metrics.refused.labels(refusal.name).inc()
                await refusal.response()(scope, receive, send_with_headers)
            else:
                await self._app(scope, receive, send_with_headers)
        except Exception:
            _log.exception("a request failed", extra={"request": id})
            if status:
                raise
            failure = Problem(500, "unforeseen", f"Internal error; the log has it as request {id}")
            await failure.response()(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - start, id)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._local_only and _hostname(host) not in _LOCAL:
            return Problem(421, "wrong-host", "Without keys this service answers to localhost only")
        if scope["method"] not in _SAFE and not _same_origin(headers, host):
            return Problem(403, "cross-site", "Requests from pages of other sites are refused")
        return None

    def _record(self, scope: Scope, status: int, seconds: float, id: str) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"]
        self._metrics.requests.labels(route, method if method in _METHODS else "other", str(status)).inc()
        self._metrics.latency.labels(route).observe(seconds)
        fields = {"request": id, "method": method, "route": route, "status": status, "seconds": round(seconds, 4)}
        _log.info("answered", extra=fields)


def _same_origin(headers: Headers, host: str) -> bool:
    """Whether a request comes from a page of this service or from no page at all.

    Browsers send Sec-Fetch-Site, older ones Origin only, and programs neither.
    """
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == host


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # such as an unclosed bracket
        return None
