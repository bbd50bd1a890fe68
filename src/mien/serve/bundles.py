"""The bundles of a folder, loaded, and loaded again when they change.

A request in progress keeps the bundle that it began with; a new one is used from the next request on. A bundle that
cannot be loaded leaves its predecessor in use, and a warning in the log.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from watchfiles import watch

from mien.errors import MienError
from mien.models import builtin_traits
from mien.pipeline.classifier import Classifier, load, open_trait
from mien.serve.problems import Problem
from mien.store.bundle import CARD, REPORT, SUFFIX

_INTERVAL = 1.0  # seconds between two checks of a bundle that is missing
_MISSES = 3  # checks until a missing bundle is gone; while it is replaced, it is missing for a moment
_MANIFEST = "bundle.json"

_log = logging.getLogger("mien.serve")
_numbers = count()

_Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedBundle:
    """A bundle in use. trait: whether it comes with mien. number: differs from that of its predecessors."""

    name: str
    classifier: Classifier
    trait: bool
    number: int = field(default_factory=lambda: next(_numbers))

    def as_json(self) -> dict[str, Any]:
        bundle, spec = self.classifier.bundle, self.classifier.spec
        return {
            "name": self.name,
            "trait": self.trait,
            "labels": list(self.classifier.head.labels),
            "recipe": str(bundle.manifest.get("recipe", "")),
            "detector": spec.detector,
            "embedder": spec.embedder,
            "faces": spec.faces,
            "created": str(bundle.manifest.get("created", "")),
            "card": bundle.has(CARD),
            "report": bundle.has(REPORT),
        }


class BundleFolder:
    """The built-in traits and the bundles of a folder. on_load: called with the name of each bundle loaded from it."""

    def __init__(self, folder: Path | None, on_load: Callable[[str], None] = lambda _: None) -> None:
        self._folder, self._on_load = folder, on_load
        self._traits: dict[str, LoadedBundle] = {}
        self._own: dict[str, LoadedBundle] = {}
        self._stamps: dict[str, _Stamp | None] = {}  # of the bundles as they were last read; None to read again
        self._misses: Counter[str] = Counter()
        self._lock = Lock()
        self._stop = Event()
        self._thread: Thread | None = None

    def open(self) -> None:
        """Load everything, and watch the folder from now on."""
        for name in builtin_traits.enabled_traits():
            try:
                self._traits[name] = LoadedBundle(name, open_trait(name), trait=True)
            except MienError as error:
                _log.warning("a trait is left out", extra={"trait": name, "why": str(error)})
        if self._folder is not None:
            self.refresh()
            self._thread = Thread(target=self._watch, args=(self._folder,), name="mien-bundles", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def all(self) -> list[LoadedBundle]:
        """Every bundle, the built-in ones first; one of the folder hides a built-in one of the same name."""
        bundles = {**self._traits, **self._own}
        return sorted(bundles.values(), key=lambda bundle: (not bundle.trait, bundle.name))

    def get(self, name: str) -> LoadedBundle:
        """The bundle of that name as it is now; a `Problem` if there is none."""
        bundle = self._own.get(name) or self._traits.get(name)
        if bundle is None:
            raise Problem(404, "no-such-bundle", "There is no bundle with this name: GET /v1/bundles lists all")
        return bundle

    def page(self, name: str, page: str) -> bytes:
        """The card or report of a bundle; a `Problem` if it has none."""
        data = self.get(name).classifier.bundle.page(page)
        if data is None:
            raise Problem(404, "no-such-page", "This bundle has no such page")
        return data

    def refresh(self) -> bool:
        """Load what is new or changed in the folder -> whether some bundle is missing or incomplete."""
        if self._folder is None:
            return False
        with self._lock:
            paths = {path.name.removesuffix(SUFFIX): path for path in sorted(self._folder.glob(f"*{SUFFIX}"))}
            for name, path in paths.items():
                self._check(name, path)
            for name in self._stamps.keys() - paths.keys():
                self._miss(name)
            return bool(self._misses) or None in self._stamps.values()

    def _check(self, name: str, path: Path) -> None:
        last, stamp = self._stamps.setdefault(name, None), _stamp(path)
        if stamp is None:
            self._miss(name)
            return
        self._misses.pop(name, None)
        if stamp == last:
            return
        self._stamps[name] = stamp
        try:
            bundle = LoadedBundle(name, load(path), trait=False)
            bundle.classifier.spec.ready()
        except MienError as error:
            _log.warning("a bundle cannot be used", extra={"bundle": name, "why": str(error)})
            return
        if _stamp(path) != stamp:  # it was replaced while it was read
            self._stamps[name] = None
            return
        self._own = {**self._own, name: bundle}
        self._on_load(name)
        _log.info("a bundle is in use", extra={"bundle": name})

    def _miss(self, name: str) -> None:
        self._misses[name] += 1
        if self._misses[name] >= _MISSES:
            del self._stamps[name], self._misses[name]
            self._own = {key: bundle for key, bundle in self._own.items() if key != name}
            _log.info("a bundle is gone", extra={"bundle": name})

    def _watch(self, folder: Path) -> None:
        while not self._stop.is_set():
            try:
                check = True  # the folder may have changed before the watch began
                for changed in self._changes(folder):
                    if changed or check:
                        check = self.refresh()
                    if not folder.is_dir():  # a new folder in its place needs a new watch
                        break
            except OSError as error:
                _log.warning("the folder of bundles cannot be read", extra={"why": str(error)})
            while not self._stop.wait(_INTERVAL) and not folder.is_dir():
                self.refresh()

    def _changes(self, folder: Path) -> Iterator[bool]:
        """True after each change of the folder, False after each interval without one."""
        for polling in (None, True):  # watchfiles' own choice first, then without inotify or its like
            try:
                for changes in watch(
                    folder,
                    debounce=400,
                    rust_timeout=int(1000 * _INTERVAL),
                    yield_on_timeout=True,
                    stop_event=self._stop,
                    raise_interrupt=False,
                    force_polling=polling,
                ):
                    yield bool(changes)
                return
            except OSError:  # such as all watches in use
                if polling:
                    raise


def _stamp(path: Path) -> _Stamp | None:
    """Changes when any file of a bundle does; None while there is no manifest."""
    try:
        (path / _MANIFEST).stat()
        files = [(file.name, file.stat()) for file in sorted(path.iterdir())]
    except OSError:
        return None
    return tuple((name, status.st_ino, status.st_mtime_ns, status.st_size) for name, status in files)
