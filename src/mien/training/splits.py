"""Which rows of labelled data are learnt from, which are held out, and which are strangers'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.errors import DataError
from mien.models.head import Doubles, unit
from mien.text import join_names
from mien.training.folds import Samples, assign_folds, describe_folds, units_for_test
from mien.types import UNKNOWN, Floats, Ints

HELD_OUT = "held-out"
"""The method of figures that were measured on a part of the training photos which was kept back."""

FEW = 20
"""A class with fewer photos is warned about."""

_TEST_FOLDS = 5  # a fifth is kept back for the test, where the data names no split for it
_STOP_FOLDS, _MOST_STOP_ROWS = 10, 2000  # a tenth for early stopping, and no more than so many
_LONG, _DIRECTIONS = 1024, 256  # 30,000 long vectors in double precision would fill the memory
_THUMBNAIL = 16  # pixels a side, for finding copies
_PREFIX = 256  # bytes

Groups = Sequence[str | None] | None


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """Row numbers by what they are for, and the classes.

    train (n,): learnt from, of the classes `y` (n,), numbers of `labels`. strangers: photos of nobody known. held:
    kept back for validation, strangers among them, where the data names such a split (`held_name`: "val" or "test").
    """

    train: Ints
    y: Ints
    labels: tuple[str, ...]
    strangers: Ints
    held: Ints
    held_name: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class HeadData:
    """The vectors of a head, by role: to train on, strangers, and to validate on where the data names such a split.

    `held` (m, d) have length 1, and strangers are among them. `train_rows`, `stranger_rows` and `held_rows` are the
    numbers of the input rows. held_name: "val" or "test".
    """

    train: Samples
    train_rows: Ints
    strangers: Doubles
    stranger_rows: Ints
    held: Doubles | None
    held_rows: Ints
    held_name: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DataSplit:
    """Row numbers to learn from, for early stopping, and to test on; copies and groups stay on one side.

    method: "val" or "test", the split that the data names, or `HELD_OUT`. training_only: rows of classes that are too
    small, or whose photos are too much alike, to be tested on.
    """

    train: Ints
    stop: Ints
    test: Ints
    method: str
    units: int
    copies: int
    training_only: int
    notes: tuple[str, ...]

    @property
    def unseen(self) -> Ints:
        """The rows for early stopping that were not learnt from as well: what a threshold can be set by."""
        return np.setdiff1d(self.stop, self.train)


def assign_splits(
    inputs: npt.NDArray[Any], labels: Sequence[str], groups: Groups = None, splits: Groups = None
) -> Roles:
    """Input rows -> their roles, in an order that does not depend on the order of the input.

    Rows labelled `UNKNOWN` are strangers. Where the data names splits, "train" and unnamed rows are trained on, "val"
    (or "test", where there is no "val") is kept for validation, and the rest is ignored.

    Raises:
        DataError: there is nothing to train on; the sentence says why and what to do.
    """
    _check(inputs, labels, groups, splits)
    roles = [split or "train" for split in splits or [None] * len(labels)]
    train = [i for i in _order(inputs, labels, groups) if roles[i] == "train"]
    if not train:
        raise DataError("no photo is in the training split: mark some as 'train' in the data, or remove the splits")
    known = [i for i in train if labels[i] != UNKNOWN]
    names = _classes([labels[i] for i in known])
    held_name = next((name for name in ("val", "test") if name in roles), None)
    candidates = [i for i, role in enumerate(roles) if role == held_name]
    untrained = {labels[i] for i in candidates} - {*names, UNKNOWN}
    held = [i for i in candidates if labels[i] not in untrained]
    if all(labels[i] == UNKNOWN for i in held):
        held = []
    number = {name: j for j, name in enumerate(names)}
    return Roles(
        train=_rows(known),
        y=_rows(number[labels[i]] for i in known),
        labels=names,
        strangers=_rows(i for i in train if labels[i] == UNKNOWN),
        held=_rows(held),
        held_name=held_name if held else None,
        notes=(
            *_few_photos([labels[i] for i in known]),
            *_untrained(untrained, held_name),
            *_copies(inputs, train, held, held_name),
        ),
    )


def prepare(vectors: Floats, labels: Sequence[str], groups: Groups = None, splits: Groups = None) -> HeadData:
    """Vectors (n, d) and their labels -> what a head is trained on, by the roles of `assign_splits`.

    Raises:
        DataError: there is nothing to train on; the sentence says why and what to do.
    """
    if len(labels) and vectors.ndim != 2:
        raise ValueError(f"vectors must have the shape (n, d), not {vectors.shape}")
    roles = assign_splits(vectors, labels, groups, splits)
    own = None if groups is None else [groups[i] for i in roles.train]
    return HeadData(
        train=Samples(unit(vectors[roles.train]), roles.y, roles.labels, own),
        train_rows=roles.train,
        strangers=unit(vectors[roles.strangers]),
        stranger_rows=roles.strangers,
        held=unit(vectors[roles.held]) if roles.held_name else None,
        held_rows=roles.held,
        held_name=roles.held_name,
        notes=roles.notes,
    )


def train_val_test_split(inputs: npt.NDArray[Any], roles: Roles, groups: Groups, seed: int) -> DataSplit:
    """Crops or vectors and their roles -> the split of a network; the same for every network of one seed.

    Raises:
        DataError: the photos are too few, or too much alike, for any to be held back.
    """
    own = None if groups is None else [groups[i] for i in roles.train]
    samples = Samples(likeness(inputs[roles.train]), roles.y, roles.labels, own)
    units = units_for_test(samples, _TEST_FOLDS, (seed,))
    fold = assign_folds(roles.y, units, _TEST_FOLDS, seed)
    tested = np.full(len(fold), False) if roles.held_name else fold == _largest(fold)
    rest = np.flatnonzero(~tested)
    parts = max(_STOP_FOLDS, -(-len(rest) // _MOST_STOP_ROWS))
    stop = assign_folds(roles.y[rest], units.among(rest), parts, seed) == 0
    # Where the data names what is tested on, all folds are learnt from, and no class goes untested for this.
    notes = [*units.notes, *describe_folds(samples, units, fold * 0 if roles.held_name else fold)]
    if stop.any():
        train = rest[~stop]
    else:
        stop, train = np.full(len(rest), True), rest
        notes.append("too few photos to keep some back for early stopping: training was stopped by its own photos")
    return DataSplit(
        train=roles.train[train],
        stop=roles.train[rest[stop]],
        test=roles.held if roles.held_name else roles.train[tested],
        method=roles.held_name or HELD_OUT,
        units=units.number,
        copies=units.copies,
        training_only=0 if roles.held_name else int((fold < 0).sum()),
        notes=tuple(notes),
    )


def likeness(inputs: npt.NDArray[Any]) -> Doubles:
    """Vectors (n, d), or crops (n, s, s) or (n, s, s, 3) -> (n, ...) of length 1, near each other where alike.

    Crops become grey thumbnails without their mean. Measured on FER2013 (48 px): copies in JPEG quality 50, of half the
    size, or brightened, lie within 0.03, 0.08 and 0.11 of the root-mean-square distance in 95 of 100 cases, cropped by
    2 % on each side within 0.24; of 32 million pairs of its photos 241 lie within 0.2, half of them exact copies.
    """
    if inputs.ndim == 2:
        return unit(_shorten(inputs))
    side = min(_THUMBNAIL, inputs.shape[1])
    edges = np.arange(side) * inputs.shape[1] // side
    widths = np.diff(np.append(edges, inputs.shape[1])).astype(np.float64)
    thumbnails = np.empty((len(inputs), side * side))
    for i, crop in enumerate(inputs):
        grey = crop.astype(np.float32) if crop.ndim == 2 else crop.mean(axis=2, dtype=np.float32)
        sums = np.add.reduceat(np.add.reduceat(grey, edges, axis=0), edges, axis=1)
        small = (sums / np.outer(widths, widths)).ravel()
        thumbnails[i] = small - small.mean()
    return unit(thumbnails)


def _shorten(vectors: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Vectors (n, d) -> where they are long, a random projection that keeps distances to a few per cent.

    Johnson and Lindenstrauss 1984; the directions are the same each time.
    """
    if vectors.shape[1] <= _LONG:
        return vectors
    directions = np.random.default_rng(0).standard_normal((vectors.shape[1], _DIRECTIONS), dtype=np.float32)
    return np.asarray(vectors @ directions)


