"""The service in a process of its own, as a test's browser reaches it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from mien.serve.app import QUIET, SETTINGS
from mien.serve.settings import ServiceConfig

PATIENCE = 90.0


@contextmanager
def serving(config: ServiceConfig, home: Path) -> Iterator[str]:
    """Run the service by `config` at a free port -> its address, once it is ready."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    config.data.mkdir(parents=True, exist_ok=True)
    own = {
        SETTINGS: replace(config, port=port).to_json(),
        QUIET: "1",
        "MIEN_HOME": str(home),
        "MIEN_GALLERY": str(config.data / "gallery.sqlite"),
    }
    line = [sys.executable, "-m", "uvicorn", "--factory", "mien.serve.app:from_environment", "--port", str(port)]
    log = config.data / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(line, env={**os.environ, **own}, stdout=file, stderr=file)
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + PATIENCE
        while not _ready(address):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < until, log.read_text("utf-8")
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _ready(address: str) -> bool:
    try:
        with urlopen(f"{address}/readyz", timeout=5):
            return True
    except (URLError, OSError):
        return False
