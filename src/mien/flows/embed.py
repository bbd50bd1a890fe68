"""Photos in, a file of vectors out."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mien import fileio
from mien.embed.formats import format_of
from mien.errors import DataError
from mien.pipeline.execute import RunOptions
from mien.pipeline.spec import PipelineSpec
from mien.types import Embedding, PhotoRef, Rejected

_FORMAT_OF = {".npz": "npz", ".parquet": "parquet"}
_TABLES = (".csv", ".tsv", ".txt")
_PLACE_OF = {
    "openface-csv": "it is two files, reps.csv and labels.csv, so give a folder",
    "npz": "give a folder, or a file that ends in .npz",
    "parquet": "give a folder, or a file that ends in .parquet",
}


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """What came of it: `rejected` is the ledger, `files` what was written."""

    photos: int
    faces: int
    rejected: Sequence[Rejected]
    seconds: float
    files: Sequence[Path]


def embed(
    refs: Sequence[PhotoRef], root: Path, out: Path, form: str | None, spec: PipelineSpec, drive: RunOptions
) -> EmbedResult:
    """Photos below `root` -> vectors in the file `out` (.npz, .parquet) or in a folder, with the ledger beside them.

    Raises:
        UnknownName: no such format. WeightsError: weights are missing.
        DataError: `out` is no place for that format, or cannot be written.
    """
    single = _FORMAT_OF.get(out.suffix)
    form = form or single or "openface-csv"
    write = format_of(form)
    if out.suffix in _TABLES or (single is not None and single != form):
        raise DataError(f"{out} is no place for {form}: {_PLACE_OF[form]}")
    fileio.check_writable(out if single else out / "rejected.csv")
    start = time.perf_counter()
    vectors: list[Embedding] = []
    rejected: list[Rejected] = []
    for result in drive.vectors(spec, refs):
        rejected.append(result) if isinstance(result, Rejected) else vectors.append(result)
    places = {(out if single else out / name): data for name, data in write(vectors, str(root)).items()}
    book = out.with_suffix(".rejected.csv") if single else out / "rejected.csv"
    if rejected or not single or book.exists():  # a single file gets company only where there is something to say
        places[book] = ledger(rejected)
    for path, data in places.items():
        fileio.write(path, data)
    return EmbedResult(len(refs), len(vectors), rejected, time.perf_counter() - start, list(places))


def ledger(rejected: Sequence[Rejected]) -> bytes:
    """Everything that went no further, as a CSV: path, stage, reason, detail."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "stage", "reason", "detail"])
    writer.writerows([item.key, item.stage, str(item.reason), item.detail] for item in rejected)
    return text.getvalue().encode()
