"""The shape of the code: sizes of modules and functions, parameters, what may not be imported, and what names say."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from statistics import median, quantiles

from tests.house.source import ROOT, functions, imports, module_name, public_functions, room, sources, trees

MODULE_MEDIAN, MODULE_MAX = (110, 160), 400
FRAGMENT_LINES = 40
FUNCTION_P90, FUNCTION_MAX = 30, 80
PARAMETERS_P90, PARAMETERS_MAX = 4, 8
FILES_MAX = 194
LINES_MAX = 31_600  # the goal is 25,000: lower it with every change that makes room
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def p90(values: list[int]) -> float:
    return quantiles(values, n=10, method="inclusive")[-1]


def above(sizes: Mapping[str, int], maximum: int) -> dict[str, int]:
    """The items that are too large, for the message of a failure."""
    return {name: size for name, size in sizes.items() if size > maximum}


def lines() -> dict[str, int]:
    """The lines of every module that is not empty."""
    return {name: text.count("\n") for name, text in sources().items() if text.strip()}


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, *, keyword_only: bool = True) -> int:
    """How many arguments a caller may pass, `self` and `cls` aside, with or without those that are keyword-only."""
    positional = [*node.args.posonlyargs, *node.args.args]
    bound = bool(positional) and positional[0].arg in ("self", "cls")
    named = len(positional) - bound + (len(node.args.kwonlyargs) if keyword_only else 0)
    return named + bool(node.args.vararg) + bool(node.args.kwarg)


def importers() -> dict[str, set[str]]:
    """Every module of the package -> the modules that import it or a name from it."""
    names = {module_name(file): file for file in sources()}
    users: dict[str, set[str]] = {file: set() for file in sources()}
    for file, tree in trees().items():
        for imported in imports(tree, types=True, members=True):
            if imported in names:
                users[names[imported]].add(file)
    return users


def test_modules_have_at_most_400_lines() -> None:
    assert above(lines(), MODULE_MAX) == {}


def test_a_module_in_the_median_has_110_to_160_lines() -> None:
    low, high = MODULE_MEDIAN
    assert low <= median(lines().values()) <= high


def test_no_small_module_serves_one_module_beside_it() -> None:
    """Save for the command line, which has a file for each verb, and for migrations."""
    fragments = {}
    for file, users in importers().items():
        folder, _, name = file.rpartition("/")
        small = 0 < sources()[file].count("\n") < FRAGMENT_LINES
        excepted = folder in ("", "cli") or folder.endswith("migrations/versions") or name == "__init__.py"
        if small and not excepted and len(users) == 1 and users <= set(_beside(folder)):
            fragments[file] = sorted(users)
    assert fragments == {}


def _beside(folder: str) -> list[str]:
    """The modules in that folder."""
    return [file for file in sources() if file.rpartition("/")[0] == folder]


def test_the_package_stays_small() -> None:
    assert len(sources()) <= FILES_MAX
    assert sum(lines().values()) <= LINES_MAX


def test_functions_stay_small() -> None:
    sizes = {f"{where}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1 for where, node in functions()}
    assert above(sizes, FUNCTION_MAX) == {}
    assert p90(list(sizes.values())) <= FUNCTION_P90


def test_functions_take_few_parameters() -> None:
    """A verb's options are its parameters: neither the command line nor keyword-only options of `mien.VERB` count."""
    public = public_functions()
    sizes = {
        f"{where}:{node.lineno}": parameters(node, keyword_only=where not in public)
        for where, node in functions()
        if room(where) != "cli"
    }
    assert above(sizes, PARAMETERS_MAX) == {}
    assert p90(list(sizes.values())) <= PARAMETERS_P90


def test_only_the_command_line_prints() -> None:
    calls = [
        f"{name}:{node.lineno}"
        for name, tree in trees().items()
        if room(name) != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input")
    ]
    assert calls == []


def test_pickles_are_never_loaded() -> None:
    imported = {name: PICKLES & {module.split(".")[0] for module in imports(tree)} for name, tree in trees().items()}
    assert {name: modules for name, modules in imported.items() if modules} == {}
    allowed = [name for name, text in sources().items() if re.search(r"allow_pickle\s*=\s*True", text)]
    assert allowed == []


def test_no_work_is_left_as_a_todo() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [name for name, text in sources().items() if marks.search(text)] == []


def test_no_module_is_called_utils_or_the_like() -> None:
    vague = {"utils", "util", "common", "core", "helpers", "helper", "base", "misc"}
    parts = {name: set(name.removesuffix(".py").split("/")) & vague for name in sources()}
    assert {name: words for name, words in parts.items() if words} == {}


def test_every_module_has_a_docstring() -> None:
    assert [name for name, tree in trees().items() if not ast.get_docstring(tree)] == []


def test_every_room_has_tests() -> None:
    rooms = {room(name) for name in sources()} - {"__init__", "errors"}
    untested = [
        name
        for name in sorted(rooms)
        if not (ROOT / "tests" / f"test_{name}.py").exists() and not list((ROOT / "tests" / name).glob("test_*.py"))
    ]
    assert untested == []
