"""Labelled data once it is read: the data set, the options for reading it, and groups of variants."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import overload

from mien.errors import DataError
from mien.text import original_stem, parse_variant
from mien.types import Origin, PhotoRef

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "publictest": "val",  # FER2013's two tests: the public one was there to choose by, the private one to be judged on
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}


@dataclass(frozen=True, slots=True)
class DataOptions:
    """How to read labelled data.

    images: the folder that a table's file names start from (the table's own folder when None).
    target: the column of the label (found by its name when None).
    labels: a table that labels the photos of a folder.
    loose: keep photos outside the label folders, without a label.
    """

    images: Path | None = None
    target: str | None = None
    labels: Path | None = None
    loose: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Labelled photos in a fixed order, with unique keys.

    refs: the photos; those of a Parquet file are read on demand, so iterate over them once, in order.
    origins: what is known about each photo, in the same order, without reading any.
    notes: what the user should know about how the data was read, one sentence each.
    """

    refs: Sequence[PhotoRef]
    origins: Sequence[Origin]
    notes: Sequence[str]

    @classmethod
    def of(cls, refs: Sequence[PhotoRef], notes: Iterable[str]) -> DataSet:
        """Photos that are all in memory or on disk."""
        return cls(refs, [ref.origin for ref in refs], list(notes))

    @property
    def labels(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted({origin.label for origin in self.origins if origin.label is not None})

    @property
    def splits(self) -> list[str]:
        """The official splits of the data, sorted."""
        return sorted({origin.split for origin in self.origins if origin.split is not None})

    def only(self, split: str) -> DataSet:
        """The photos of one official split; raises DataError where the data has none of that name."""
        kept = [i for i, origin in enumerate(self.origins) if origin.split == split]
        if not kept:
            there = f"its splits are: {', '.join(self.splits)}" if self.splits else "it has none"
            raise DataError(f"the data has no split {split!r} ({there})")
        return DataSet(Subset(self.refs, kept), [self.origins[i] for i in kept], self.notes)


@dataclass(frozen=True, slots=True)
class Subset(Sequence[PhotoRef]):
    """Some photos of a sequence, in rising order; iterating reads the whole sequence once."""

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


def group_variants(refs: Sequence[PhotoRef]) -> list[PhotoRef]:
    """Photos -> the same, with a photo and its variants (`x`, `x~07`) of one folder in one group, by their names.

    A variant is named after its photo's stem or, where two photos share that, after its whole name. Groups that the
    data names stay as they are, and a photo without variants gets none.
    """
    paths = [PurePosixPath(unicodedata.normalize("NFC", ref.key)) for ref in refs]
    families = {_family(path) for path in paths if parse_variant(path.stem)}
    groups = (next((name for name in (str(path), _family(path)) if name in families), None) for path in paths)
    return [
        ref if ref.origin.group or group is None else replace(ref, origin=replace(ref.origin, group=group))
        for ref, group in zip(refs, groups, strict=True)
    ]


def _family(path: PurePosixPath) -> str:
    return str(path.with_name(original_stem(path.stem)))


def parse_split(text: str) -> str | None:
    """`Training`, `validation`, `PrivateTest` ... -> `train`, `val` or `test`; None for anything else."""
    return _SPLIT_NAMES.get(text.strip().lower())
