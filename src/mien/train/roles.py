"""Which rows of labelled data are learnt from, which are kept back, and which are strangers'; knows no model."""

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
from mien.text import join_names
from mien.types import UNKNOWN, Ints

_PREFIX = 256  # bytes

FEW = 20
"""A class with fewer photos is warned about."""


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """Numbers of the rows that came, by what they are for, and the classes.

    train (n,): learnt from, of the classes `y` (n,), numbers of `labels`. strangers: nobody's photos. held: kept back
    for validation, strangers among them, where the data names such a split (`held_name`: "val" or "test").
    """

    train: Ints
    y: Ints
    labels: tuple[str, ...]
    strangers: Ints
    held: Ints
    held_name: str | None
    notes: tuple[str, ...]


def assign(
    inputs: npt.NDArray[Any],
    labels: Sequence[str],
    groups: Sequence[str | None] | None = None,
    splits: Sequence[str | None] | None = None,
) -> Roles:
    """Rows as they came -> their roles, in an order of their own, so that the order they came in changes nothing.

    Rows labelled `UNKNOWN` are strangers. Where the data names splits, "train" and unnamed rows are trained on, "val"
    (or "test", where there is no "val") is kept for validation, and the rest is left alone.

    Raises:
        DataError: there is nothing to train on; the sentence says why and what to do.
    """
    _check(inputs, labels, groups, splits)
    roles = [split or "train" for split in splits or [None] * len(labels)]
    train = [i for i in _order(inputs, labels, groups) if roles[i] == "train"]
    if not train:
        raise DataError("no photo belongs to the training split: name some 'train' in the data, or drop the splits")
    named = [i for i in train if labels[i] != UNKNOWN]
    names = _classes([labels[i] for i in named])
    held_name = next((name for name in ("val", "test") if name in roles), None)
    kept_back = [i for i, role in enumerate(roles) if role == held_name]
    others = {labels[i] for i in kept_back} - {*names, UNKNOWN}
    held = [i for i in kept_back if labels[i] not in others]
    if all(labels[i] == UNKNOWN for i in held):
        held = []
    number = {name: j for j, name in enumerate(names)}
    return Roles(
        train=_rows(named),
        y=_rows(number[labels[i]] for i in named),
        labels=names,
        strangers=_rows(i for i in train if labels[i] == UNKNOWN),
        held=_rows(held),
        held_name=held_name if held else None,
        notes=(
            *_few([labels[i] for i in named]),
            *_untrained(others, held_name),
            *_copied(inputs, train, held, held_name),
        ),
    )


def _rows(numbers: Iterable[int]) -> Ints:
    return np.array(list(numbers), dtype=np.int64)


def _check(
    inputs: npt.NDArray[Any],
    labels: Sequence[str],
    groups: Sequence[str | None] | None,
    splits: Sequence[str | None] | None,
) -> None:
    if len(labels) == 0:
        raise DataError("there is no photo with a face to train on: check the folder, or look at what was rejected")
    for what, rows in (("labels", labels), ("groups", groups), ("splits", splits)):
        if rows is not None and len(rows) != len(inputs):
            raise ValueError(f"{len(inputs)} vectors, but {len(rows)} {what}")
    broken = 0 if inputs.dtype.kind != "f" else int((~np.isfinite(inputs)).any(axis=1).sum())
    if broken:
        raise DataError(f"{broken} of {len(inputs)} vectors hold values that are not finite: embed the photos anew")


def _order(inputs: npt.NDArray[Any], labels: Sequence[str], groups: Sequence[str | None] | None) -> list[int]:
    def begun(i: int) -> tuple[str, bytes]:
        return labels[i], inputs[i].tobytes()[:_PREFIX]

    def whole(i: int) -> tuple[bytes, str]:
        return inputs[i].tobytes(), (groups[i] if groups is not None else None) or ""

    # By how rows begin, and only rows that begin alike by all of them: keys of whole crops would fill the memory.
    alike = groupby(sorted(range(len(labels)), key=begun), key=begun)
    return [i for _, rows in alike for i in sorted(rows, key=whole)]


def _classes(labels: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(labels)
    if len(counts) < 2:
        there = f"only one class, {next(iter(counts))!r}" if counts else "no class"
        raise DataError(f"there is {there} in the training data: a classifier needs photos of at least two")
    single = sorted(name for name, n in counts.items() if n == 1)
    if single:
        raise DataError(
            f"only one photo of {join_names(single)} can be used: add photos there, or take the class out of the data"
        )
    return tuple(sorted(counts))


def _few(labels: Sequence[str]) -> list[str]:
    counts = Counter(labels)
    few = sorted(name for name, n in counts.items() if n < FEW)
    if not few:
        return []
    shown = join_names([f"{name} ({counts[name]})" for name in few])
    return [f"fewer than {FEW} photos of {shown}: with more, the answers become surer"]


def _untrained(others: set[str], held_name: str | None) -> list[str]:
    if not others:
        return []
    return [
        f"the {held_name} split also holds {join_names(sorted(others))}, not in training: left out of the validation"
    ]


def _copied(inputs: npt.NDArray[Any], train: Sequence[int], held: Sequence[int], held_name: str | None) -> list[str]:
    """What to say of photos that are both learnt from and measured on, where the data's own splits have them so."""
    if not held:
        return []
    learnt = {sha256(inputs[i].tobytes()).digest() for i in train}
    copies = sum(sha256(inputs[i].tobytes()).digest() in learnt for i in held)
    if not copies:
        return []
    return [f"photos of the {held_name} split that are also in training: {copies} of {len(held)}; the figures flatter"]
