"""Photos in, a folder of upright crops out; what is there already is not cut again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from mien import fileio
from mien.alignment.output_record import existing_files
from mien.alignment.views import ViewOptions, resolve_view
from mien.alignment.views import view as view_of
from mien.data import photos
from mien.errors import DataError
from mien.flows.output_folder import SUFFIXES, Filling, below, fill_folder, photos_to_fill
from mien.images import encode
from mien.pipeline.execute import RunOptions
from mien.pipeline.progress import Progress
from mien.pipeline.spec import build_spec
from mien.types import Crop, Rejected

_MARK = Path(".mien/align.json")


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
    view: str = "auto",
    landmarks: str | None = None,
    size: int | None = None,
    margin: float | None = None,
    grey: bool = False,
    format: str = "jpeg",
    all_faces: bool = False,
    detector: str = "auto",
    min_face: int | None = None,
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
        view: "auto", "openface", "dlib", "arcface", "fer" or "box"; "auto" is "openface" where dlib is installed,
            else "dlib".
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
    cut = view_of(resolve_view(view), ViewOptions(size, landmarks, margin, grey))
    spec = replace(build_spec(detector, which="all" if all_faces else "largest", min_face=min_face), view=cut)
    start = time.perf_counter()
    refs = photos_to_fill(photos([src]), src, dst, "crops")
    spec.ready()
    settings = {**spec.as_json(), "format": format}
    filling = Filling(src, Crops(dst, format), "crops", "align.jsonl", _MARK, settings, spec.which == "all")
    places = {ref.key: below(src, ref).with_suffix(SUFFIXES[format]).as_posix() for ref in refs}
    run = RunOptions.build(workers, keep_going, progress=progress)
    done = fill_folder(filling, refs, places, spec.crop_stages(), run)
    parts = (PurePosixPath(place).parts for place in done.places)
    counts = dict(sorted(Counter(folders[0] for folders in parts if len(folders) > 1).items()))
    seconds = time.perf_counter() - start
    return AlignResult(done.photos, done.faces, done.there, done.rejected, counts, seconds, spec.detector)


@dataclass(frozen=True, slots=True)
class Crops:
    """The files of aligned faces: one crop each, at its place."""

    folder: Path
    form: str

    def write(self, place: str, face: Crop, /) -> None:
        fileio.write(self.folder / place, encode(face.pixels, "png" if self.form == "png" else "jpeg"))

    def files(self, place: str, /) -> list[Path]:
        return [self.folder / place]

    def complete(self, places: Iterable[str], recorded: Iterable[str], /) -> dict[str, str]:  # noqa: ARG002
        return existing_files(self.folder, places)

    def describe(self, place: str, /) -> str:
        return place
