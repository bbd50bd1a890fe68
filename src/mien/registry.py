"""Registries: names of detectors, embedders and so on, and what each of them stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from mien.errors import MissingExtra, UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind, each loaded on first use: `{"mtcnn": "mien.detection.mtcnn:MTCNN"}`.

    Other packages add names by entry points of the group `mien.KIND`. `extras` says which optional extra a name
    belongs to, so that a missing import can be answered with what to type. `own` gives what a name stands for that the
    user added, and `own_names` all of those.
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, str],
        extras: Mapping[str, str] | None = None,
        own: Callable[[str], T | None] = lambda _: None,
        own_names: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.kind = kind
        self._own, self._own_names = own, own_names
        self._entries = dict(entries)
        self._extras = dict(extras or {})

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=f"mien.{self.kind}")}

    def names(self) -> list[str]:
        """All names, the built-in ones first."""
        return [*self._entries, *(name for name in self._plugins if name not in self._entries), *self._own_names()]

    def __contains__(self, name: str) -> bool:
        return name in self._entries or name in self._plugins or self._own(name) is not None

    def load(self, name: str) -> T:
        """The object registered under a name.

        Raises:
            UnknownName: there is none; the message lists all names.
            MissingExtra: it needs a package that is not installed.
        """
        if name not in self:
            near = get_close_matches(name, self.names(), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UnknownName(f"there is no {self.kind} called {name!r}{hint} (there are: {', '.join(self.names())})")
        try:
            if name in self._entries:
                module, _, attribute = self._entries[name].partition(":")
                return cast(T, getattr(import_module(module), attribute))
            return cast(T, self._plugins[name].load() if name in self._plugins else self._own(name))
        except ModuleNotFoundError as error:
            extra = self._extras.get(name)
            package = f"'mien[{extra}]'" if extra else error.name
            message = f"{self.kind} {name!r} needs the package {error.name}: pip install {package}"
            raise MissingExtra(message) from error
