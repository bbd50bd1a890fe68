"""The project's own files, as the tests of the house read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mien

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
    """Every function and method with its place: `data/walk.py:walk`."""
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.name}", node


def public_functions() -> set[str]:
    """The places of what `mien` exports: functions (`flows/train.py:train`), and the methods of classes.

    A verb counts before it is exported, too: the function in `flows` that is named like its file.
    """
    exported = {name for name in dir(mien) if not name.startswith("_")}
    verbs = {
        where
        for where, _ in functions()
        if room(where) == "flows" and where.rpartition(":")[2] in {*exported, Path(where.rpartition(":")[0]).stem}
    }
    return verbs | {
        f"{name}:{method.name}"
        for name, tree in trees().items()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name in exported
        for method in node.body
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
    }


def imports(tree: ast.Module, *, types: bool = False, members: bool = False) -> Iterator[str]:
    """The modules that a file imports anywhere.

    With `types` also those under TYPE_CHECKING; with `members` also `a.b` for `from a import b`: b may be a module.
    """
    skipped = {id(child) for node in ast.walk(tree) if _for_types(node) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if not types and id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            if members:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def module_name(file: str) -> str:
    """`data/folders.py` -> `mien.data.folders`, `data/__init__.py` -> `mien.data`."""
    return "mien." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room(name: str) -> str:
    """The room that a module belongs to: `data/walk.py` -> `data`, `types.py` -> `types`."""
    return name.split("/", maxsplit=1)[0].removesuffix(".py")
