"""A tree over labels, as written in TOML."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.text import join_names
from mien.types import UNKNOWN

_DEEPEST = 16
_PLANS = files("mien.training") / "plans"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A question of the tree: which of its children is it?

    path: the names from the root's child down to this node; () is the root. children: each child's name, and the labels
    below it; a label has itself.
    """

    path: tuple[str, ...]
    children: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """Its path, as `male/plain`; the root is `root`."""
        return "/".join(self.path) or "root"

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels below the node."""
        return tuple(label for labels in self.children.values() for label in labels)

    def child_of(self) -> dict[str, str]:
        """Each label below the node -> the child that it is below."""
        return {label: child for child, labels in self.children.items() for label in labels}


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The questions of a tree, each before those below it; `name` is its file or plan."""

    name: str
    nodes: tuple[Node, ...]

    @property
    def leaves(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(sorted(self.nodes[0].labels))

    def steps(self, label: str) -> list[tuple[int, str]]:
        """A label -> its path from the root: numbers of nodes, and which child to take at each."""
        nodes = ((i, node.child_of()) for i, node in enumerate(self.nodes))
        return [(i, child[label]) for i, child in nodes if label in child]

    def check(self, labels: Sequence[str]) -> None:
        """Raise DataError, naming the difference, unless the data has the tree's labels; strangers do not count."""
        data, own = set(labels) - {UNKNOWN}, set(self.leaves)
        parts = []
        if missing := sorted(data - own):
            parts.append(f"the tree lacks {join_names(missing)}, which the data has")
        if unused := sorted(own - data):
            parts.append(f"the data lacks {join_names(unused)}, which the tree has")
        if parts:
            raise DataError(f"{self.name} does not fit the data: {', and '.join(parts)}")

    def as_json(self) -> list[Any]:
        """The tree as strict JSON: a list of labels and of `{name: [...]}` for branches."""
        return _nested({node.path: node for node in self.nodes}, ())


def plans() -> tuple[str, ...]:
    """The names of the trees that are shipped."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _PLANS.iterdir() if file.name.endswith(".toml")))


def open_tree(what: str | Path) -> Tree:
    """A file, or the name of a shipped plan -> the tree.

    Raises:
        DataError: there is no such file or plan, or it is not a tree over labels; the message says where and why.
    """
    name = str(what)
    if name in plans():
        return parse((_PLANS / f"{name}.toml").read_bytes(), f"the plan {name}")
    try:
        data = Path(what).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"there is no file and no plan called {name} (plans: {', '.join(plans())})") from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error
    return parse(data, name)


def parse(data: bytes, name: str) -> Tree:
    """The bytes of a TOML file called `name` -> the tree in its table or list `tree`.

    A table's keys are names of branches; a list holds labels, and tables of further branches.

    Raises:
        DataError: it is not TOML, or not a tree over labels; the message says where and why.
    """
    try:
        content = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not TOML: {error}") from error
    if list(content) != ["tree"]:
        problem = f"has {join_names(sorted(map(repr, content)))}" if content else "is empty"
        raise DataError(f"{name} {problem}: it must have one table, [tree], and nothing else")
    try:
        nodes = _walk(content["tree"], ())
        _check_names(nodes)
    except ValueError as error:
        raise DataError(f"{name}: {error}") from error
    return Tree(name, tuple(nodes))


def _walk(branch: object, path: tuple[str, ...]) -> list[Node]:
    children: dict[str, tuple[str, ...]] = {}
    nodes: list[Node] = []
    for name, inner in _children(branch, path):
        below = [] if inner is None else _walk(inner, (*path, name))
        children[name] = below[0].labels if below else (name,)
        nodes += below
    return [Node(path, children), *nodes]


def _children(branch: object, path: tuple[str, ...]) -> list[tuple[str, object]]:
    """A branch as written -> its children, each with what is below it; None for a label."""
    where = ".".join(("tree", *path))
    children: list[tuple[str, object]] = []
    for item in branch if isinstance(branch, list) else [branch]:
        if isinstance(item, dict):
            children += item.items()
        elif isinstance(item, str) and isinstance(branch, list):
            children.append((item, None))
        else:
            advice = "write labels in quotes, in a list of at least two, and further branches as a table"
            raise ValueError(f"{where} holds {item!r:.40}: {advice}")  # noqa: TRY004  (callers catch one kind of error)
    _check_children([name for name, _ in children], where)
    if len(path) > _DEEPEST:
        raise ValueError(f"{where} is more than {_DEEPEST} branches deep")
    return children


def _check_children(names: list[str], where: str) -> None:
    if not names:
        raise ValueError(f"{where} is empty: add at least two labels or branches")
    if len(names) == 1:
        raise ValueError(f"{where} has only one child, {names[0]!r}: add another")
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise ValueError(f"{where} names {join_names(list(map(repr, twice)))} twice")
    for name in names:
        if not name.strip() or name == UNKNOWN:
            why = "it is the answer for strangers" if name.strip() else "a name must not be empty"
            raise ValueError(f"{where} has a child called {name!r}: {why}")


def _check_names(nodes: Sequence[Node]) -> None:
    labels = Counter(nodes[0].labels)
    if twice := [label for label, n in labels.items() if n > 1]:
        raise ValueError(f"{join_names(list(map(repr, twice)))} is in the tree twice: a label has one place")
    if both := sorted({node.path[-1] for node in nodes[1:]} & labels.keys()):
        raise ValueError(f"{join_names(list(map(repr, both)))} is both a branch and a label: rename the branch")


def _nested(nodes: Mapping[tuple[str, ...], Node], path: tuple[str, ...]) -> list[Any]:
    items: list[Any] = []
    for child in nodes[path].children:
        below = (*path, child)
        items.append({child: _nested(nodes, below)} if below in nodes else child)
    return items
