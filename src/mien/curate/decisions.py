"""From verdicts to what becomes of each photo of a data set; knows keys and labels, and no file."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mien.curate.verdicts import Verdict
from mien.errors import DataError
from mien.types import Box

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decision:
    """What all verdicts on one photo come to; nothing is to be done where none of the fields says so.

    drop: it is left out. to: its new label. box: the face that is meant, in pixels of the whole photo, which is to
    stand alone.
    """

    drop: bool = False
    to: str | None = None
    box: Box | None = None

    @property
    def changes(self) -> bool:
        return self.drop or self.to is not None or self.box is not None


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of the photos that are there, by key, and the verdicts on photos that are not."""

    photos: Mapping[str, Decision]
    gone: Sequence[Verdict]


def decide(verdicts: Iterable[Verdict], labels: Mapping[str, str | None], table: Path, root: Path) -> Decided:
    """Verdicts, and the label of every photo by its key -> what becomes of each photo that verdicts are about.

    Of several verdicts on a photo, "drop" goes before all others, "keep" after them, and a face may be cut out and
    moved. A path is a key as it stands; else with what precedes it below `root` taken away, and in the other form of
    Unicode. A new label that differs from a known one in capitals only is taken for that.

    Raises:
        DataError: two verdicts on a photo contradict each other; the message names the lines of `table`.
    """
    keys = {_composed(key): key for key in reversed(list(labels))}
    known = {label for label in labels.values() if label is not None}
    gone: list[Verdict] = []
    by_key: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        key = verdict.path if verdict.path in labels else keys.get(_below(verdict.path, root))
        if key is None:
            gone.append(verdict)
        else:
            by_key[key].append(verdict)
    photos = {key: _decision(some, labels[key], known, table) for key, some in by_key.items()}
    return Decided(photos, gone)


def spelt(label: str, known: Iterable[str]) -> str:
    """A label as a person wrote it -> as the data spells it, where it differs in capitals or Unicode form only."""
    wanted = _composed(label)
    alike = sorted(one for one in known if _composed(one).casefold() == wanted.casefold())
    return wanted if wanted in alike or not alike else alike[0]


def _decision(verdicts: Sequence[Verdict], label: str | None, known: Iterable[str], table: Path) -> Decision:
    if any(verdict.verdict == "drop" for verdict in verdicts):
        return Decision(drop=True)
    moves = [(spelt(v.to, known), v) for v in verdicts if v.verdict == "move" and v.to is not None]
    faces = [(v.box, v) for v in verdicts if v.verdict == "face" and v.box is not None]
    to, box = _one(moves, table), _one(faces, table)
    return Decision(to=None if to == label else to, box=box)


def _one(said: Sequence[tuple[T, Verdict]], table: Path) -> T | None:
    """What all of them say; None where there is none."""
    for value, verdict in said[1:]:
        first, before = said[0]
        if value != first:
            what = "labels" if isinstance(first, str) else "faces"
            lines = f"lines {before.line} and {verdict.line} of {table}"
            raise DataError(f"{lines} name different {what} for {verdict.path}: leave one of them, and empty the other")
    return said[0][0] if said else None


def _below(path: str, root: Path) -> str:
    """A path as it may have been written by hand -> in the form of a key."""
    written = Path(path.strip())
    folder = root.absolute()
    if written.is_absolute() and written.is_relative_to(folder):
        written = written.relative_to(folder)
    return _composed(written.as_posix())


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
