"""Finds the file that a table means by a name: as written, or under another suffix; reads folders, opens no file."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from mien.data.walk import PICTURES, readable
from mien.text import join_names, pluralize


class Files:
    """The files below one folder, looked up by name; remembers which were missing or found under another suffix."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = lru_cache(maxsize=None)(self._list)
        self.missing: list[str] = []
        self.renamed: list[tuple[str, str]] = []

    def find(self, name: str) -> tuple[str, Path]:
        """File name as a table has it -> key, path; a file that is not there keeps its name and is told as missing."""
        wanted = PurePosixPath(name.replace("\\", "/"))
        folder = str(wanted.parent)
        exact, by_stem = self._names(folder)
        real = exact.get(_plain(wanted.name))
        if real is None:
            alike = by_stem.get(_plain(wanted.stem), [])
            if len(alike) == 1:
                real = alike[0]
                self.renamed.append((wanted.name, readable(real)))
        key = str(wanted if real is None else wanted.with_name(readable(real)))
        if real is None:
            self.missing.append(key)
        return key, self._root / folder / (real or wanted.name)

    def notes(self, table: str) -> Iterator[str]:
        """A sentence on other suffixes, and one on files that are not there."""
        if self.renamed:
            asked, got = self.renamed[0]
            many = pluralize(len(self.renamed), "photo")
            yield f"found {many} of {table} under another suffix, such as {got} for {asked}"
        if self.missing:
            many = pluralize(len(self.missing), "photo")
            verb = "is" if len(self.missing) == 1 else "are"
            yield f"{many} named in {table} {verb} not there: {join_names(self.missing)}"

    def _list(self, folder: str) -> tuple[dict[str, str], dict[str, list[str]]]:
        """The names in one folder, and its pictures by stem, both in Unicode's composed form."""
        exact: dict[str, str] = {}
        by_stem: dict[str, list[str]] = {}
        try:
            names = sorted(os.listdir(self._root / folder))  # noqa: PTH208  (names are all that is needed)
        except OSError:
            names = []
        for name in names:
            exact[_plain(name)] = name
            if name.lower().endswith(PICTURES):
                by_stem.setdefault(_plain(PurePosixPath(name).stem), []).append(name)
        return exact, by_stem


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)
