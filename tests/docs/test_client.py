"""What the guide to the service shows in Python works as it stands, against a service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mien.client import Client
from mien.serve.auth import KeyStore, Scope
from mien.serve.settings import ServiceConfig
from tests.docs.pages import ROOT, blocks
from tests.serve.serving import serving


def test_the_client_in_the_guide_asks_a_service(tmp_path: Path, shared_home: Path, hopper: bytes) -> None:
    (code,) = (block.text for block in blocks(ROOT / "docs" / "guides" / "serve.md") if block.language == "python")
    config = ServiceConfig(tmp_path / "service", detector="mtcnn", workers=1, keyed=True)
    _, key = KeyStore(config.database).add(Scope.ENROL)
    for name in ("a.jpg", "grace.jpg"):
        (tmp_path / name).write_bytes(hopper)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    with serving(config, shared_home) as address:
        own = code.replace("http://127.0.0.1:8000", address).replace("mien_...", key)
        assert own.count(address) == own.count(key) == 1
        done = subprocess.run(
            [sys.executable, "-c", own], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == ["a.jpg 1", "b.jpg 0", "Grace Hopper"]
        with Client(address, key) as service:
            assert [person["consent"] for person in service.people()] == ["by letter"]
