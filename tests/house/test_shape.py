"""The shape that the code is to keep: small files, small functions, few parameters, and as much test as source."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from statistics import median, quantiles

from tests.house.source import ROOT, functions, imports, room, sources, trees

FILE_MEDIAN, FILE_MOST = 150, 400
FUNCTION_USUAL, FUNCTION_MOST = 30, 80
PARAMETERS_USUAL, PARAMETERS_MOST = 4, 8
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def ninetieth(values: list[int]) -> float:
    return quantiles(values, n=10, method="inclusive")[-1]


def longest(sizes: Mapping[str, int], most: int) -> dict[str, int]:
    """Those that are too large, for the message of a failure."""
    return {name: size for name, size in sizes.items() if size > most}


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many things a caller may pass; `self` and `cls` are not among them."""
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    own = bool(named) and named[0].arg in ("self", "cls")
    return len(named) - own + bool(node.args.vararg) + bool(node.args.kwarg)


def test_files_stay_small() -> None:
    sizes = {name: text.count("\n") for name, text in sources().items() if text.strip()}
    assert longest(sizes, FILE_MOST) == {}
    assert median(sizes.values()) <= FILE_MEDIAN


def test_functions_stay_small() -> None:
    sizes = {f"{where}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1 for where, node in functions()}
    assert longest(sizes, FUNCTION_MOST) == {}
    assert ninetieth(list(sizes.values())) <= FUNCTION_USUAL


def test_functions_take_few_parameters() -> None:
    """A verb's options are its parameters, so the command line is not measured."""
    sizes = {f"{where}:{node.lineno}": parameters(node) for where, node in functions() if room(where) != "cli"}
    assert longest(sizes, PARAMETERS_MOST) == {}
    assert ninetieth(list(sizes.values())) <= PARAMETERS_USUAL


def test_only_the_command_line_prints() -> None:
    calls = [
        f"{name}:{node.lineno}"
        for name, tree in trees().items()
        if room(name) != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input")
    ]
    assert calls == []


def test_nothing_is_read_back_as_a_pickle() -> None:
    found = {name: PICKLES & {module.split(".")[0] for module in imports(tree)} for name, tree in trees().items()}
    assert {name: modules for name, modules in found.items() if modules} == {}
    allowed = [name for name, text in sources().items() if re.search(r"allow_pickle\s*=\s*True", text)]
    assert allowed == []


def test_there_is_at_least_as_much_test_as_source() -> None:
    tests = sum(file.read_text("utf-8").count("\n") for file in (ROOT / "tests").rglob("*.py"))
    assert tests >= sum(text.count("\n") for text in sources().values())


def test_nothing_is_put_off() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [name for name, text in sources().items() if marks.search(text)] == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "common", "core", "helpers", "helper", "base", "misc"}
    parts = {name: set(name.removesuffix(".py").split("/")) & drawers for name in sources()}
    assert {name: found for name, found in parts.items() if found} == {}


def test_every_module_says_what_it_knows() -> None:
    assert [name for name, tree in trees().items() if not ast.get_docstring(tree)] == []


def test_every_room_has_tests_of_its_name() -> None:
    rooms = {room(name) for name in sources()} - {"__init__", "errors"}
    untested = [
        name
        for name in sorted(rooms)
        if not (ROOT / "tests" / f"test_{name}.py").exists() and not list((ROOT / "tests" / name).glob("test_*.py"))
    ]
    assert untested == []
