"""Photos in, a folder of upright crops out, the folders of the photos kept; what is there already is not cut again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePosixPath

from mien import fileio
from mien.align.output_record import (
    OutputPlan,
    OutputRecord,
    SourcePhoto,
    crop_name,
    existing_files,
    fold_name,
    plan_outputs,
)
from mien.data import outside
from mien.errors import DataError
from mien.flows.embed import ledger
from mien.flows.filling import (
    OF_ITS_NAME,
    SUFFIXES,
    claim,
    finish,
    missed_before,
    remove,
    source_of,
    stamp_of,
)
from mien.images import encode
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.stage import Needs
from mien.store.fileops import Stamp
from mien.types import Crop, PhotoRef, Reason, Rejected

_MARK = PurePosixPath(".mien/align.json")


@dataclass(frozen=True, slots=True)
class AlignResult:
    """What came of it.

    crops: written now. there: photos whose crops an earlier run had written. rejected: now, or by an earlier run that
    found no face. counts: all crops in the folder, by the folders in it.
    """

    photos: int
    crops: int
    there: int
    rejected: Sequence[Rejected]
    counts: Mapping[str, int]
    seconds: float


def align(
    src: Path, refs: Sequence[PhotoRef], dst: Path, spec: PipelineSpec, form: str, drive: RunOptions
) -> AlignResult:
    """Photos under `src` -> crops under `dst`, `a/b/x.png` to `a/b/x.jpg`, and the ledger `dst/rejected.csv`.

    A run that was broken off goes on where it stopped. With all faces, the second face of x becomes x-face1. Photos
    that lie below `dst` are left out, and no file is replaced that was not written here by an earlier run.

    Raises:
        DataError: no such format, `dst` is `src`, holds crops of another kind, or cannot be written.
        WeightsError: weights are missing.
    """
    if form not in SUFFIXES:
        raise DataError(f"--format {form}: use {' or '.join(SUFFIXES)}")
    root = src.resolve()
    if root == dst.resolve():
        raise DataError(f"{dst} holds the photos themselves: choose another folder for the crops")
    start = time.perf_counter()
    refs = outside(refs, src, dst)
    if not refs:
        raise DataError(f"there are no photos in {src} but those in {dst}: give the folder that holds the photos")
    spec.ready()
    with OutputRecord.open(dst) as record:
        _claim(dst, spec, form)
        photos = {source_of(src, root, ref): ref for ref in refs}
        wanted = {
            source: SourcePhoto(_place(src, ref, SUFFIXES[form]), stamp_of(ref)) for source, ref in photos.items()
        }
        todo = plan_outputs(wanted, record.entries, _lying(dst, record, wanted), several=spec.which == "all")
        there = sum(bool(record.entries[source].crops) for source in photos if source not in todo.places)
        record.begin(todo.places)
        crops, missed = 0, {}
        for source, made in _cut(photos, todo, dst, spec, form, drive):
            missed[source] = [result for result in made if isinstance(result, Rejected)]
            crops += len(made) - len(missed[source])
            _finish(record, source, made, wanted[source].stamp, todo.earlier[source], dst)
        rejected = [
            it
            for source, ref in photos.items()
            for it in missed.get(source, missed_before(ref, record.entries[source]))
        ]
        counts = _counts(record, _lying(dst, record, {}))
    fileio.write(dst / "rejected.csv", ledger(rejected))
    return AlignResult(len(refs), crops, there, rejected, counts, time.perf_counter() - start)


@dataclass(frozen=True, slots=True)
class Save:
    """Writes each crop to its place: Crop -> Crop, or Rejected where its name cannot be written."""

    folder: Path
    places: Mapping[str, str]
    form: str
    name: str = "save"
    batch_size: int = 1
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Crop], /) -> Iterator[Crop | Rejected]:
        for crop in batch:
            name = crop_name(self.places[crop.key], crop.face.index)
            try:
                fileio.write(self.folder / name, encode(crop.pixels, "png" if self.form == "png" else "jpeg"))
            except DataError as error:
                cause = error.__cause__
                if not isinstance(cause, OSError) or cause.errno not in OF_ITS_NAME:
                    raise
                yield Rejected(crop.origin, self.name, Reason.ERROR, f"{name} could not be written: {cause.strerror}")
            else:
                yield crop


def _cut(
    photos: Mapping[str, PhotoRef], todo: OutputPlan, dst: Path, spec: PipelineSpec, form: str, drive: RunOptions
) -> Iterator[tuple[str, list[Crop | Rejected]]]:
    """Source by source what came of it, once all of its crops are on the disk."""
    refs = [photos[source] for source in todo.places]
    save = Save(dst, {photos[source].key: place for source, place in todo.places.items()}, form)
    results = drive.run([*spec.cutting(), save], refs, len(refs), "photos")
    for source, (_, made) in zip(todo.places, groupby(results, key=attrgetter("key")), strict=True):
        yield source, list(made)


def _finish(
    record: OutputRecord,
    source: str,
    made: Sequence[Crop | Rejected],
    now: Stamp | None,
    before: Iterable[str],
    dst: Path,
) -> None:
    """Take away what an earlier run cut and this one did not, and note the photo as done."""
    place = record.entries[source].place
    crops = [crop_name(place, crop.face.index) for crop in made if isinstance(crop, Crop)]
    rejected = [result for result in made if isinstance(result, Rejected)]
    kept = {fold_name(crop) for crop in crops}
    remove(dst / name for name in before if fold_name(name) not in kept)
    finish(record, source, now, crops, rejected)


def _claim(dst: Path, spec: PipelineSpec, form: str) -> None:
    """Mark the folder with how its crops are cut, so that a later run does not mix two kinds."""
    claim(dst / _MARK, {**spec.as_json(), "format": form}, f"{dst} holds crops that were cut in another way")


def _place(src: Path, ref: PhotoRef, suffix: str) -> str:
    path = ref.path or Path(ref.key)
    below = path.relative_to(src) if path.is_relative_to(src) else Path(path.name)
    return below.with_suffix(suffix).as_posix()


def _lying(dst: Path, record: OutputRecord, wanted: Mapping[str, SourcePhoto]) -> dict[str, str]:
    """What lies in the folders that the record knows or that are wanted."""
    known = [*(entry.place for entry in record.entries.values()), *record.crops]
    return existing_files(dst, [*known, *(photo.place for photo in wanted.values())])


def _counts(record: OutputRecord, there: Mapping[str, str]) -> dict[str, int]:
    lie = (PurePosixPath(crop).parts for crop in record.crops if fold_name(crop) in there)
    return dict(sorted(Counter(parts[0] for parts in lie if len(parts) > 1).items()))
