"""Fixtures for all tests: real data, cache folders, two public-domain photographs, and the program itself."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import pytest
from filelock import FileLock
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Read when numpy and PyTorch are first imported: the workers fill the cores, so each one computes in one thread.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# CI tries the same examples every time, so that a failure is never bad luck; elsewhere new ones are drawn.
settings.register_profile("mien", derandomize=bool(os.environ.get("CI")), deadline=None)
settings.load_profile("mien")


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: it names a folder of real data that is not part of the project")
    return Path(value)


BuildOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def build_once(tmp_path_factory: pytest.TempPathFactory) -> BuildOnce:
    """Builds a folder once a run, whichever worker asks first; the others wait for it and share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def build(name: str, fill: Callable[[Path], object]) -> Path:
        folder = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not folder.exists():
                unfinished = shared / f"{name}.unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return build


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
def shared_home(build_once: BuildOnce) -> Path:
    """One cache folder for the whole run, so that weights are converted once."""
    return build_once("mien-home", Path.is_dir)


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


@pytest.fixture(scope="session")
def album(build_once: BuildOnce) -> Path:
    """The demo's photos: originals/, photos/NAME/, held-out/NAME/ and inbox/, of two people. Not to be changed."""
    from mien.flows.demo import album

    return build_once("album", album)


@pytest.fixture
def dirty(album: Path, tmp_path: Path) -> Path:
    """A folder of two people with a photo twice, one without a face, and one that is broken."""
    folder = tmp_path / "photos"
    shutil.copytree(album / "photos", folder)
    grace = folder / "Grace Hopper"
    shutil.copy(grace / "03.jpg", grace / "twice.jpg")
    shutil.copy(album / "inbox" / "coffee.png", grace / "coffee.png")
    (grace / "broken.jpg").write_bytes((grace / "04.jpg").read_bytes()[:3000])
    return folder


@dataclass(frozen=True)
class Completed:
    """How a command ended: exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Stdout as one JSON object a line."""
        import json

        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]


class Mien(Protocol):
    """Runs the program in this process with these arguments."""

    def __call__(self, *arguments: object) -> Completed: ...


@pytest.fixture(autouse=True)
def own_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test's people are enrolled, and never among those of whoever runs it."""
    path = tmp_path / "own-gallery.sqlite"
    monkeypatch.setenv("MIEN_GALLERY", str(path))
    monkeypatch.setenv("MIEN_SERVICE", str(tmp_path / "own-service"))
    return path


@pytest.fixture
def mien(models_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mien:
    """The program `mien`, without the second that a new process takes."""
    from mien.cli import main

    def run(*arguments: object) -> Completed:
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return Completed(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def people(album: Path, shared_home: Path, build_once: BuildOnce) -> Path:
    """A bundle that knows the album's two people. Not to be changed."""
    import mien
    from mien.errors import MienWarning

    def fill(folder: Path) -> None:
        bundle = folder / "people.mien"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MIEN_HOME", str(shared_home))
            with pytest.warns(MienWarning):  # the album is small
                mien.train(album / "photos", bundle, workers=1)

    return build_once("bundles", fill) / "people.mien"
