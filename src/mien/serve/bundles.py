"""The bundles of a folder, opened, and opened anew when they change; knows no request.

Whoever is being answered keeps the bundle that they began with: a new one takes its place for the next. A bundle that
cannot be opened leaves the one before it in use, and is told in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from mien.errors import MienError, UnknownName
from mien.models import builtin_traits
from mien.pipeline.classifier import Classifier, load, open_trait
from mien.store.bundle import CARD, REPORT, SUFFIX

_EVERY = 1.0  # seconds between two looks at the folder
_GONE = 3  # looks in a row at which it is not there: while it is replaced, a bundle is missing for a moment
_MANIFEST = "bundle.json"

_log = logging.getLogger("mien.serve")
_numbers = count()

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A bundle in use; `number` tells it from one of the same name before it. trait: whether it comes with mien."""

    name: str
    recogniser: Classifier
    trait: bool
    number: int = field(default_factory=lambda: next(_numbers))

    def as_json(self) -> dict[str, Any]:
        """What is told of a bundle."""
        bundle, spec = self.recogniser.bundle, self.recogniser.spec
        manifest = bundle.manifest
        return {
            "name": self.name,
            "trait": self.trait,
            "labels": list(self.recogniser.head.labels),
            "recipe": str(manifest.get("recipe", "")),
            "detector": spec.detector,
            "embedder": spec.embedder,
            "faces": spec.faces,
            "created": str(manifest.get("created", "")),
            "card": bundle.has(CARD),
            "report": bundle.has(REPORT),
        }


@dataclass(slots=True)
class _Watched:
    stamp: _Stamp | None = None
    missed: int = 0


class Bundles:
    """The built-in traits, and what a folder holds; `changed` hears the name of what was opened anew."""

    def __init__(self, folder: Path | None, changed: Callable[[str], None] = lambda _: None) -> None:
        self._folder, self._changed = folder, changed
        self._traits: dict[str, Opened] = {}
        self._own: dict[str, Opened] = {}
        self._watched: dict[str, _Watched] = {}
        self._turn = Lock()
        self._ending = Event()
        self._thread: Thread | None = None

    def open(self) -> None:
        """Open all, and watch the folder from now on."""
        for name in builtin_traits.enabled_traits():
            try:
                self._traits[name] = Opened(name, open_trait(name), trait=True)
            except MienError as error:
                _log.warning("a trait is left out", extra={"fields": {"trait": name, "why": str(error)}})
        if self._folder is not None:
            self.look()
            self._thread = Thread(target=self._watch, name="mien-bundles", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def all(self) -> list[Opened]:
        """Every bundle there is, the built-in ones first; the folder's own goes before a built-in one of its name."""
        found = {**self._traits, **self._own}
        return sorted(found.values(), key=lambda each: (not each.trait, each.name))

    def get(self, name: str) -> Opened:
        """The bundle of that name, as it is now.

        Raises:
            UnknownName: there is none.
        """
        found = self._own.get(name) or self._traits.get(name)
        if found is None:
            raise UnknownName("there is no such bundle: GET /v1/bundles lists those that there are")
        return found

    def look(self) -> None:
        """See what is new in the folder, what changed, and what is gone."""
        if self._folder is None:
            return
        with self._turn:
            there = {path.name.removesuffix(SUFFIX): path for path in sorted(self._folder.glob(f"*{SUFFIX}"))}
            for name, path in there.items():
                self._see(name, path)
            for name in self._watched.keys() - there.keys():
                self._miss(name)

    def _see(self, name: str, path: Path) -> None:
        watched = self._watched.setdefault(name, _Watched())
        stamp = _stamp(path)
        if stamp is None:
            self._miss(name)
            return
        watched.missed = 0
        if stamp == watched.stamp:
            return
        watched.stamp = stamp
        try:
            opened = Opened(name, load(path), trait=False)
            opened.recogniser.spec.ready()
        except MienError as error:
            _log.warning("a bundle cannot be used", extra={"fields": {"bundle": name, "why": str(error)}})
            return
        if _stamp(path) != stamp:  # it was replaced while it was read
            watched.stamp = None
            return
        self._own = {**self._own, name: opened}
        self._changed(name)
        _log.info("a bundle is in use", extra={"fields": {"bundle": name}})

    def _miss(self, name: str) -> None:
        watched = self._watched[name]
        watched.missed += 1
        if watched.missed >= _GONE:
            self._watched.pop(name)
            self._own = {key: opened for key, opened in self._own.items() if key != name}
            _log.info("a bundle is gone", extra={"fields": {"bundle": name}})

    def _watch(self) -> None:
        while not self._ending.wait(_EVERY):
            try:
                self.look()
            except OSError as error:
                _log.warning("the bundles cannot be looked at", extra={"fields": {"why": str(error)}})


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = (path / _MANIFEST).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