def _largest(fold: Ints) -> int:
    """The fold to test on: the one with most rows, since small data may leave one empty."""
    return int(np.bincount(fold[fold >= 0]).argmax())


def _rows(numbers: Iterable[int]) -> Ints:
    return np.array(list(numbers), dtype=np.int64)


def _check(inputs: npt.NDArray[Any], labels: Sequence[str], groups: Groups, splits: Groups) -> None:
    if len(labels) == 0:
        raise DataError("there is no photo with a face to train on: check the folder, or look at what was rejected")
    for name, rows in (("labels", labels), ("groups", groups), ("splits", splits)):
        if rows is not None and len(rows) != len(inputs):
            raise ValueError(f"{len(inputs)} vectors, but {len(rows)} {name}")
    broken = 0 if inputs.dtype.kind != "f" else int((~np.isfinite(inputs)).any(axis=1).sum())
    if broken:
        raise DataError(f"{broken} of {len(inputs)} vectors hold values that are not finite: embed the photos again")


def _order(inputs: npt.NDArray[Any], labels: Sequence[str], groups: Groups) -> list[int]:
    def prefix(i: int) -> tuple[str, bytes]:
        return labels[i], inputs[i].tobytes()[:_PREFIX]

    def content(i: int) -> tuple[bytes, str]:
        return inputs[i].tobytes(), (groups[i] if groups is not None else None) or ""

    # By how rows begin, and only rows that begin alike by all of them: keys of whole crops would fill the memory.
    alike = groupby(sorted(range(len(labels)), key=prefix), key=prefix)
    return [i for _, rows in alike for i in sorted(rows, key=content)]


