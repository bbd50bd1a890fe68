"""Photos in, vectors out: as arrays, and as a file if wanted."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien import fileio
from mien.data import DataOptions, open_data
from mien.data.sources import ImageSources, photo_refs
from mien.embedding.formats import format_of
from mien.errors import DataError
from mien.pipeline.execute import RunOptions, embed_photos
from mien.pipeline.progress import Progress
from mien.pipeline.spec import build_spec
from mien.types import Embedding, Floats, PhotoRef, Rejected

_FORMAT_OF = {".npz": "npz", ".parquet": "parquet"}
_TABLES = (".csv", ".tsv", ".txt")
_PLACE_OF = {
    "openface-csv": "it is two files, reps.csv and labels.csv, so give a folder",
    "npz": "give a folder, or a file that ends in .npz",
    "parquet": "give a folder, or a file that ends in .parquet",
}


@dataclass(frozen=True, slots=True, eq=False)
class EmbedResult:
    """The vectors of faces, row for row the same face in `values`, `keys` and `embeddings`.

    rejected: photos without a vector, with the reason. files: what was written.
    """

    embeddings: Sequence[Embedding]
    rejected: Sequence[Rejected]
    photos: int
    seconds: float
    detector: str
    embedder: str
    files: Sequence[Path] = ()

    @property
    def values(self) -> Floats:
        """(n, d) float32; (0, 0) where there is no face."""
        if not self.embeddings:
            return np.empty((0, 0), np.float32)
        return np.stack([embedding.vector for embedding in self.embeddings])

    @property
    def keys(self) -> list[str]:
        """The photo that each row is of."""
        return [embedding.key for embedding in self.embeddings]

    def as_json(self) -> dict[str, Any]:
        """The last line of `mien embed --json`."""
        return {
            "photos": self.photos,
            "faces": len(self.embeddings),
            "rejected": len(self.rejected),
            "seconds": round(self.seconds, 3),
            "photos_per_second": round(self.photos / max(self.seconds, 1e-9), 2),
            "detector": self.detector,
            "embedder": self.embedder,
        }


def embed(
    photos: ImageSources,
    out: str | Path | None = None,
    *,
    format: str | None = None,
    all_faces: bool = False,
    detector: str = "auto",
    embedder: str = "auto",
    faces: str = "find",
    min_face: int | None = None,
    plain: bool = False,
    images: str | Path | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    cache: bool = True,
    progress: bool | Progress = False,
) -> EmbedResult:
    """Turn the face of every photo into a vector; a second run computes only what is new.

    Args:
        photos: Pictures, a folder of photos or of label folders, or labelled data in another form.
        out: Folder, or a file that ends in .parquet or .npz; nothing is written where it is None.
        format: "openface-csv", "parquet" or "npz"; by the ending of `out` if not given.
        all_faces: Every face of a photo, not only the main one.
        detector: "auto", or a name from `mien models list`.
        embedder: "auto", or a name from `mien models list`.
        faces: "find" looks for the face, "cut" takes each picture as a face already cut.
        min_face: Side of the smallest face, in pixels of the photo.
        plain: The network's own output: no mirrored mean, length not set to 1.
        images: Folder that the file names of a table start from.
        workers: Threads, by default as many as there are cores.
        keep_going: An unexpected failure costs only its photo.
        cache: Whether embeddings are looked up and stored.
        progress: Show a bar.

    Raises:
        UnknownName: No such format, detector or embedder.
        WeightsError: Weights are missing.
        DataError: There are no pictures, or `out` cannot hold that format or be written.
    """
    spec = build_spec(detector, embedder, faces, "all" if all_faces else "largest", min_face)
    spec = replace(spec, mirror=not plain, normalise=not plain)
    run = RunOptions.build(workers, keep_going, cache, progress)
    refs, root = _photos(photos, images, run)
    target = None if out is None else _Target.of(Path(out), format)
    start = time.perf_counter()
    embeddings: list[Embedding] = []
    rejected: list[Rejected] = []
    for result in embed_photos(spec, refs, run):
        rejected.append(result) if isinstance(result, Rejected) else embeddings.append(result)
    files = [] if target is None else target.write(embeddings, rejected, root)
    seconds = time.perf_counter() - start
    return EmbedResult(embeddings, rejected, len(refs), seconds, spec.detector, spec.embedder, files)


def _photos(photos: ImageSources, images: str | Path | None, run: RunOptions) -> tuple[Sequence[PhotoRef], Path]:
    """The photos, and the folder that their labels are counted from."""
    if not isinstance(photos, str | Path):
        return photo_refs(photos), Path()
    path = Path(photos)
    data = open_data(path, DataOptions(images=None if images is None else Path(images), loose=True))
    for note in data.notes:
        run.note(note)
    return data.refs, Path(images) if images else path if path.is_dir() else path.parent


@dataclass(frozen=True, slots=True)
class _Target:
    """Where vectors are written, and how: one file, or a folder."""

    path: Path
    format: str
    single: bool

    @classmethod
    def of(cls, path: Path, form: str | None) -> _Target:
        by_ending = _FORMAT_OF.get(path.suffix)
        form = form or by_ending or "openface-csv"
        format_of(form)
        if path.suffix in _TABLES or (by_ending is not None and by_ending != form):
            raise DataError(f"{path} cannot hold {form}: {_PLACE_OF[form]}")
        fileio.check_writable(path if by_ending else path / "rejected.csv")
        return cls(path, form, by_ending is not None)

    def write(self, embeddings: Sequence[Embedding], rejected: Sequence[Rejected], root: Path) -> list[Path]:
        files = format_of(self.format)(embeddings, str(root))
        contents = {(self.path if self.single else self.path / name): data for name, data in files.items()}
        ledger_path = self.path.with_suffix(".rejected.csv") if self.single else self.path / "rejected.csv"
        if rejected or not self.single or ledger_path.exists():  # a single file stays alone unless there is need
            contents[ledger_path] = ledger(rejected)
        for path, data in contents.items():
            fileio.write(path, data)
        return list(contents)


def ledger(rejected: Sequence[Rejected]) -> bytes:
    """Everything that went no further, as a CSV: path, stage, reason, detail."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "stage", "reason", "detail"])
    writer.writerows([item.key, item.stage, str(item.reason), item.detail] for item in rejected)
    return text.getvalue().encode()
