"""Which rows a network learns from, is stopped by and is measured on; knows no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.models.head import Doubles, unit
from mien.train.roles import Roles
from mien.train.samples import Samples
from mien.train.split import deal_folds, describe_deal, units_to_test
from mien.types import Ints

HELD_OUT = "held-out"
"""The method of figures that were measured on a part of the training photos which was kept back."""

_TEST_FOLDS = 5  # a fifth is kept back to be measured on, where the data names no split for it
_STOP_FOLDS, _STOP_MOST = 10, 2000  # a tenth to stop by, and no more than so many
_LONG, _DIRECTIONS = 1024, 256  # 30,000 long vectors in double precision would fill the memory
_SIDE = 16  # of the thumbnails by which copies are found


@dataclass(frozen=True, slots=True, eq=False)
class Deal:
    """Row numbers: to learn from, to stop by, and to measure on; near-duplicates and groups are on one side.

    method: "val" or "test", the split that the data names, or `HELD_OUT`. training_only: rows of classes that are too
    small or too alike to be measured on.
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
        """The rows to stop by, less those that had to be learnt from too: what a threshold can be set by."""
        return np.setdiff1d(self.stop, self.train)


def deal(inputs: npt.NDArray[Any], roles: Roles, groups: Sequence[str | None] | None, seed: int) -> Deal:
    """Crops or vectors and their roles -> what each row is for; the same for every network of one seed.

    Raises:
        DataError: the photos are too few, or too much alike, for any to be held back.
    """
    together = None if groups is None else [groups[i] for i in roles.train]
    samples = Samples(likeness(inputs[roles.train]), roles.y, roles.labels, together)
    units = units_to_test(samples, _TEST_FOLDS, (seed,))
    fold = deal_folds(roles.y, units, _TEST_FOLDS, seed)
    tested = np.full(len(fold), False) if roles.held_name else fold == _largest(fold)
    rest = np.flatnonzero(~tested)
    parts = max(_STOP_FOLDS, -(-len(rest) // _STOP_MOST))
    stop = deal_folds(roles.y[rest], units.among(rest), parts, seed) == 0
    # Where the data names what is measured on, all folds are learnt from, and no class goes untested for this.
    notes = [*units.notes, *describe_deal(samples, units, fold * 0 if roles.held_name else fold)]
    if not stop.any():
        stop, learnt = np.full(len(rest), True), rest
        notes.append("too few photos to stop training by any: it was stopped by those that it learnt from")
    else:
        learnt = rest[~stop]
    return Deal(
        train=roles.train[learnt],
        stop=roles.train[rest[stop]],
        test=roles.held if roles.held_name else roles.train[tested],
        method=roles.held_name or HELD_OUT,
        units=units.number,
        copies=units.copies,
        training_only=0 if roles.held_name else int((fold < 0).sum()),
        notes=tuple(notes),
    )


def likeness(inputs: npt.NDArray[Any]) -> Doubles:
    """Vectors (n, d), or crops (n, s, s) or (n, s, s, 3) -> (n, ...) of length 1, near to each other where alike.

    Crops become grey thumbnails without their mean. Measured on FER2013 (48 px): copies in JPEG quality 50, of half the
    size, or brightened, lie within 0.03, 0.08 and 0.11 of the root-mean-square distance in 95 of 100 cases, cropped by
    2 % on each side within 0.24; of 32 million pairs of its photos 241 lie within 0.2, half of them exact copies.
    """
    if inputs.ndim == 2:
        return unit(_shorter(inputs))
    side = min(_SIDE, inputs.shape[1])
    edges = np.arange(side) * inputs.shape[1] // side
    widths = np.diff(np.append(edges, inputs.shape[1])).astype(np.float64)
    made = np.empty((len(inputs), side * side))
    for i, crop in enumerate(inputs):
        grey = crop.astype(np.float32) if crop.ndim == 2 else crop.mean(axis=2, dtype=np.float32)
        sums = np.add.reduceat(np.add.reduceat(grey, edges, axis=0), edges, axis=1)
        small = (sums / np.outer(widths, widths)).ravel()
        made[i] = small - small.mean()
    return unit(made)


def _shorter(vectors: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Vectors (n, d) -> their projection to few directions where they are long, which keeps distances to some per cent.

    Johnson and Lindenstrauss 1984; the directions are the same each time.
    """
    if vectors.shape[1] <= _LONG:
        return vectors
    directions = np.random.default_rng(0).standard_normal((vectors.shape[1], _DIRECTIONS), dtype=np.float32)
    return np.asarray(vectors @ directions)


def _largest(fold: Ints) -> int:
    """The fold to be measured on: the one with most rows, since small data may leave one empty."""
    return int(np.bincount(fold[fold >= 0]).argmax())
