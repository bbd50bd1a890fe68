"""Tables of names: loading, plug-ins, and the sentences for what is not there."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from mien import registry
from mien.errors import MissingExtra, UnknownName
from mien.registry import Registry


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """Entry points as another package would declare them, by group."""
    declared: list[EntryPoint] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [entry for entry in declared if entry.group == group]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    return declared


def table(**extras: str) -> Registry[Any]:
    entries = {"join": "posixpath:join", "gone": "no_such_package.part:Thing", "odd": "posixpath:no_such_attribute"}
    return Registry("path_tool", entries, extras)


def test_a_name_is_loaded_from_where_it_is_written(plugins: list[EntryPoint]) -> None:
    assert table().load("join")("a", "b") == "a/b"
    assert "join" in table()
    assert "split" not in table()


def test_other_packages_add_names_after_ours(plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("split", "posixpath:split", "mien.path_tool"))
    plugins.append(EntryPoint("else", "posixpath:split", "mien.other"))
    assert table().names() == ["join", "gone", "odd", "split"]
    assert table().load("split")("a/b") == ("a", "b")
    assert "else" not in table()


def test_ours_wins_over_a_plugin_of_the_same_name(plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("join", "posixpath:split", "mien.path_tool"))
    assert table().names().count("join") == 1
    assert table().load("join")("a", "b") == "a/b"


def test_an_unknown_name_lists_what_there_is_and_guesses(plugins: list[EntryPoint]) -> None:
    with pytest.raises(
        UnknownName, match=r"no path_tool called 'jion'; did you mean join\? \(there are: join, gone, odd"
    ):
        table().load("jion")
    with pytest.raises(UnknownName, match=r"no path_tool called 'xyz' \(there are: "):
        table().load("xyz")


def test_a_missing_package_says_which_extra_brings_it(plugins: list[EntryPoint]) -> None:
    with pytest.raises(MissingExtra, match=r"'gone' needs the package no_such_package: pip install 'mien\[train\]'"):
        table(gone="train").load("gone")


def test_a_missing_package_without_an_extra_is_named(plugins: list[EntryPoint]) -> None:
    with pytest.raises(MissingExtra, match="pip install no_such_package"):
        table().load("gone")


def test_a_missing_package_of_a_plugin_is_named_too(plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("far", "no_such_package:Thing", "mien.path_tool"))
    with pytest.raises(MissingExtra, match="pip install no_such_package"):
        table().load("far")


def test_a_mistake_in_the_table_is_not_hidden(plugins: list[EntryPoint]) -> None:
    with pytest.raises(AttributeError):
        table().load("odd")


def test_real_entry_points_are_asked() -> None:
    assert Registry("no_such_kind", {"join": "posixpath:join"}).names() == ["join"]


def test_names_that_users_add_come_last(plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("split", "posixpath:split", "mien.path_tool"))
    own = {"mine": len, "split": min}
    found: Registry[Any] = Registry("path_tool", {"join": "posixpath:join"}, own=own.get, own_names=lambda: ["mine"])
    assert found.names() == ["join", "split", "mine"]
    assert "mine" in found
    assert found.load("mine")([1, 2]) == 2
    assert found.load("split")("a/b") == ("a", "b")
    with pytest.raises(UnknownName, match=r"did you mean mine\? \(there are: join, split, mine\)"):
        found.load("mien")
