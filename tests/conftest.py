"""What all tests share: where real data lies, a private home, and two public-domain photographs."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: it names a folder of real data that is not part of the project")
    return Path(value)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of labelled real faces."""
    return _folder("MIEN_DATA")


@pytest.fixture(scope="session")
def test_models() -> Path:
    """The folder of downloaded-type weights."""
    return _folder("MIEN_TEST_MODELS")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    folder = tmp_path / "mien-home"
    monkeypatch.setenv("MIEN_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache folder for the whole run, so that weights are converted once."""
    return tmp_path_factory.mktemp("mien-shared-home")


@pytest.fixture
def models_home(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run's shared cache folder, for tests that need converted weights."""
    monkeypatch.setenv("MIEN_HOME", str(shared_home))
    return shared_home


def _packaged(package: str, *parts: str) -> bytes:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.joinpath(*parts).read_bytes()


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    """Eileen Collins, 512 x 512, PNG (NASA, public domain)."""
    return _packaged("skimage", "data", "astronaut.png")


@pytest.fixture(scope="session")
def hopper() -> bytes:
    """Grace Hopper, 512 x 600, JPEG (US Navy, public domain)."""
    return _packaged("matplotlib", "mpl-data", "sample_data", "grace_hopper.jpg")
