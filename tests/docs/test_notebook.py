"""The notebook of the guides runs from the first cell to the last, and its values show themselves."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT

NOTEBOOK = ROOT / "docs" / "guides" / "notebook.ipynb"


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(cell: str, names: dict[str, Any]) -> str | None:
    """Run a cell as Jupyter does -> what it shows of its last expression; None where there is none."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    html = getattr(value, "_repr_html_", None)
    return None if value is None else str(html()) if html else repr(value)


@pytest.mark.usefixtures("models_home")
def test_the_notebook_runs_and_shows_what_it_says(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(album, tmp_path / "album")
    monkeypatch.chdir(tmp_path / "album")
    names: dict[str, Any] = {}
    shown = [text for cell in cells() if (text := run(cell, names)) is not None]
    assert shown[0].startswith("<div><img src=")
    assert any("<table" in text for text in shown)
    assert "Grace Hopper" in shown[-1]
    assert "Grace Hopper" in capsys.readouterr().out
