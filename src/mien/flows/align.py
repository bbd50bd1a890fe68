"""Photos in, a folder of upright crops out; what is there already is not cut again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import Any

from mien import fileio
from mien.alignment.output_record import (
    OutputPlan,
    OutputRecord,
    SourcePhoto,
    crop_name,
    existing_files,
    fold_name,
    plan_outputs,
)
from mien.alignment.views import ViewOptions
from mien.alignment.views import view as view_of
from mien.data import outside, photos
from mien.errors import DataError
from mien.flows.embed import ledger
from mien.flows.output_folder import (
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
from mien.pipeline.execute import RunOptions, execute
from mien.pipeline.progress import Progress
from mien.pipeline.spec import PipelineSpec, build_spec
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
    detector: str

    def as_json(self) -> dict[str, Any]:
        """The last line of `mien align --json`."""
        return {
            "photos": self.photos,
            "crops": self.crops,
            "there": self.there,
            "rejected": len(self.rejected),
            "seconds": round(self.seconds, 3),
            "counts": dict(self.counts),
            "detector": self.detector,
        }


def align(
    src: str | Path,
    dst: str | Path,
    *,
    view: str = "openface",
    landmarks: str | None = None,
    size: int | None = None,
    margin: float | None = None,
    grey: bool = False,
    format: str = "jpeg",
    all_faces: bool = False,
    detector: str = "auto",
    min_face: int = 20,
    workers: int | None = None,
    keep_going: bool = False,
    progress: bool | Progress = False,
) -> AlignResult:
    """Cut every photo's face, upright: `src/a/x.png` to `dst/a/x.jpg`, and the ledger `dst/rejected.csv`.

    A run that was interrupted continues where it stopped. With all faces, the second face of x becomes x-face1. Photos
    below `dst` are left out, and no file is replaced that was not written here by an earlier run.

    Args:
        src: Folder of photos; its folders are kept.
        dst: Folder for the crops.
        view: "openface", "dlib", "arcface", "fer" or "box".
        landmarks: Of view "openface": "outerEyesAndNose" or "innerEyesAndBottomLip".
        size: Side of the crop in pixels.
        margin: Of view "box": added on each side.
        grey: Grey crops.
        format: "jpeg" or "png".
        all_faces: Every face of a photo, not only the main one.
        detector: "auto", or a name from `mien models list`.
        min_face: Side of the smallest face, in pixels of the photo.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        progress: Show a bar.

    Raises:
        DataError: No such folder or format, `dst` is `src`, holds crops of another kind, or cannot be written.
        WeightsError: Weights are missing.
    """
    src, dst = Path(src), Path(dst)
    if not src.is_dir():
        raise DataError(f"{src} is not a folder: give the folder that holds the photos")
    if format not in SUFFIXES:
        raise DataError(f"--format {format}: use {' or '.join(SUFFIXES)}")
    cut = view_of(view, ViewOptions(size, landmarks, margin, grey))
    spec = replace(build_spec(detector, which="all" if all_faces else "largest", min_face=min_face), view=cut)
    return _align(src, dst, spec, format, RunOptions.build(workers, keep_going, progress=progress))


def _align(src: Path, dst: Path, spec: PipelineSpec, form: str, run: RunOptions) -> AlignResult:
    root = src.resolve()
    if root == dst.resolve():
        raise DataError(f"{dst} holds the photos themselves: choose another folder for the crops")
    start = time.perf_counter()
    refs = outside(photos([src]), src, dst)
    if not refs:
        raise DataError(f"there are no photos in {src} but those in {dst}: give the folder that holds the photos")
    spec.ready()
    with OutputRecord.open(dst) as record:
        _claim(dst, spec, form)
        sources = {source_of(src, root, ref): ref for ref in refs}
        wanted = {
            source: SourcePhoto(_place(src, ref, SUFFIXES[form]), stamp_of(ref)) for source, ref in sources.items()
        }
        todo = plan_outputs(wanted, record.entries, _lying(dst, record, wanted), several=spec.which == "all")
        there = sum(bool(record.entries[source].crops) for source in sources if source not in todo.places)
        record.begin(todo.places)
        crops, missed = 0, {}
        for source, results in _cut(sources, todo, dst, spec, form, run):
            missed[source] = [result for result in results if isinstance(result, Rejected)]
            crops += len(results) - len(missed[source])
            _finish(record, source, results, wanted[source].stamp, todo.earlier[source], dst)
        rejected = [
            item
            for source, ref in sources.items()
            for item in missed.get(source, missed_before(ref, record.entries[source]))
        ]
        counts = _counts(record, _lying(dst, record, {}))
    fileio.write(dst / "rejected.csv", ledger(rejected))
    seconds = time.perf_counter() - start
    return AlignResult(len(refs), crops, there, rejected, counts, seconds, spec.detector)


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
    photos: Mapping[str, PhotoRef], todo: OutputPlan, dst: Path, spec: PipelineSpec, form: str, run: RunOptions
) -> Iterator[tuple[str, list[Crop | Rejected]]]:
    """Source by source what came of it, once all of its crops are on the disk."""
    refs = [photos[source] for source in todo.places]
    save = Save(dst, {photos[source].key: place for source, place in todo.places.items()}, form)
    results = execute([*spec.crop_stages(), save], refs, len(refs), "photos", run)
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
