"""Folders that a verb fills photo by photo: an interrupted run continues, and no foreign file is ever replaced."""

from __future__ import annotations

import errno
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

from mien import fileio
from mien.alignment.output_record import OutputRecord, SourcePhoto, crop_name, plan_outputs
from mien.augmentation.stage import FaceVariants
from mien.data import outside
from mien.errors import DataError
from mien.flows.embed import ledger
from mien.pipeline.execute import RunOptions, execute
from mien.stage import AnyStage, Needs
from mien.store.fileops import Stamp, stamp
from mien.store.journal import Outcome, Transfer
from mien.store.transfer import execute as execute_transfers
from mien.text import fold_name
from mien.types import Crop, Origin, PhotoRef, Reason, Rejected

SUFFIXES = {"jpeg": ".jpg", "png": ".png"}

_ABOUT_THE_NAME = frozenset(
    {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP}
)
"""Why one file cannot be written where others can: its name, or something of another kind that is in its way."""


class Outputs(Protocol):
    """The files that a verb writes of a face, by the face's place: the name of its crop below the folder."""

    @property
    def folder(self) -> Path: ...

    def write(self, place: str, face: Any, /) -> None:
        """Write all files of a face."""

    def files(self, place: str, /) -> Iterable[Path]:
        """All files of a face, whether they exist or not."""

    def complete(self, places: Iterable[str], recorded: Iterable[str], /) -> Mapping[str, str]:
        """In the folders of these places, the faces that have all their files: folded place -> place."""

    def describe(self, place: str, /) -> str:
        """What is said of the files of a face where they cannot be written."""


@dataclass(frozen=True, slots=True)
class Filling:
    """A folder to be filled: from where, with what, and the settings that all its files are made with.

    kind: "crops" or "variants". record: file name of the record in `.mien`. mark: file with the settings. several:
    whether a photo may have more than one face.
    """

    src: Path
    outputs: Outputs
    kind: str
    record: str
    mark: Path
    settings: Mapping[str, Any]
    several: bool


@dataclass(frozen=True, slots=True)
class FillResult:
    """Faces written now, photos that an earlier run had done, what was rejected, and all faces in the folder."""

    photos: int
    faces: int
    there: int
    rejected: Sequence[Rejected]
    places: Sequence[str]


def photos_to_fill(refs: Sequence[PhotoRef], src: Path, dst: Path, kind: str) -> list[PhotoRef]:
    """The photos below `src` that are not in `dst`.

    Raises:
        DataError: `dst` is `src`, or nothing is left.
    """
    if src.resolve() == dst.resolve():
        raise DataError(f"{dst} holds the photos themselves: choose another folder for the {kind}")
    refs = outside(refs, src, dst)
    if not refs:
        raise DataError(f"there are no photos in {src} but those in {dst}: give the folder that holds the photos")
    return refs


def fill_folder(
    filling: Filling, refs: Sequence[PhotoRef], places: Mapping[str, str], stages: Sequence[AnyStage], run: RunOptions
) -> FillResult:
    """Photos, and the place that each asks for by its key -> the files of their faces, and `rejected.csv`.

    Raises:
        DataError: the folder holds files made with other settings, or cannot be written.
    """
    outputs, root = filling.outputs, filling.src.resolve()
    with OutputRecord.open(outputs.folder, filling.record) as record:
        _claim(filling)
        sources = {_source(filling.src, root, ref): ref for ref in refs}
        wanted = {source: SourcePhoto(places[ref.key], _stamp(ref)) for source, ref in sources.items()}
        known = [*(entry.place for entry in record.entries.values()), *record.crops]
        files = outputs.complete([*known, *(photo.place for photo in wanted.values())], record.crops)
        todo = plan_outputs(wanted, record.entries, files, several=filling.several)
        there = sum(bool(record.entries[source].crops) for source in sources if source not in todo.places)
        record.begin(todo.places)
        save = SaveFaces(outputs, {sources[source].key: place for source, place in todo.places.items()})
        pending = [sources[source] for source in todo.places]
        results = groupby(execute([*stages, save], pending, len(pending), "photos", run), key=attrgetter("key"))
        faces, rejected = 0, {}
        for source, (_, group) in zip(todo.places, results, strict=True):
            saved = list(group)
            made = [item.place for item in saved if isinstance(item, SavedFace)]
            rejected[source] = [item for item in saved if isinstance(item, Rejected)]
            faces += len(made)
            kept = {fold_name(place) for place in made}
            _remove(f for p in todo.earlier[source] if fold_name(p) not in kept for f in outputs.files(p))
            _finish(record, source, wanted[source].stamp, made, rejected[source])
        for source, ref in sources.items():
            miss = record.entries[source].no_face
            if source not in rejected and miss:
                rejected[source] = [Rejected(ref.origin, miss[0], Reason.NO_FACE, miss[1])]
        ledger_rows = [item for source in sources for item in rejected.get(source, ())]
        present = outputs.complete([*record.crops], record.crops)
        all_places = [crop for crop in record.crops if fold_name(crop) in present]
    fileio.write(outputs.folder / "rejected.csv", ledger(ledger_rows))
    return FillResult(len(refs), faces, there, ledger_rows, all_places)


