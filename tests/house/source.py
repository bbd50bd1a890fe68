"""The project's own files, as the tests of the house look at them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "mien"


@cache
def sources() -> dict[str, str]:
    """Every module of the package: path below `src/mien` -> text."""
    return {file.relative_to(PACKAGE).as_posix(): file.read_text("utf-8") for file in sorted(PACKAGE.rglob("*.py"))}


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the package, parsed."""
    return {name: ast.parse(text) for name, text in sources().items()}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function and method, with where it stands: `collect/walk.py:walk`."""
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.name}", node


def imports(tree: ast.Module) -> Iterator[str]:
    """The modules that are imported anywhere in a file, save for type checking only."""
    skipped = {id(child) for node in ast.walk(tree) if _for_types(node) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def room(name: str) -> str:
    """The room that a module belongs to: `collect/walk.py` -> `collect`, `types.py` -> `types`."""
    return name.split("/", maxsplit=1)[0].removesuffix(".py")
