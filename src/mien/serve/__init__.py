"""The service: a REST API and web pages over the same pipeline as the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from mien.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from mien.serve.auth import KeyStore
    from mien.serve.settings import ServiceConfig

__all__ = ["key_store", "server"]


class Server(Protocol):
    """Runs the service until it is told to stop; `started` is called with its address."""

    def __call__(
        self, config: ServiceConfig, started: Callable[[str], None], *, processes: int, quiet: bool
    ) -> None: ...


_PARTS: Registry[object] = Registry(
    "part",
    {"the service": "mien.serve.app:serve", "the keys": "mien.serve.auth:KeyStore"},
    {"the service": "serve", "the keys": "serve"},
)


def server() -> Server:
    """The function that runs the service.

    Raises:
        MissingExtra: the packages it needs are not installed.
    """
    return cast("Server", _PARTS.load("the service"))


def key_store(config: ServiceConfig) -> KeyStore:
    """The keys of the service.

    Raises:
        MissingExtra: the packages it needs are not installed.
    """
    return cast("type[KeyStore]", _PARTS.load("the keys"))(config.database)
