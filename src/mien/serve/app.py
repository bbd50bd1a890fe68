"""The application: routes, errors and what holds for all of them, put together; knows no socket.

The web pages hook in at the end of `create_app`, by `pages.mount(app)`: they get the application with its routes below
`/v1`, and need nothing else, since a page asks the service by its own scripts. `app.state.service` and
`app.state.access` are there for routes.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

import mien
from mien.serve import pages, problems, reference
from mien.serve.access import Access
from mien.serve.guard import Guard
from mien.serve.logs import configure
from mien.serve.metrics import Metrics
from mien.serve.routes import bundles, corrections, faces, operation, people
from mien.serve.service import Service
from mien.serve.settings import Config

SETTINGS, QUIET = "MIEN_SERVE_CONFIG", "MIEN_SERVE_QUIET"
"""How a process is told its settings by the one that started it."""


def create_app(config: Config) -> FastAPI:
    """Settings -> the application; everything is loaded when it starts, and let go when it ends."""
    metrics = Metrics()
    service = Service(config, metrics)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        service.open()
        yield
        service.close()

    app = FastAPI(
        title="mien",
        version=mien.__version__,
        description="Faces in photos: what they show, and whose they are.",
        lifespan=running,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.access = Access(config, service.audit, metrics)
    app.add_middleware(Guard, metrics=metrics, own=not app.state.access.keyed)
    problems.install(app)
    for router in (faces.router, people.router, corrections.router, bundles.router, operation.router):
        app.include_router(router)
    reference.mount(app, keyed=app.state.access.keyed, photos=config.limits.photos)
    pages.mount(app)
    return app


def from_environment() -> FastAPI:
    """The application by the settings that the process was started with."""
    configure(quiet=os.environ.get(QUIET) == "1")
    fields: dict[str, Any] = json.loads(os.environ[SETTINGS])
    return create_app(Config.from_json(fields))
