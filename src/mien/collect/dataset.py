"""What reading labelled data gives and takes; knows no file and no form of data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.types import Origin, PhotoRef


@dataclass(frozen=True, slots=True)
class DataOptions:
    """What the user may say about labelled data.

    images: the folder that a table's file names start from (the table's own folder when None).
    target: the column that holds the label (found by its name when None).
    labels: a table that labels the photos of a folder.
    """

    images: Path | None = None
    target: str | None = None
    labels: Path | None = None


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
