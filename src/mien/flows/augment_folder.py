"""A folder of variants: which faces are varied, where files go, and what an earlier run has done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, isqrt, sqrt
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from mien import fileio
from mien.alignment.output_record import existing_files
from mien.augmentation.policy import Policy
from mien.augmentation.stage import FaceVariants, MakeVariants
from mien.config import settings
from mien.errors import DataError
from mien.flows.output_folder import SUFFIXES, Filling, below, fill_folder, photos_to_fill
from mien.images import Decode, contact_sheet, encode
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.stage import AnyStage, Needs
from mien.text import fold_name, parse_variant, pluralize, variant_name
from mien.types import Crop, Detection, Photo, PhotoRef, Pixels, Reason, Rejected

MARK = Path(".mien/augment.json")
MARKS = (".mien/align.json", str(MARK))
"""Files that mark folders of faces that mien has cut."""
GRID, AFTER = "grid", "grid_after"

_VERSION = 1
"""Raised whenever the same settings would give other variants, so that a folder never holds a mixture."""
_PIXELS = 100_000_000
"""Of all variants of one face: what a worker holds in memory, and as much again as a sheet."""
_MOST_SIDE = 512
"""Of faces that are cut already, where no size was asked for."""
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


@dataclass(frozen=True, slots=True)
class WholeImageCrop:
    """Takes the whole picture as a face: Photo -> Crop.

    size: the longer side in pixels; None keeps the picture's own, up to `most`.
    """

    size: int | None = None
    most: int = 512
    name: str = "entire"
    batch_size: int = 1
    needs: Needs = field(default_factory=Needs)

    def __call__(self, batch: Sequence[Photo], /) -> Iterator[Crop]:
        for photo in batch:
            face = Detection(0, (0.0, 0.0, float(photo.width), float(photo.height)), 1.0)
            yield Crop(photo.origin, face, self._sized(photo.pixels))

    def _sized(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        scale = (self.size or min(self.most, max(height, width))) / max(height, width)
        if scale == 1:
            return pixels
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(pixels, size, interpolation=interpolation), dtype=np.uint8)


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
    start = time.perf_counter()
    src = src.parent if src.is_file() else src
    refs = photos_to_fill(refs, src, dst, "variants")
    stages = face_stages(spec, options)
    options.policy.ensure_installed()
    if spec.faces == "find":
        spec.ready()
    outputs = Variants(dst, options.form, options.variants, options.grid)
    filling = Filling(src, outputs, "variants", "augment.jsonl", MARK, _settings(spec, options), spec.which == "all")
    names = {ref.key: below(src, ref).as_posix() for ref in refs}
    vary = MakeVariants(options.policy, options.variants, options.seed, names)
    done = fill_folder(filling, refs, _places(names, SUFFIXES[options.form]), [*stages, vary], run)
    if not done.faces and not done.there:
        raise DataError(no_face("varied", done.photos, done.rejected, spec))
    if suggests_cut(done.photos, done.rejected, spec):
        run.note("most photos show no face: if they are faces already cut, give --faces cut")
    return replace(
        result,
        folder=dst,
        photos=done.photos,
        faces=done.faces,
        variants=done.faces * options.variants,
        grids=done.faces * options.grid,
        there=done.there,
        rejected=done.rejected,
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True, slots=True)
class Variants:
    """The files of varied faces: `count` variants of each, and a contact sheet where `grid` is set."""

    folder: Path
    form: str
    count: int
    grid: bool

    def write(self, place: str, face: FaceVariants, /) -> None:
        for number, picture in enumerate(face.pictures):
            self._encode(self._path(place, number), picture)
        if self.grid:
            self._encode(self.folder / GRID / place, contact_sheet(face.pictures, ceil(sqrt(len(face.pictures)))))

    def files(self, place: str, /) -> list[Path]:
        sheet = [self.folder / GRID / place] if self.grid else []
        return [*(self._path(place, number) for number in range(self.count)), *sheet]

    def complete(self, places: Iterable[str], recorded: Iterable[str], /) -> dict[str, str]:
        """Of the faces that are recorded only those with all their files, of others all that have any file."""
        places, numbers, names = list(places), dict[str, set[int]](), dict[str, str]()
        for name in existing_files(self._variants, places).values():
            path = PurePosixPath(name)
            if variant := parse_variant(path.stem):
                place = str(path.with_stem(variant[0]))
                numbers.setdefault(fold_name(place), set()).add(variant[1])
                names[fold_name(place)] = place
        for key, name in existing_files(self.folder / GRID, places).items() if self.grid else ():
            numbers.setdefault(key, set()).add(_SHEET)
            names[key] = name
        ours, whole = {fold_name(place) for place in recorded}, {*range(self.count), *([_SHEET] if self.grid else [])}
        return {key: name for key, name in names.items() if key not in ours or numbers[key] >= whole}

    def describe(self, place: str, /) -> str:
        return f"variants of {place}"

    @property
    def _variants(self) -> Path:
        return self.folder / AFTER if self.grid else self.folder

    def _path(self, place: str, number: int) -> Path:
        path = PurePosixPath(place)
        return self._variants / path.with_stem(variant_name(path.stem, number))

    def _encode(self, path: Path, pixels: Pixels) -> None:
        fileio.write(path, encode(pixels, "png" if self.form == "png" else "jpeg"))


def _settings(spec: PipelineSpec, options: AugmentOptions) -> dict[str, Any]:
    return {
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


def _places(names: Mapping[str, str], suffix: str) -> dict[str, str]:
    """The place that each photo asks for: `a/x.jpg` for a/x.png; where two share that, `a/x.png.jpg`.

    By its whole name, a variant can be told to be of this photo and not of the other.
    """
    paths = {key: PurePosixPath(name) for key, name in names.items()}
    shared = Counter(fold_name(str(path.with_suffix(""))) for path in paths.values())
    return {
        key: f"{path}{suffix}" if shared[fold_name(str(path.with_suffix("")))] > 1 else str(path.with_suffix(suffix))
        for key, path in paths.items()
    }


def no_face(done: str, photos: int, rejected: Sequence[Rejected], spec: PipelineSpec) -> str:
    """The sentence where not one face could be `done` with as was asked."""
    reasons = Counter(item.reason for item in rejected)
    shown = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    hint = ": if they are faces already cut, give --faces cut" if suggests_cut(photos, rejected, spec) else ""
    return f"no face in {pluralize(photos, 'photo')} could be {done} ({shown}){hint}"


def suggests_cut(photos: int, rejected: Sequence[Rejected], spec: PipelineSpec) -> bool:
    """Whether so many photos show no face that they may well be faces already."""
    return spec.faces == "find" and 2 * sum(item.reason is Reason.NO_FACE for item in rejected) > photos
