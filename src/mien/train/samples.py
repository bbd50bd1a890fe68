"""The labelled vectors that a head is trained on, checked and put in order; knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mien.models.head import Doubles, unit
from mien.train.roles import assign
from mien.types import Floats, Ints


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
    """Rows as they came -> rows to train on, strangers, and rows to validate on, as `assign` gives out their roles.

    Raises:
        DataError: there is nothing to train on; the sentence says why and what to do.
    """
    if len(labels) and vectors.ndim != 2:
        raise ValueError(f"vectors of shape (n, d) are needed, not {vectors.shape}")
    roles = assign(vectors, labels, groups, splits)
    return Prepared(
        train=Samples(
            unit(vectors[roles.train]),
            roles.y,
            roles.labels,
            None if groups is None else [groups[i] for i in roles.train],
        ),
        train_rows=roles.train,
        strangers=unit(vectors[roles.strangers]),
        stranger_rows=roles.strangers,
        held=unit(vectors[roles.held]) if roles.held_name else None,
        held_rows=roles.held,
        held_name=roles.held_name,
        notes=roles.notes,
    )
