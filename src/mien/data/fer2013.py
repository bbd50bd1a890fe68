"""Reads `fer2013.csv` as Kaggle ships it: 48 x 48 grey pixels as text in each row.

Columns `emotion` (0 to 6), `pixels` and `Usage`, of Goodfellow et al., "Challenges in Representation Learning", 2013.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mien.data.dataset import DataOptions, DataSet, parse_split
from mien.data.tables import find_column, rows
from mien.errors import DataError
from mien.text import join_names, pluralize
from mien.types import Origin, PhotoRef

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SIDE = 48

_LABELS = {str(number): name for number, name in enumerate(EMOTIONS)}
_HEADER = f"P5 {SIDE} {SIDE} 255\n".encode()


def is_fer2013(columns: Sequence[str]) -> bool:
    """Whether a table of these columns is FER2013's."""
    return find_column(columns, ("emotion",)) is not None and find_column(columns, ("pixels",)) is not None


def read(data: Path, options: DataOptions) -> DataSet:
    """fer2013.csv -> data set of PGM pictures, keys `NAME#row`, in the table's order.

    A row with broken pixels stays in, to be rejected as unreadable; one without a label is left out.

    Raises:
        DataError: it cannot be read, or has no row with a label.
    """
    del options  # the columns are fixed
    lines = rows(data)
    _, names = next(lines)
    emotion, pixels, usage = (find_column(names, (name,)) for name in ("emotion", "pixels", "usage"))
    assert emotion is not None
    assert pixels is not None
    refs: list[PhotoRef] = []
    unlabelled: list[int] = []
    broken: list[int] = []
    no_split: list[int] = []
    for index, (number, cells) in enumerate(lines):
        row = dict(zip(names, cells, strict=False))
        label = _LABELS.get(row[emotion])
        if label is None:
            unlabelled.append(number)
            continue
        text = row.get(pixels, "")
        picture = _pgm(text)
        if picture is None:
            broken.append(number)
        split = parse_split(row.get(usage, "")) if usage else None
        if usage and split is None:
            no_split.append(number)
        origin = Origin(f"{data.name}#{index}", label, split)
        refs.append(PhotoRef(origin, data=text.encode() if picture is None else picture))
    if not refs:
        raise DataError(f"{data} has no row with an emotion of 0 to 6")
    return DataSet.of(refs, list(_notes(data.name, unlabelled, broken, no_split)))


def _pgm(text: str) -> bytes | None:
    """Pixels as text -> binary PGM; None if they are not 48 x 48 numbers of 0 to 255."""
    if not (text.isascii() and text.replace(" ", "").isdecimal()):
        return None
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    if len(values) != SIDE * SIDE or values.max() > 255:
        return None
    return _HEADER + values.astype(np.uint8).tobytes()


def _notes(name: str, unlabelled: Sequence[int], broken: Sequence[int], no_split: Sequence[int]) -> Iterator[str]:
    if unlabelled:
        rows = f"{pluralize(len(unlabelled), 'row')} of {name}"
        yield f"left out {rows} without an emotion of 0 to 6: line {join_names(unlabelled)}"
    for numbers, trouble in ((broken, "broken pixels"), (no_split, "no known split and will be used for training")):
        if numbers:
            rows = f"{pluralize(len(numbers), 'row')} of {name} {'has' if len(numbers) == 1 else 'have'}"
            yield f"{rows} {trouble}: line {join_names(numbers)}"
