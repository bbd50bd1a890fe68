"""A data set as a person's verdicts would have it, with no file touched; knows no verb."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

from mien.config import settings
from mien.curate.cleaning import cut_face
from mien.curate.verdicts import Decision, decide, read_verdicts
from mien.data import DataSet
from mien.data.dataset import Subset
from mien.errors import DataError
from mien.images import ImageError, read
from mien.text import join_names, pluralize
from mien.types import Box, Origin, PhotoRef, Reason


@dataclass(frozen=True, slots=True)
class AppliedVerdicts:
    """How many photos verdicts changed, and how they did; gone: verdicts on photos that are not in the data."""

    dropped: int
    moved: int
    cut: int
    gone: int

    def as_json(self) -> dict[str, int]:
        """All of it, for a bundle."""
        return {"dropped": self.dropped, "moved": self.moved, "cut": self.cut, "gone": self.gone}


def reviewed(data: DataSet, table: Path, root: Path) -> tuple[DataSet, AppliedVerdicts]:
    """Labelled data of any form, read from `root`, and a table of verdicts -> what is to be learnt from, and the count.

    What is dropped is left out, what is moved gets its new label, and of a photo of which a face was meant only that
    is left, cut out as the photo is read.

    Raises:
        DataError: the verdicts cannot be read, contradict each other, or leave nothing.
    """
    labels = {origin.uri: origin.label for origin in data.origins}
    decided = decide(read_verdicts(table), labels, table, root)
    photos = decided.photos
    kept = [i for i, origin in enumerate(data.origins) if not photos.get(origin.uri, Decision()).drop]
    if not kept:
        raise DataError(f"the verdicts {table} drop all photos: nothing is left to learn from")
    origins = [_labelled(data.origins[i], photos) for i in kept]
    boxes = {origin.uri: photo.box for origin in origins if (photo := photos.get(origin.uri)) and photo.box}
    gone = {verdict.path for verdict in decided.missing if verdict.verdict in ("drop", "move", "face")}
    moved = sum(decision.to is not None and not decision.drop for decision in photos.values())
    used = AppliedVerdicts(len(data.origins) - len(kept), moved, len(boxes), len(gone))
    refs = Reviewed(Subset(data.refs, kept), origins, boxes, table)
    return DataSet(refs, origins, [*data.notes, *_notes(used, sorted(gone), table)]), used


@dataclass(frozen=True, slots=True)
class Reviewed(Sequence[PhotoRef]):
    """Photos with what is now known of them, and by key the faces that stand for some; gone over as `refs` are.

    Raises:
        DataError: a face's box does not lie in its photo, as it is reached.
    """

    refs: Sequence[PhotoRef]
    origins: Sequence[Origin]
    boxes: dict[str, Box]
    table: Path

    def __len__(self) -> int:
        return len(self.refs)

    @overload
    def __getitem__(self, index: int) -> PhotoRef: ...
    @overload
    def __getitem__(self, index: slice) -> Reviewed: ...
    def __getitem__(self, index: int | slice) -> PhotoRef | Reviewed:
        if isinstance(index, slice):
            return Reviewed(self.refs[index], self.origins[index], self.boxes, self.table)
        return self._made(self.refs[index], self.origins[index])

    def __iter__(self) -> Iterator[PhotoRef]:
        return map(self._made, self.refs, self.origins)

    def _made(self, ref: PhotoRef, origin: Origin) -> PhotoRef:
        box = self.boxes.get(ref.key)
        if box is None:
            return replace(ref, origin=origin)
        limit = settings().max_megapixels
        try:
            return PhotoRef(origin, data=cut_face(read(ref, limit), box, limit).data)
        except ImageError as error:
            if error.reason != Reason.NO_FACE:  # it cannot be read, as whoever decodes it will say
                return replace(ref, origin=origin)
            raise DataError(f"{self.table} means a face of {ref.key} that is not there: {error.detail}") from error


def _labelled(origin: Origin, photos: Mapping[str, Decision]) -> Origin:
    decision = photos.get(origin.uri)
    return origin if decision is None or decision.to is None else replace(origin, label=decision.to)


def _notes(used: AppliedVerdicts, gone: Sequence[str], table: Path) -> Iterator[str]:
    done = [
        f"{count} {what}"
        for count, what in ((used.dropped, "left out"), (used.moved, "relabelled"), (used.cut, "cut to one face"))
        if count
    ]
    yield f"verdicts of {table.name}: {', '.join(done) or 'nothing to change'}"
    if gone:
        many = pluralize(len(gone), "photo")
        yield f"{many} that {table.name} names {'is' if len(gone) == 1 else 'are'} not in the data: {join_names(gone)}"
