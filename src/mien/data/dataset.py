"""What reading labelled data gives and takes; knows no file and no form of data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from mien.errors import DataError
from mien.types import Origin, PhotoRef


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What the user may say about labelled data.

    images: the folder that a table's file names start from (the table's own folder when None).
    target: the column that holds the label (found by its name when None).
    labels: a table that labels the photos of a folder.
    loose: whether photos of a folder that lie in no label folder stay in, without a label.
    """

    images: Path | None = None
    target: str | None = None
    labels: Path | None = None
    loose: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Labelled photos in a fixed order, with unique keys.

    refs: the photos; those of a Parquet file are read as they are asked for, so go over them once, in order.
    origins: what is known of each photo, in the same order and without reading any.
    notes: what a person should know about how the data was read, one sentence each.
    """

    refs: Sequence[PhotoRef]
    origins: Sequence[Origin]
    notes: Sequence[str]

    @classmethod
    def of(cls, refs: Sequence[PhotoRef], notes: Iterable[str]) -> DataSet:
        """Photos that are all at hand."""
        return cls(refs, [ref.origin for ref in refs], list(notes))

    @property
    def labels(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted({origin.label for origin in self.origins if origin.label is not None})

    @property
    def splits(self) -> list[str]:
        """The official splits that the data has, sorted."""
        return sorted({origin.split for origin in self.origins if origin.split is not None})

    def only(self, split: str) -> DataSet:
        """The photos of one official split.

        Raises:
            DataError: the data has no such split.
        """
        kept = [i for i, origin in enumerate(self.origins) if origin.split == split]
        if not kept:
            there = f"its splits are: {', '.join(self.splits)}" if self.splits else "it has none"
            raise DataError(f"the data has no split {split!r} ({there})")
        return DataSet(Subset(self.refs, kept), [self.origins[i] for i in kept], self.notes)


@dataclass(frozen=True, slots=True)
class Subset(Sequence[PhotoRef]):
    """Some photos of a sequence, in rising order; gone over by going once over the whole."""

    refs: Sequence[PhotoRef]
    kept: Sequence[int]

    def __len__(self) -> int:
        return len(self.kept)

    @overload
    def __getitem__(self, index: int) -> PhotoRef: ...
    @overload
    def __getitem__(self, index: slice) -> Subset: ...
    def __getitem__(self, index: int | slice) -> PhotoRef | Subset:
        return Subset(self.refs, self.kept[index]) if isinstance(index, slice) else self.refs[self.kept[index]]

    def __iter__(self) -> Iterator[PhotoRef]:
        kept = set(self.kept)
        return (ref for i, ref in enumerate(self.refs) if i in kept)
