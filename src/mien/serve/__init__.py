"""The service: a REST API over the flows, and web pages over the API; the one room that knows HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mien.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from mien.serve.settings import Config

__all__ = ["start"]


class Serve(Protocol):
    """Runs the service until it is told to stop."""

    def __call__(self, config: Config, tell: Callable[[str], None], *, processes: int, quiet: bool) -> None: ...


_PARTS: Registry[Serve] = Registry("part", {"the service": "mien.serve.run:serve"}, {"the service": "serve"})


def start() -> Serve:
    """What runs the service.

    Raises:
        MissingExtra: the packages for it are not installed.
    """
    return _PARTS.load("the service")