def _classes(labels: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(labels)
    if len(counts) < 2:
        present = f"only one class, {next(iter(counts))!r}," if counts else "no class"
        raise DataError(f"there is {present} in the training data: a classifier needs photos of at least two")
    if single := sorted(name for name, n in counts.items() if n == 1):
        raise DataError(
            f"only one photo of {join_names(single)} can be used: add photos, or remove the class from the data"
        )
    return tuple(sorted(counts))


def _few_photos(labels: Sequence[str]) -> list[str]:
    counts = Counter(labels)
    few = [f"{name} ({counts[name]})" for name in sorted(counts) if counts[name] < FEW]
    if not few:
        return []
    return [f"fewer than {FEW} photos of {join_names(few)}: more photos would make the answers more certain"]


def _untrained(labels: set[str], held_name: str | None) -> list[str]:
    if not labels:
        return []
    return [
        f"the {held_name} split also holds {join_names(sorted(labels))}, not in training: left out of the validation"
    ]


def _copies(inputs: npt.NDArray[Any], train: Sequence[int], held: Sequence[int], held_name: str | None) -> list[str]:
    """What to say of photos that the data's own splits put both into training and into validation."""
    if not held:
        return []
    learnt = {sha256(inputs[i].tobytes()).digest() for i in train}
    copies = sum(sha256(inputs[i].tobytes()).digest() in learnt for i in held)
    if not copies:
        return []
    return [
        f"{copies} of {len(held)} photos of the {held_name} split are in the training set too: results are optimistic"
    ]
