"""A service in this process, asked over ASGI, and one in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
import pytest
from fastapi import FastAPI

from mien.serve.app import create_app
from mien.serve.settings import ServiceConfig

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Served:
    """A running application and a client of it."""

    app: FastAPI
    http: httpx.AsyncClient

    def audited(self) -> list[dict[str, object]]:
        """The lines of its audit log."""
        folder: Path = self.app.state.service.config.audit
        return [json.loads(line) for file in sorted(folder.glob("*")) for line in file.read_text().splitlines()]


Serving = Callable[[ServiceConfig], AbstractAsyncContextManager[Served]]


@asynccontextmanager
async def _served(config: ServiceConfig) -> AsyncIterator[Served]:
    app = create_app(config)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http,
    ):
        with anyio.fail_after(60):
            while (await http.get("/readyz")).status_code != 200:
                await anyio.sleep(0.02)
        yield Served(app, http)


@pytest.fixture
def serving(models_home: Path) -> Serving:
    """Starts an application with these settings, ready to be asked."""
    return _served


@pytest.fixture
def config(tmp_path: Path) -> ServiceConfig:
    """The settings of a service that nothing was changed of."""
    return ServiceConfig(tmp_path / "service", detector="mtcnn", workers=1)


@pytest.fixture
async def served(serving: Serving, config: ServiceConfig) -> AsyncIterator[Served]:
    """A service with these settings."""
    async with serving(config) as service:
        yield service


@dataclass
class Running:
    """`mien serve` in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Stop it -> the exit code."""
        self.process.send_signal(by)
        return self.process.wait(60)


Start = Callable[..., Running]


@pytest.fixture
def start(models_home: Path, own_gallery: Path, tmp_path: Path) -> Iterator[Start]:
    """Runs `mien serve` with these options until the test ends."""
    running: list[Running] = []

    def run(*options: object) -> Running:
        place = tmp_path / f"serve-{len(running)}.log"
        code = "from mien.cli import main; main()"
        command = [sys.executable, "-c", code, "serve", "--json", "--port", "0", "--detector", "mtcnn"]
        with place.open("w") as log:
            process = subprocess.Popen([*command, *map(str, options)], stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, place.read_text()
        service = Running(process, json.loads(line)["url"])
        running.append(service)
        _wait(service.url)
        return service

    yield run
    for service in running:
        service.process.kill()
        service.process.wait()
        if service.process.stdout is not None:
            service.process.stdout.close()


def _wait(url: str) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(url)


def parts(*photos: tuple[str, bytes]) -> Sequence[tuple[str, tuple[str, bytes]]]:
    """Photos as the parts of a form."""
    return [("photo", photo) for photo in photos]