@dataclass(frozen=True, slots=True)
class SavedFace:
    """A face all of whose files are on the disk."""

    origin: Origin
    place: str

    @property
    def key(self) -> str:
        return self.origin.uri


@dataclass(frozen=True, slots=True)
class SaveFaces:
    """Writes the files of faces: Crop or FaceVariants -> SavedFace, or Rejected where its name cannot be written."""

    outputs: Outputs
    places: Mapping[str, str]
    name: str = "save"
    batch_size: int = 1
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Crop | FaceVariants], /) -> Iterator[SavedFace | Rejected]:
        for item in batch:
            place = crop_name(self.places[item.key], item.face.index)
            try:
                self.outputs.write(place, item)
            except DataError as error:
                cause = error.__cause__
                if not isinstance(cause, OSError) or cause.errno not in _ABOUT_THE_NAME:
                    raise
                detail = f"{self.outputs.describe(place)} could not be written: {cause.strerror}"
                yield Rejected(item.origin, self.name, Reason.ERROR, detail)
            else:
                yield SavedFace(item.origin, place)


def execute_plan(
    transfers: Sequence[Transfer], path: Path, root: Path, run: RunOptions, *, beside: Sequence[Path] = ()
) -> Outcome:
    """Do transfers one after the other, under `root` and in the folders `beside` it, with a journal at `path`.

    Raises:
        DataError: something cannot be written there; what was done until then stands in the journal.
    """
    bar = iter(run.progress.track(transfers, len(transfers), "files"))
    next(bar, None)

    def advance(_: Transfer) -> None:
        next(bar, None)

    try:
        return execute_transfers(transfers, path, root=root, beside=beside, on_done=advance)
    finally:
        deque(bar, maxlen=0)  # failed transfers did not advance it


def _claim(filling: Filling) -> None:
    """Mark the folder with its settings, so that a later run does not mix two kinds of files."""
    mark, text = filling.outputs.folder / filling.mark, json.dumps(filling.settings, indent=1)
    if not mark.exists():
        fileio.write(mark, text.encode())
        return
    try:
        theirs = json.loads(mark.read_bytes())
    except ValueError:
        theirs = None
    if theirs != json.loads(text):
        raise DataError(
            f"{filling.outputs.folder} holds {filling.kind} that were made with other settings: choose another folder,"
            " or empty this one"
        )


def _remove(paths: Iterable[Path]) -> None:
    """Remove what an earlier run made and this one did not."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"{path}, which no photo gives any more, could not be removed: {error.strerror}") from error


def _finish(
    record: OutputRecord, source: str, now: Stamp | None, places: Sequence[str], rejected: Sequence[Rejected]
) -> None:
    """Record that a photo is done; for good only if nothing was rejected that the user may mend."""
    final = all(item.reason is Reason.NO_FACE for item in rejected)
    no_face = (rejected[0].stage, rejected[0].detail) if rejected and final else None
    record.finish(source, now if final else None, places, no_face)


def _source(src: Path, root: Path, ref: PhotoRef) -> str:
    """What the record knows a photo by: where it is, however the folder was named."""
    path = ref.path or Path(ref.key)
    return str(root / path.relative_to(src) if path.is_relative_to(src) else path.resolve())


def _stamp(ref: PhotoRef) -> Stamp | None:
    """What a photo is at this moment; None where it has no file, or none that can be read."""
    try:
        return stamp(ref.path) if ref.path else None
    except (OSError, ValueError):
        return None


def below(src: Path, ref: PhotoRef) -> Path:
    """A photo's path below a folder, or its name where it is elsewhere."""
    path = ref.path or Path(ref.key)
    return path.relative_to(src) if path.is_relative_to(src) else Path(path.name)
