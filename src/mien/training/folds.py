"""Which photos must stay together, and the folds that they are assigned to."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mien.errors import DataError
from mien.models.head import Doubles
from mien.text import join_names
from mien.types import Ints

NEAR = 0.2
"""Vectors closer than this share of the data's root-mean-square distance are taken for copies of one photo.

Measured with dlib's embedder on photos of Labeled Faces in the Wild: the share is a distance of 0.11 there. Copies of a
photo (JPEG quality 50 to 85, half or double the size, cropped by 5 %, brightened) lie within 0.11 in 95 of 100 cases;
the nearest two different photos of one person lie 0.13 apart. Neighbouring frames of a film lie within 0.08 in 95 of
100.
"""

TRAIN_ONLY = -1
"""The fold of photos that are never tested on: their class would otherwise vanish from training."""

_CHUNK = 512
_Edges = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Vectors (n, d) of length 1, the numbers of their labels (n,), and what must stay on one side of a split.

    `groups` holds one name or None per row, or is None altogether.
    """

    vectors: Doubles
    y: Ints
    labels: tuple[str, ...]
    groups: Sequence[str | None] | None = None

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Which photos stay together: `of` (n,) gives each its unit, 0 to `number` - 1, numbered by first appearance.

    `copies` counts photos that joined another by likeness or content; `notes` says what could not be kept together.
    """

    of: Ints
    number: int
    copies: int
    notes: tuple[str, ...] = ()

    def among(self, rows: Ints) -> Units:
        """The units of some of the rows, renumbered."""
        of = np.unique(self.of[rows], return_inverse=True)[1].astype(np.int64)
        return Units(of, _number(of) if len(of) else 0, 0)


def find_units(samples: Samples) -> Units:
    """Samples -> what stays together: rows of one group, equal vectors, and near-duplicate vectors.

    Groups are ignored where every class is a single group, as when the group is the person to be recognised; likeness
    is ignored within a class whose photos are all alike, where copies cannot be told apart. Equal vectors are copies
    for certain, and always stay together.

    Raises:
        DataError: each class holds copies of one photo only, so that nothing can be held back for a test.
    """
    n, k = len(samples), len(samples.labels)
    same = _equal_rows([vector.tobytes() for vector in samples.vectors])
    grouped = _join(n, [same, _equal_rows(samples.groups)])
    notes = []
    if samples.groups is not None and (_units_per_class(grouped, samples.y, k) < 2).all():
        notes.append("every class is one group, so groups were not kept together")
        grouped = _join(n, [same])
    several = _units_per_class(grouped, samples.y, k) >= 2
    if not several.any():
        raise DataError("each class holds copies of one photo only: add different photos")
    joined = _join_near(grouped, samples.vectors, np.zeros(n, dtype=bool))
    alike = _units_per_class(joined, samples.y, k) < 2
    if alike.any():
        joined = _join_near(grouped, samples.vectors, alike[samples.y])
    if suspects := [samples.labels[j] for j in np.flatnonzero(alike & several)]:
        notes.append(
            f"all photos of {join_names(suspects)} are nearly alike: if they are copies of one, results are optimistic"
        )
    copies = n - _number(_join(n, [same])) + _number(grouped) - _number(joined)
    return Units(joined, _number(joined), copies, tuple(notes))


def units_for_test(samples: Samples, folds: int, seeds: Sequence[int]) -> Units:
    """Samples -> units that, with each of these seeds, leave photos to test on in two folds at least.

    Groups are ignored where they leave none, as when each class was seen in one group only.

    Raises:
        DataError: no photo can be held back for a test, with groups or without.
    """
    units = find_units(samples)
    if _leave_a_test(samples, units, folds, seeds):
        return units
    if samples.groups is not None:
        units = find_units(replace(samples, groups=None))
        note = "groups were split, since keeping them together leaves no photo to test on: results are optimistic"
        if _leave_a_test(samples, units, folds, seeds):
            return replace(units, notes=(note, *units.notes))
    raise DataError("too few photos differ from each other to keep some back for testing: add different photos")


def leaves_a_test(fold: Ints) -> bool:
    """Whether there are photos to test on in two folds at least."""
    return len(np.unique(fold[fold != TRAIN_ONLY])) >= 2


def assign_folds(y: Ints, units: Units, folds: int, seed: int) -> Ints:
    """Class numbers (n,) and units -> a fold for each row (n,), or `TRAIN_ONLY`.

    A unit never straddles two folds, the classes are spread evenly, and whichever fold is held back, every class
    is left in training. There are at most `folds` folds, and no more than units in the largest class.
    """
    k = int(y.max()) + 1
    counts = np.zeros((units.number, k))
    np.add.at(counts, (units.of, y), 1)
    folds = int(np.clip((counts > 0).sum(axis=0).max(), 2, folds))
    counts /= counts.sum(axis=0)
    order = np.random.default_rng(seed).permutation(units.number)
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    load, fold = np.zeros((folds, k)), np.zeros(units.number, dtype=np.int64)
    for i in order:
        share = counts[i]
        # The rise of the summed squares: a class goes where it is thinnest, and an even choice to the emptiest fold.
        rise = load @ share + 1e-9 * load.sum(axis=1)
        fold[i] = int(np.argmin(rise))
        load[fold[i]] += share
    return _keep_every_class(y, units, fold[units.of])


def describe_folds(samples: Samples, units: Units, fold: Ints) -> list[str]:
    """What the user should know about how the photos were split for testing."""
    notes = []
    if units.copies:
        notes.append(f"{units.copies} photos are copies of others, or nearly so: they stay on one side of each split")
    whole = [name for j, name in enumerate(samples.labels) if (fold[samples.y == j] == TRAIN_ONLY).all()]
    if whole:
        why = "are one group, or copies of one photo"
        notes.append(f"all photos of {join_names(whole)} {why}: they were trained on but not tested")
    return notes


def _leave_a_test(samples: Samples, units: Units, folds: int, seeds: Sequence[int]) -> bool:
    return all(leaves_a_test(assign_folds(samples.y, units, folds, seed)) for seed in seeds)


def _keep_every_class(y: Ints, units: Units, fold: Ints) -> Ints:
    fold = fold.copy()
    for j in range(int(y.max()) + 1):
        rows = np.flatnonzero(y == j)
        if len(np.unique(fold[rows])) == 1:
            fold[np.isin(units.of, units.of[rows])] = TRAIN_ONLY
    return fold


def _units_per_class(of: Ints, y: Ints, k: int) -> Ints:
    return np.array([len(np.unique(of[y == j])) for j in range(k)], dtype=np.int64)


def _equal_rows(values: Sequence[Hashable] | None) -> _Edges:
    first: dict[Hashable, int] = {}
    known = [(i, value) for i, value in enumerate(values or ()) if value is not None]
    ends = [first.setdefault(value, i) for i, value in known]
    return np.array([i for i, _ in known], dtype=np.int64), np.array(ends, dtype=np.int64)


def _join_near(of: Ints, vectors: Doubles, apart: npt.NDArray[np.bool_]) -> Ints:
    """Units -> units with near-duplicates joined, except where either row stays `apart`."""
    centred = vectors - vectors.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    bound = NEAR**2 * 2 * squares.mean()  # the mean squared distance of two rows is twice their variance
    low = centred.astype(np.float32)
    for start in range(0, len(low), _CHUNK):
        block = slice(start, start + _CHUNK)
        distance = squares[block, None] + squares[None, start:] - 2 * (low[block] @ low[start:].T)
        i, j = (ends + start for ends in np.nonzero(distance <= bound))
        keep = (j > i) & ~apart[i] & ~apart[j]
        if keep.any():  # merged block by block, so that copies by the thousand do not fill the memory with edges
            of = _merge(of, (i[keep], j[keep]))
    return of


def _join(n: int, edges: Sequence[_Edges]) -> Ints:
    left, right = (np.concatenate([pair[side] for pair in edges]) for side in (0, 1))
    graph = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n, n))
    component = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def _merge(of: Ints, edges: _Edges) -> Ints:
    first = np.unique(of, return_index=True)[1]
    return _join(len(of), [(np.arange(len(of)), first[of]), edges])


def _number(of: Ints) -> int:
    return int(of.max()) + 1
