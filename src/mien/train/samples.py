"""The labelled vectors that a head is trained on, checked and put in order; knows no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.errors import DataError
from mien.models.head import Doubles, unit
from mien.types import UNKNOWN, Floats, Ints
from mien.words import listed

FEW = 20
"""A class with fewer photos is warned about."""


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
class Prepared:
    """What to train on, strangers, and what to validate on where the data names it (`held_name`: "val" or "test").

    `held` (m, d) are of length 1, and strangers are among them. `train_rows`, `stranger_rows` and `held_rows` tell
    which of the rows that came each of theirs was.
    """

    train: Samples
    train_rows: Ints
    strangers: Doubles
    stranger_rows: Ints
    held: Doubles | None
    held_rows: Ints
    held_name: str | None
    notes: tuple[str, ...]


def prepare(
    vectors: Floats,
    labels: Sequence[str],
    groups: Sequence[str | None] | None = None,
    splits: Sequence[str | None] | None = None,
) -> Prepared:
    """Rows as they came -> rows to train on, in an order of their own, so that the order they came in changes nothing.

    Rows labelled `UNKNOWN` are strangers. Where the data names splits, "train" and unnamed rows are trained on, "val"
    (or "test", where there is no "val") is kept for validation, and the rest is left alone.

    Raises:
        DataError: there is nothing to train on; the sentence says why and what to do.
    """
    _check(vectors, labels, groups, splits)
    roles = [split or "train" for split in splits or [None] * len(labels)]
    train = [i for i in _order(vectors, labels, groups) if roles[i] == "train"]
    if not train:
        raise DataError("no photo belongs to the training split: name some 'train' in the data, or drop the splits")
    named = [i for i in train if labels[i] != UNKNOWN]
    strangers = [i for i in train if labels[i] == UNKNOWN]
    names = _classes([labels[i] for i in named])
    held_name = next((name for name in ("val", "test") if name in roles), None)
    kept_back = [i for i, role in enumerate(roles) if role == held_name]
    others = {labels[i] for i in kept_back} - {*names, UNKNOWN}
    held = [i for i in kept_back if labels[i] not in others]
    if all(labels[i] == UNKNOWN for i in held):
        held = []
    return Prepared(
        train=_take(named, vectors, labels, names, groups),
        train_rows=np.array(named, dtype=np.int64),
        strangers=unit(vectors[strangers]),
        stranger_rows=np.array(strangers, dtype=np.int64),
        held=unit(vectors[held]) if held else None,
        held_rows=np.array(held, dtype=np.int64),
        held_name=held_name if held else None,
        notes=(*_few([labels[i] for i in named]), *_untrained(others, held_name)),
    )


def _check(
    vectors: Floats,
    labels: Sequence[str],
    groups: Sequence[str | None] | None,
    splits: Sequence[str | None] | None,
) -> None:
    if len(labels) == 0:
        raise DataError("there is no photo with a face to train on: check the folder, or look at what was rejected")
    if vectors.ndim != 2:
        raise ValueError(f"vectors of shape (n, d) are needed, not {vectors.shape}")
    for what, rows in (("labels", labels), ("groups", groups), ("splits", splits)):
        if rows is not None and len(rows) != len(vectors):
            raise ValueError(f"{len(vectors)} vectors, but {len(rows)} {what}")
    broken = int((~np.isfinite(vectors)).any(axis=1).sum())
    if broken:
        raise DataError(f"{broken} of {len(vectors)} vectors hold values that are not finite: embed the photos anew")


def _order(vectors: Floats, labels: Sequence[str], groups: Sequence[str | None] | None) -> list[int]:
    def key(i: int) -> tuple[str, bytes, str]:
        return labels[i], vectors[i].tobytes(), (groups[i] if groups is not None else None) or ""

    return sorted(range(len(labels)), key=key)


def _classes(labels: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(labels)
    if len(counts) < 2:
        there = f"only one class, {next(iter(counts))!r}" if counts else "no class"
        raise DataError(f"there is {there} in the training data: a classifier needs photos of at least two")
    single = sorted(name for name, n in counts.items() if n == 1)
    if single:
        raise DataError(
            f"only one photo of {listed(single)} can be used: add photos there, or take the class out of the data"
        )
    return tuple(sorted(counts))


def _take(
    rows: list[int],
    vectors: Floats,
    labels: Sequence[str],
    names: tuple[str, ...],
    groups: Sequence[str | None] | None,
) -> Samples:
    number = {name: i for i, name in enumerate(names)}
    y = np.array([number[labels[i]] for i in rows], dtype=np.int64)
    return Samples(unit(vectors[rows]), y, names, None if groups is None else [groups[i] for i in rows])


def _few(labels: Sequence[str]) -> list[str]:
    counts = Counter(labels)
    few = sorted(name for name, n in counts.items() if n < FEW)
    if not few:
        return []
    shown = listed([f"{name} ({counts[name]})" for name in few])
    return [f"fewer than {FEW} photos of {shown}: with more, the answers become surer"]


def _untrained(others: set[str], held_name: str | None) -> list[str]:
    if not others:
        return []
    return [f"the {held_name} split also holds {listed(sorted(others))}, not in training: left out of the validation"]
