"""Galleries in SQLite and in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.gallery.gallery import Gallery
from tests.gallery.postgres import Server, server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The run's own server."""
    with server() as running:
        yield running


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    """Where a gallery may be."""
    return tmp_path / "people" / "gallery.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> str:
    """An empty place for a gallery, once of each kind."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite"))
    running: Server = request.getfixturevalue("postgres")
    return running.database()


@pytest.fixture
def gallery(address: str) -> Iterator[Gallery]:
    with Gallery(address) as opened:
        yield opened
