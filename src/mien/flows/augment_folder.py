"""A folder of variants: which faces are varied, where files go, and what an earlier run has done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import ceil, isqrt, sqrt
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
from mien.augmentation.policy import Policy
from mien.augmentation.stage import FaceVariants, MakeVariants
from mien.config import settings
from mien.data import outside
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
from mien.images import Decode, contact_sheet, encode
from mien.pipeline.execute import RunOptions, execute
from mien.pipeline.spec import PipelineSpec
from mien.pipeline.whole_image import WholeImageCrop
from mien.stage import AnyStage, Needs
from mien.text import parse_variant, pluralize, variant_name
from mien.types import Origin, PhotoRef, Pixels, Reason, Rejected

MARK = PurePosixPath(".mien/augment.json")
MARKS = (".mien/align.json", str(MARK))
"""Files that mark folders of faces that mien has cut."""
GRID, AFTER = "grid", "grid_after"

_RECORD = "augment.jsonl"
_VERSION = 1
"""Raised whenever the same settings would give other variants, so that a folder never holds a mixture."""
_PIXELS = 100_000_000
"""Of all variants of one face: what a worker holds in memory, and as much again as a sheet."""
_MOST_SIDE = 512
"""Of a face that is cut already, where no size was asked for."""
_SHEET = -1
"""The number of the contact sheet among the variants of a face."""


@dataclass(frozen=True, slots=True)
class AugmentOptions:
    """What a user may say about the variants.

    grid: contact sheets too. size: the longer side of faces that are cut already; None keeps theirs, to a limit.
    """

    policy: Policy
    variants: int = 64
    seed: int = 0
    grid: bool = False
    form: str = "jpeg"
    size: int | None = None


@dataclass(frozen=True, slots=True)
class AugmentResult:
    """What came of it: faces, variants and grids written now.

    there: photos that an earlier run had done. preview: the file of the preview sheet, if one was asked for. folder:
    where the variants are, None where only a preview was asked for.
    """

    policy: str
    detector: str
    preview: Path | None = None
    folder: Path | None = None
    photos: int = 0
    faces: int = 0
    variants: int = 0
    grids: int = 0
    there: int = 0
    rejected: Sequence[Rejected] = ()
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The last line of `mien augment --json`."""
        fields: dict[str, Any] = {"faces": self.faces, "variants": self.variants, "grids": self.grids}
        fields |= {"seconds": round(self.seconds, 3), "policy": self.policy, "detector": self.detector}
        if self.preview is not None:
            fields["preview"] = str(self.preview)
        if self.folder is not None:
            fields |= {"photos": self.photos, "there": self.there, "rejected": len(self.rejected)}
        return fields


