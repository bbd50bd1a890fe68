"""Imports stay light, and heavy packages are imported only where they belong."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mien
from tests.house.source import imports, room, trees

HEAVY = {
    "cv2",
    "dlib",
    "jinja2",
    "lz4",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "pandas",
    "PIL",
    "pyarrow",
    "kornia",
    "safetensors",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "tensorboard",
    "torch",
}

ROOMS = {
    "cv2": {"alignment", "curation", "detection", "flows", "images", "pipeline", "serve"},
    "dlib": {"alignment", "detection"},
    "fastapi": {"serve"},
    "filelock": {"fileio"},
    "httpx": {"client"},
    "jinja2": {"curation", "evaluation", "serve"},
    "joblib": set[str](),
    "kornia": {"augmentation", "training"},
    "limits": {"serve"},
    "markdown_it": {"serve"},
    "pythonjsonlogger": {"serve"},
    "watchfiles": {"serve"},
    "lz4": {"models"},
    "markupsafe": {"evaluation", "flows", "serve"},
    "matplotlib": {"evaluation"},
    "msgspec": {"serve", "validate"},
    "mtcnn": set[str](),
    "face_recognition_models": set[str](),
    "onnx": {"models"},
    "onnxruntime": {"detection", "models"},
    "pandas": {"evaluation", "flows"},
    "PIL": {"images"},
    "platformdirs": {"config"},
    "pyarrow": {"data", "embedding", "serve"},
    "prometheus_client": {"serve"},
    "pydantic": {"serve"},
    "ray": {"run"},
    "rich": {"cli", "pipeline"},  # the progress bars that Python users ask for, too
    "safetensors": {"training"},
    "scipy": {"curation", "training"},
    "skimage": {"flows"},
    "sklearn": {"curation", "evaluation", "training"},
    "alembic": {"gallery"},
    "faiss": {"gallery"},
    "pgvector": {"gallery"},
    "sqlalchemy": {"gallery", "serve"},
    "starlette": {"serve"},
    "tensorboard": {"training"},
    "tensorflow": set[str](),
    "threadpoolctl": {"curation"},
    "torch": {"augmentation", "training"},
    "typer": {"cli"},
    "uvicorn": {"serve"},
}
"""The rooms that may import a package; packages that are not in this table may not be imported at all."""


def loaded(code: str) -> set[str]:
    """The packages that a new interpreter has loaded after running `code`."""
    report = "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    script = f"import sys\n{code}\n{report}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.split())


def test_importing_mien_loads_nothing_but_numpy() -> None:
    foreign = loaded("import mien") - loaded("") - {*sys.stdlib_module_names, "_sre"}
    assert foreign <= {"mien", "numpy"}


@pytest.mark.parametrize("module", ["types", "stage", "registry", "config", "errors", "data", "cli"])
def test_basic_modules_load_nothing_heavy(module: str) -> None:
    assert loaded(f"import mien.{module}") & HEAVY == set()


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["train", "--help"], ["classify", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    run = f"""
sys.argv = ["mien", *{words}]
from mien.cli import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""
    assert loaded(run) & (HEAVY | {"numpy"}) == set()


@pytest.mark.parametrize("package", sorted(ROOMS))
def test_a_package_is_imported_only_by_the_rooms_that_may(package: str) -> None:
    importing = {
        room(name) for name, tree in trees().items() if any(module.split(".")[0] == package for module in imports(tree))
    }
    assert importing <= ROOMS[package]


def test_every_package_that_is_imported_is_in_the_table() -> None:
    known = {*ROOMS, "mien", "numpy", "__future__", *sys.stdlib_module_names}
    foreign = {
        module.split(".")[0]: name
        for name, tree in trees().items()
        for module in imports(tree)
        if module.split(".")[0] not in known
    }
    assert foreign == {}


def test_every_public_name_can_be_fetched() -> None:
    assert [name for name in dir(mien) if not hasattr(mien, name)] == []
