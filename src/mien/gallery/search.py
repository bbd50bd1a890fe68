"""Who is likest to a face: templates in memory, searched exactly, or by their neighbourhood where they are many."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mien.registry import Registry
from mien.types import Floats, Ints

EXACT_UP_TO = 50_000
"""Templates that are compared one by one: a millisecond for a face; beyond, a table of neighbourhoods is kept."""

NOBODY = -1
"""The id where there are fewer templates than asked for."""

_TOGETHER = 64  # faces compared at once, so that a million likenesses each fit the memory


class Search(Protocol):
    """Templates (n, d) of length 1 by the ids of their people."""

    def __init__(self, ids: Ints, templates: Floats) -> None: ...

    def __len__(self) -> int: ...

    def nearest(self, faces: Floats, most: int) -> tuple[Floats, Ints]:
        """Faces (m, d) of length 1 -> the largest cosines (m, most) and whose they are, the largest first."""
        ...

    def update(self, gone: Ints, ids: Ints, templates: Floats) -> None:
        """Take some out, then put others in."""
        ...


_SEARCHES: Registry[type[Search]] = Registry(
    "search",
    {"exact": "mien.gallery.search:Exact", "neighbourhoods": "mien.gallery.neighbourhoods:Neighbourhoods"},
    {"neighbourhoods": "serve"},
)


def search_for(ids: Ints, templates: Floats) -> Search:
    """The search for so many templates."""
    return _SEARCHES.load("exact" if len(ids) <= EXACT_UP_TO else "neighbourhoods")(ids, templates)


def suits(search: Search) -> bool:
    """Whether a search is still the one for as many templates as it has come to hold."""
    return isinstance(search, Exact) == (len(search) <= EXACT_UP_TO)


class Exact:
    """Compares a face with every template."""

    def __init__(self, ids: Ints, templates: Floats) -> None:
        self._ids, self._templates = ids, np.ascontiguousarray(templates, np.float32)

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(self, faces: Floats, most: int) -> tuple[Floats, Ints]:
        cosines = np.full((len(faces), most), -1, np.float32)
        ids = np.full((len(faces), most), NOBODY, np.int64)
        found = min(most, len(self))
        for start in range(0, len(faces) if found else 0, _TOGETHER):
            likeness = faces[start : start + _TOGETHER] @ self._templates.T
            best = np.argpartition(-likeness, found - 1, axis=1)[:, :found]
            scores = np.take_along_axis(likeness, best, axis=1)
            order = np.argsort(-scores, axis=1, kind="stable")
            cosines[start : start + _TOGETHER, :found] = np.take_along_axis(scores, order, axis=1)
            ids[start : start + _TOGETHER, :found] = self._ids[np.take_along_axis(best, order, axis=1)]
        return cosines, ids

    def update(self, gone: Ints, ids: Ints, templates: Floats) -> None:
        stay = ~np.isin(self._ids, gone)
        kept = self._templates[stay] if len(self) else templates[:0]
        self._ids = np.concatenate([self._ids[stay], ids])
        self._templates = np.concatenate([kept, templates.reshape(len(ids), -1) if len(ids) else kept[:0]])
