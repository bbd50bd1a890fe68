"""Who may do what: keys, their scopes, how often they ask, and guesses at keys; knows no route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request

from mien.serve.audit import Audit
from mien.serve.keys import Keys, Scope
from mien.serve.metrics import Metrics
from mien.serve.problems import Problem
from mien.serve.rates import Rates
from mien.serve.settings import Config

COOKIE = "mien-key"
"""Where a browser keeps a key that was typed into a page."""

GUESSES = 20
"""Wrong keys from one address in a minute that are answered as such."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the number of the key, None where none is needed, and the address."""

    key: str | None
    address: str
    request: str

    def as_json(self) -> dict[str, str | None]:
        """The fields of a line of the audit log."""
        return {"key": self.key, "address": self.address, "request": self.request}


class Access:
    """Lets requests in that carry a key of the scope that a route asks for; all of them where no key is needed."""

    def __init__(self, config: Config, audit: Audit, metrics: Metrics) -> None:
        self.keyed = config.keyed or not config.local
        self.keys = Keys(config.keys)
        self._audit, self._metrics = audit, metrics
        self._rates, self._guesses = Rates(config.limits.requests), Rates(GUESSES)

    def check(self, request: Request, scope: Scope) -> Caller:
        """A request -> who asks.

        Raises:
            Problem: the key is missing, wrong, revoked or of too small a scope, or asks too often.
        """
        caller = Caller(None, address_of(request), request.scope.get("mien.id", ""))
        if not self.keyed:
            return caller
        said = _said(request)
        key = self.keys.recognise(said) if said else None
        if key is None:
            raise self._stranger(caller, guessed=bool(said))
        caller = Caller(key.id, caller.address, caller.request)
        if wait := self._rates.take(key.id):
            self._metrics.refused("rate")
            raise Problem(429, "too-many-requests", "this key has asked too often", {"Retry-After": str(wait)})
        if key.scope < scope:
            self._refuse("scope", caller)
            raise Problem(403, "forbidden", f"this key may do what {key.scope} may, and this takes {scope}")
        return caller

    def _stranger(self, caller: Caller, *, guessed: bool) -> Problem:
        wait = self._guesses.take(caller.address) if guessed else 0
        if wait:  # told once in a while only, or guesses would fill the disk
            self._metrics.refused("guess")
            return Problem(429, "too-many-requests", "too many wrong keys", {"Retry-After": str(wait)})
        self._refuse("wrong key" if guessed else "no key", caller)
        detail = "this key is not known" if guessed else "send a key: Authorization: Bearer KEY"
        return Problem(401, "unauthorized", detail, {"WWW-Authenticate": "Bearer"})

    def _refuse(self, why: str, caller: Caller) -> None:
        self._metrics.refused(why)
        self._audit.write("refused", why=why, **caller.as_json())


def may(scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    """A route's dependency: who asks, if they may."""

    async def dependency(request: Request) -> Caller:
        access: Access = request.app.state.access
        return access.check(request, scope)

    return dependency


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""


def _said(request: Request) -> str:
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else request.cookies.get(COOKIE, "")
