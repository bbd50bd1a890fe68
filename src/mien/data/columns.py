"""Which column of a table means what, and what the names of splits mean; knows names only, and reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mien.errors import DataError

FILES = ("filename", "file_name", "file", "path", "file_path", "filepath", "image", "image_path", "image_id", "photo")
LABELS = ("label", "labels", "class", "category", "emotion", "expression", "person", "identity", "name")
_GROUPS = ("group", "subject", "person", "identity")
_SPLITS = ("split", "usage", "subset", "partition")
_LICENCES = ("licence", "license")

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
class Columns:
    """The columns that were chosen, by the names that the table itself uses."""

    label: str
    split: str | None = None
    group: str | None = None
    licence: str | None = None

    @property
    def names(self) -> list[str]:
        """All of them, each once."""
        chosen = (self.label, self.split, self.group, self.licence)
        return list(dict.fromkeys(name for name in chosen if name is not None))


def choose(columns: Sequence[str], target: str | None, table: str) -> Columns:
    """Names of columns -> what each means; `target` is the label's column where the user named one.

    Raises:
        DataError: no column holds labels; the message lists the columns that there are.
    """
    label = first_of(columns, (target,) if target else LABELS)
    if label is None:
        what = f"no column {target!r}" if target else "no column that is called like a label: name one with --target"
        raise DataError(f"{table} has {what} (its columns are: {', '.join(columns)})")
    others = [column for column in columns if column != label]
    return Columns(label, first_of(others, _SPLITS), first_of(others, _GROUPS), first_of(others, _LICENCES))


def doubts(columns: Sequence[str], target: str | None) -> list[str]:
    """A sentence where none is called `label`, more than one might hold it, and the user named none."""
    likely = [column for column in columns if column.strip().lower() in LABELS]
    chosen = first_of(columns, LABELS)
    if target or len(likely) < 2 or chosen == first_of(columns, LABELS[:2]):
        return []
    others = ", ".join(column for column in likely if column != chosen)
    return [f"took the column {chosen} for the label; --target names another, such as {others}"]


def first_of(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column that bears the earliest of these names, whatever its case."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name.lower()] for name in names if name.lower() in by_name), None)


def split_named(text: str) -> str | None:
    """`Training`, `validation`, `PrivateTest` ... -> `train`, `val` or `test`; None for anything else."""
    return _SPLIT_NAMES.get(text.strip().lower())
