"""Runs `mien` in a process of its own that need not import the large packages first: a forked one.

A page types many commands, and most of the time of each would go into importing PyTorch, ONNX Runtime and the like.
So one server process a run imports them, does nothing else, and forks for every command.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

LARGE = [
    "cv2",
    "faiss",
    "fastapi",
    "jinja2",
    "kornia",
    "matplotlib",
    "numpy",
    "onnx",
    "onnxruntime",
    "PIL.Image",
    "pyarrow",
    "rich",
    "scipy.optimize",
    "sklearn.linear_model",
    "sqlalchemy",
    "torch",
    "typer",
]
"""Packages that the server process imports, so that commands find them imported."""

_processes = get_context("forkserver")
_processes.set_forkserver_preload(LARGE)


@dataclass(frozen=True)
class Finished:
    """How a program ended: exit code, stdout and stderr."""

    code: int
    out: str
    err: str


def run_mien(arguments: list[str], folder: Path, environment: Mapping[str, str], timeout: float) -> Finished:
    """Run the program `mien` with these arguments in that folder."""
    return _run("", ["mien", *arguments], folder, environment, timeout)


def run_python(code: str, folder: Path, environment: Mapping[str, str], timeout: float) -> Finished:
    """Run a piece of Python in that folder."""
    return _run(code, ["-c"], folder, environment, timeout)


def _run(code: str, argv: list[str], folder: Path, environment: Mapping[str, str], timeout: float) -> Finished:
    with TemporaryDirectory() as scratch:
        out, err = Path(scratch, "out"), Path(scratch, "err")
        process = _processes.Process(target=_child, args=(code, argv, folder, dict(environment), out, err))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
        exit_code = process.exitcode
        process.close()
        return Finished(-1 if exit_code is None else exit_code, *(file.read_text("utf-8") for file in (out, err)))


def _child(code: str, argv: list[str], folder: Path, environment: Mapping[str, str], out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = argv
    sys.path.insert(0, "")
    sys.stdout, sys.stderr = (_redirect(number, file) for number, file in ((1, out), (2, err)))
    warnings.simplefilter("default")
    if code:
        exec(compile(code, "<page>", "exec"), {"__name__": "__main__"})
    else:
        from mien.cli import main

        main()


def _redirect(descriptor: int, file: Path) -> TextIO:
    """Send all that is written to a descriptor, by C code too, to a file -> the stream for Python."""
    with file.open("wb") as opened:
        os.dup2(opened.fileno(), descriptor)
    return open(descriptor, "w", encoding="utf-8", buffering=1, closefd=False)
