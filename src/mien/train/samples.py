"""The labelled vectors that a head is trained on, checked and put in order; knows no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.errors import DataError
from mien.models.head import Doubles, unit
from mien.types import UNKNOWN, Floats, Ints

FEW = 20
"""A class with fewer photos is warned about."""

_SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Vectors (n, d) of length 1, the numbers of their labels (n,), and what must stay on one side of a split.

    `groups` and `hashes` hold one name or None per row, or are None altogether.
    """

    vectors: Doubles
    y: Ints
    labels: tuple[str, ...]
    groups: Sequence[str | None] | None = None
    hashes: Sequence[str | None] | None = None

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What to train on, what to validate on where the data names it (`held_name`: "val" or "test"), and strangers.

    `train_rows` and `held_rows` tell which of the rows that came each of theirs was.
    """

    train: Samples
    train_rows: Ints
    held: Samples | None
    held_rows: Ints
    held_name: str | None
    strangers: Doubles
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Clues:
    """What is known of each row beside its label: a group, a split, a content hash; None where nothing is."""

    groups: Sequence[str | None] | None = None
    splits: Sequence[str | None] | None = None
    hashes: Sequence[str | None] | None = None


def prepare(vectors: Floats, labels: Sequence[str], clues: Clues, strangers: Floats | None) -> Prepared:
    """Rows as they came -> rows to train on, in an order of their own, so that the order they came in changes nothing.

    Rows labelled `UNKNOWN` are strangers. Where the data names splits, "train" and unnamed rows are trained on, "val"
    (or "test", where there is no "val") is kept for validation, and the rest is left alone.

    Raises:
        DataError: there is nothing to train on; the sentence says why and what to do.
    """
    _check(vectors, labels, clues)
    unfamiliar = vectors[:0] if strangers is None else strangers
    _check_vectors(unfamiliar, vectors.shape[1])
    roles = [_role(split) for split in clues.splits] if clues.splits is not None else ["train"] * len(labels)
    train = [i for i in _order(vectors, labels, clues) if roles[i] == "train"]
    if not train:
        raise DataError("no photo belongs to the training split: name some 'train' in the data, or drop the splits")
    named = [i for i in train if labels[i] != UNKNOWN]
    names = _classes([labels[i] for i in named])
    held_name = next((name for name in ("val", "test") if name in roles), None)
    held = [i for i, role in enumerate(roles) if role == held_name and labels[i] in names]
    extra = vectors[[i for i in train if labels[i] == UNKNOWN]]
    others = {labels[i] for i, role in enumerate(roles) if role == held_name} - set(names) - {UNKNOWN}
    return Prepared(
        train=_take(named, vectors, labels, names, clues),
        train_rows=np.array(named, dtype=np.int64),
        held=_take(held, vectors, labels, names, clues) if held else None,
        held_rows=np.array(held, dtype=np.int64),
        held_name=held_name if held else None,
        strangers=unit(_rows_in_order(np.concatenate([extra, unfamiliar]))),
        notes=(*_few([labels[i] for i in named]), *_untrained(others, held_name)),
    )


def _check(vectors: Floats, labels: Sequence[str], clues: Clues) -> None:
    if len(labels) == 0:
        raise DataError("there is no photo with a face to train on: check the folder, or look at what was rejected")
    for what, rows in (
        ("labels", labels),
        ("groups", clues.groups),
        ("splits", clues.splits),
        ("hashes", clues.hashes),
    ):
        if rows is not None and len(rows) != len(vectors):
            raise ValueError(f"{len(vectors)} vectors, but {len(rows)} {what}")
    _check_vectors(vectors, None)


def _check_vectors(vectors: Floats, dimension: int | None) -> None:
    if vectors.ndim != 2 or vectors.shape[1] != (dimension or vectors.shape[1]):
        raise ValueError(f"vectors of shape (n, {dimension or 'd'}) are needed, not {vectors.shape}")
    broken = int((~np.isfinite(vectors)).any(axis=1).sum())
    if broken:
        raise DataError(f"{broken} of {len(vectors)} vectors hold values that are not finite: embed the photos anew")


def _role(split: str | None) -> str:
    plain = (split or "train").strip().lower()
    return next((role for role, words in _SPLITS.items() if plain in words), plain)


def _order(vectors: Floats, labels: Sequence[str], clues: Clues) -> list[int]:
    def key(i: int) -> tuple[str, bytes, str, str]:
        group = clues.groups[i] if clues.groups is not None else None
        content = clues.hashes[i] if clues.hashes is not None else None
        return labels[i], vectors[i].tobytes(), group or "", content or ""

    return sorted(range(len(labels)), key=key)


def _rows_in_order(vectors: Floats) -> Floats:
    return vectors[sorted(range(len(vectors)), key=lambda i: vectors[i].tobytes())]


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


def _take(rows: list[int], vectors: Floats, labels: Sequence[str], names: tuple[str, ...], clues: Clues) -> Samples:
    number = {name: i for i, name in enumerate(names)}

    def pick(values: Sequence[str | None] | None) -> list[str | None] | None:
        return None if values is None else [values[i] for i in rows]

    y = np.array([number[labels[i]] for i in rows], dtype=np.int64)
    return Samples(unit(vectors[rows]), y, names, pick(clues.groups), pick(clues.hashes))


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


def listed(names: Sequence[str]) -> str:
    """Up to five names, and how many more there are."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
