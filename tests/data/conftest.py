"""How the tests of this room lay out folders and tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def lay(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder with these files in it, each holding its own name."""

    def make(*names: str, folder: str = "data") -> Path:
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        for name in names:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(name.encode("utf-8", "surrogateescape"))
        return root

    return make


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Write a text table."""

    def make(text: str, name: str = "labels.csv", encoding: str = "utf-8") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode(encoding))
        return file

    return make
