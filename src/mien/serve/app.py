"""The application, and the processes that serve it behind one port."""

from __future__ import annotations

import math
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

import mien
from mien.errors import DataError
from mien.run import cores
from mien.serve import pages, problems, routes
from mien.serve.auth import Authenticator, KeyStore
from mien.serve.logs import configure
from mien.serve.metrics import SHARED, Metrics
from mien.serve.middleware import RequestMiddleware
from mien.serve.schemas import describe
from mien.serve.settings import ServiceConfig
from mien.serve.state import Service

SETTINGS, QUIET = "MIEN_SERVE_CONFIG", "MIEN_SERVE_QUIET"
"""The environment variables that pass the settings to a process."""


def create_app(config: ServiceConfig) -> FastAPI:
    """Settings -> the application, which loads everything when it starts and closes it when it stops.

    Routes find what they need in `app.state.service` and `app.state.authenticator`.
    """
    metrics = Metrics()
    service = Service(config, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.open()
        yield
        service.close()

    app = FastAPI(
        title="mien",
        version=mien.__version__,
        description="Faces in photos: what they look like and who they are.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.authenticator = Authenticator(config, service.audit, metrics)
    app.add_middleware(RequestMiddleware, metrics=metrics, local_only=not config.needs_keys)
    problems.install(app)
    app.include_router(routes.router)
    describe(app, needs_keys=config.needs_keys, photos=config.limits.photos)
    pages.mount(app)
    return app


def from_environment() -> FastAPI:
    """The application with the settings that the process was started with."""
    configure(quiet=os.environ.get(QUIET) == "1")
    return create_app(ServiceConfig.from_json(os.environ[SETTINGS]))


def serve(config: ServiceConfig, started: Callable[[str], None], *, processes: int = 1, quiet: bool = False) -> None:
    """Run the service until it is told to stop; `started` is called with its address.

    Raises:
        DataError: keys are needed and there are none, or the port cannot be used.
    """
    check_config(config)
    limits = replace(config.limits, requests=math.ceil(config.limits.requests / processes))
    workers = config.workers or max(1, cores() // processes)
    os.environ[SETTINGS] = replace(config, limits=limits, workers=workers).to_json()
    os.environ[QUIET] = str(int(quiet))
    listener = listen(config)
    server = uvicorn.Config(
        f"{__name__}:{from_environment.__name__}",
        factory=True,
        workers=processes,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # or any local program could claim another address
        limit_concurrency=512,  # further connections are answered 503
        timeout_graceful_shutdown=math.ceil(config.limits.seconds),
    )
    host = f"[{config.host}]" if ":" in config.host else config.host
    with listener, tempfile.TemporaryDirectory(prefix="mien-metrics-") as folder:
        started(f"http://{host}:{listener.getsockname()[1]}")
        if processes == 1:
            uvicorn.Server(server).run([listener])
        else:
            os.environ[SHARED] = folder
            Multiprocess(server, [listener]).run()


def check_config(config: ServiceConfig) -> None:
    """A `DataError` if the folder of bundles does not exist, or keys are needed and there are none."""
    if config.bundles is not None and not config.bundles.is_dir():
        raise DataError(f"--bundles {config.bundles}: no such folder")
    if config.needs_keys and not KeyStore(config.database).any_valid():
        reason = "--require-keys" if config.keyed else f"--host {config.host} lets other machines in, which"
        raise DataError(f"{reason} needs a key: make one with 'mien serve keys add --scope read'")


def listen(config: ServiceConfig) -> socket.socket:
    """The socket that the processes share; a `DataError` if the address or port cannot be used."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listener = socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        place = f"{config.host} port {config.port} ({error.strerror or error})"
        raise DataError(f"cannot listen at {place}: choose another --port") from error
    listener.set_inheritable(True)
    # Connections inherit it; asyncio sets it only where a socket names its protocol, and create_server's does not.
    # Without it the end of a response waits for the client to acknowledge its beginning, which takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