def face_stages(spec: PipelineSpec, options: AugmentOptions) -> list[AnyStage]:
    """The stages PhotoRef -> Crop: faces that are looked for, or pictures that are faces already.

    Raises:
        DataError: so many variants of such a size that they would not fit into memory.
    """
    side = spec.view.size if spec.faces == "find" else options.size
    if side and side**2 * options.variants > _PIXELS:
        raise DataError(
            f"{options.variants} variants of {side} x {side} pixels are more than one sheet can hold:"
            " ask for fewer with --variants, or smaller ones with --size"
        )
    if spec.faces == "find":
        return spec.crop_stages()
    whole = WholeImageCrop(options.size, min(_MOST_SIDE, isqrt(_PIXELS // options.variants)))
    return [Decode(options.size or whole.most, settings().max_megapixels), whole]


def augment_folder(
    src: Path,
    refs: Sequence[PhotoRef],
    dst: Path,
    spec: PipelineSpec,
    options: AugmentOptions,
    run: RunOptions,
    result: AugmentResult,
) -> AugmentResult:
    """Photos below `src` -> variants below `dst`; `result` with what came of it. Raises as `augment`."""
    if options.form not in SUFFIXES:
        raise DataError(f"--format {options.form}: use {' or '.join(SUFFIXES)}")
    src = src.parent if src.is_file() else src
    root = src.resolve()
    if root == dst.resolve():
        raise DataError(f"{dst} holds the photos themselves: choose another folder for the variants")
    start = time.perf_counter()
    stages = face_stages(spec, options)
    refs = outside(refs, src, dst)
    if not refs:
        raise DataError(f"there are no photos in {src} but those in {dst}: give the folder that holds the photos")
    options.policy.ensure_installed()
    if spec.faces == "find":
        spec.ready()
    out = Out(dst, options.form, options.variants, options.grid)
    with OutputRecord.open(dst, _RECORD) as record:
        _claim(dst, spec, options)
        sources = {source_of(src, root, ref): ref for ref in refs}
        seeded = {ref.key: _below(src, ref).as_posix() for ref in refs}
        wanted = {
            source: SourcePhoto(place, stamp_of(sources[source]))
            for source, place in _places(sources, seeded, out.suffix).items()
        }
        todo = plan_outputs(wanted, record.entries, _lying(out, record, wanted), several=spec.which == "all")
        there = sum(bool(record.entries[source].crops) for source in sources if source not in todo.places)
        record.begin(todo.places)
        vary = MakeVariants(options.policy, options.variants, options.seed, seeded)
        faces, missed = 0, {}
        for source, results in _made(sources, todo, [*stages, vary], out, run):
            missed[source] = [item for item in results if isinstance(item, Rejected)]
            faces += len(results) - len(missed[source])
            _finish(record, source, results, wanted[source], todo.earlier[source], out)
        rejected = [
            item
            for source, ref in sources.items()
            for item in missed.get(source, missed_before(ref, record.entries[source]))
        ]
    fileio.write(dst / "rejected.csv", ledger(rejected))
    if not faces and not there:
        raise DataError(no_face("varied", len(refs), rejected, spec))
    if suggests_cut(len(refs), rejected, spec):
        run.note("most photos show no face: if they are faces already cut, give --faces cut")
    return replace(
        result,
        folder=dst,
        photos=len(refs),
        faces=faces,
        variants=faces * options.variants,
        grids=faces * options.grid,
        there=there,
        rejected=rejected,
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True, slots=True)
class Out:
    """Where things lie: variants and sheets below `folder`, by the place of a face, `a/x.jpg`."""

    folder: Path
    form: str
    count: int
    grid: bool

    @property
    def suffix(self) -> str:
        return SUFFIXES[self.form]

    @property
    def variants(self) -> Path:
        """The folder that the label folders of variants lie in."""
        return self.folder / AFTER if self.grid else self.folder

    @property
    def numbers(self) -> list[int]:
        """What belongs to a face: its variants, and the sheet."""
        return [*range(self.count), *([_SHEET] if self.grid else [])]

    def path(self, place: str, number: int) -> Path:
        """Where a variant of a face lies, or its sheet."""
        if number == _SHEET:
            return self.folder / GRID / place
        below = PurePosixPath(place)
        return self.variants / below.with_stem(variant_name(below.stem, number))


@dataclass(frozen=True, slots=True)
class Saved:
    """A face all of whose variants are on the disk: its place."""

    origin: Origin
    place: str

    @property
    def key(self) -> str:
        return self.origin.uri


@dataclass(frozen=True, slots=True)
class Save:
    """Writes the variants of a face, and its sheet: Varied -> Saved, or Rejected where its name cannot be written."""

    out: Out
    places: Mapping[str, str]
    name: str = "save"
    batch_size: int = 1
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[FaceVariants], /) -> Iterator[Saved | Rejected]:
        for varied in batch:
            place = crop_name(self.places[varied.key], varied.face.index)
            try:
                for number, picture in enumerate(varied.pictures):
                    self._write(self.out.path(place, number), picture)
                if self.out.grid:
                    columns = ceil(sqrt(len(varied.pictures)))
                    self._write(self.out.path(place, _SHEET), contact_sheet(varied.pictures, columns))
            except DataError as error:
                cause = error.__cause__
                if not isinstance(cause, OSError) or cause.errno not in OF_ITS_NAME:
                    raise
                detail = f"variants of {place} could not be written: {cause.strerror}"
                yield Rejected(varied.origin, self.name, Reason.ERROR, detail)
            else:
                yield Saved(varied.origin, place)

    def _write(self, path: Path, pixels: Pixels) -> None:
        fileio.write(path, encode(pixels, "png" if self.out.form == "png" else "jpeg"))


def _made(
    photos: Mapping[str, PhotoRef], todo: OutputPlan, stages: Sequence[AnyStage], out: Out, run: RunOptions
) -> Iterator[tuple[str, list[Saved | Rejected]]]:
    """Source by source what came of it, once all of its variants are on the disk."""
    refs = [photos[source] for source in todo.places]
    save = Save(out, {photos[source].key: place for source, place in todo.places.items()})
    results = execute([*stages, save], refs, len(refs), "photos", run)
    for source, (_, made) in zip(todo.places, groupby(results, key=attrgetter("key")), strict=True):
        yield source, list(made)


def _finish(
    record: OutputRecord,
    source: str,
    made: Sequence[Saved | Rejected],
    photo: SourcePhoto,
    before: Iterable[str],
    out: Out,
) -> None:
    """Take away what an earlier run made and this one did not, and note the photo as done."""
    rejected = [it for it in made if isinstance(it, Rejected)]
    places = [it.place for it in made if isinstance(it, Saved)]
    kept = {fold_name(place) for place in places}
    remove(out.path(place, number) for place in before if fold_name(place) not in kept for number in out.numbers)
    finish(record, source, photo.stamp, places, rejected)


def _claim(dst: Path, spec: PipelineSpec, options: AugmentOptions) -> None:
    """Mark the folder with how its variants are made, so that a later run does not mix two kinds."""
    ours: dict[str, Any] = {
        "version": _VERSION,
        "policy": options.policy.as_json(),
        "variants": options.variants,
        "seed": options.seed,
        "grid": options.grid,
        "format": options.form,
        "size": options.size,
        "faces": spec.faces,
        "chain": spec.as_json() if spec.faces == "find" else None,
    }
    claim(dst / MARK, ours, f"{dst} holds variants that were made in another way")


def _below(src: Path, ref: PhotoRef) -> PurePosixPath:
    path = ref.path or Path(ref.key)
    return PurePosixPath((path.relative_to(src) if path.is_relative_to(src) else Path(path.name)).as_posix())


def _places(photos: Mapping[str, PhotoRef], below: Mapping[str, str], suffix: str) -> dict[str, str]:
    """The place that each photo asks for: `a/x.jpg` for a/x.png; where two share that, `a/x.png.jpg`.

    By its whole name, a variant can be told to be of this photo and not of the other.
    """
    paths = {source: PurePosixPath(below[ref.key]) for source, ref in photos.items()}
    shared = Counter(fold_name(str(path.with_suffix(""))) for path in paths.values())
    return {
        source: f"{path}{suffix}" if shared[fold_name(str(path.with_suffix("")))] > 1 else str(path.with_suffix(suffix))
        for source, path in paths.items()
    }


def _lying(out: Out, record: OutputRecord, wanted: Mapping[str, SourcePhoto]) -> dict[str, str]:
    """The faces whose variants lie in the folder, by their places, folded -> as they are.

    Of those that the record knows only such as are whole, and of strangers all of which there is anything.
    """
    known = [*(entry.place for entry in record.entries.values()), *record.crops]
    places = [*known, *(photo.place for photo in wanted.values())]
    numbers: dict[str, set[int]] = {}
    names: dict[str, str] = {}
    for name in existing_files(out.variants, places).values():
        path = PurePosixPath(name)
        if variant := parse_variant(path.stem):
            place = str(path.with_stem(variant[0]))
            numbers.setdefault(fold_name(place), set()).add(variant[1])
            names[fold_name(place)] = place
    for key, name in existing_files(out.folder / GRID, places).items() if out.grid else ():
        numbers.setdefault(key, set()).add(_SHEET)
        names[key] = name
    ours, whole = {fold_name(crop) for crop in record.crops}, set(out.numbers)
    return {key: name for key, name in names.items() if key not in ours or numbers[key] >= whole}


def no_face(done: str, photos: int, rejected: Sequence[Rejected], spec: PipelineSpec) -> str:
    """The sentence where not one face could be `done` with as was asked."""
    reasons = Counter(it.reason for it in rejected)
    shown = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    hint = ": if they are faces already cut, give --faces cut" if suggests_cut(photos, rejected, spec) else ""
    return f"no face in {pluralize(photos, 'photo')} could be {done} ({shown}){hint}"


def suggests_cut(photos: int, rejected: Sequence[Rejected], spec: PipelineSpec) -> bool:
    """Whether so many photos show no face that they may well be faces already."""
    return spec.faces == "find" and 2 * sum(it.reason is Reason.NO_FACE for it in rejected) > photos
