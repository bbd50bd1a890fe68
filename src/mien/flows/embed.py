"""Photos in, a file of vectors out."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mien import atomic
from mien.embed.formats import format_of
from mien.errors import DataError
from mien.flows.chain import Chain
from mien.flows.drive import Drive
from mien.types import Embedding, PhotoRef, Rejected


@dataclass(frozen=True, slots=True)
class Embedded:
    """What came of it: `rejected` is the ledger, `files` what was written."""

    photos: int
    faces: int
    rejected: Sequence[Rejected]
    seconds: float
    files: Sequence[Path]


def embed(refs: Sequence[PhotoRef], root: str, out: Path, form: str, chain: Chain, drive: Drive) -> Embedded:
    """Photos -> vectors in a file (`out` ends in .npz or .parquet) or in a folder, with the ledger beside them.

    Raises:
        UnknownName: no such format. WeightsError: weights are missing.
        DataError: `out` is no place for it, or cannot be written.
    """
    write = format_of(form)
    if out.suffix in (".csv", ".tsv", ".txt"):
        raise DataError(f"{out} is one file, and OpenFace's form is two, reps.csv and labels.csv: give a folder")
    start = time.perf_counter()
    vectors: list[Embedding] = []
    rejected: list[Rejected] = []
    for result in drive.vectors(chain, refs):
        rejected.append(result) if isinstance(result, Rejected) else vectors.append(result)
    files = write(vectors, root)
    single = out.suffix in (".npz", ".parquet")
    places = {(out if single else out / name): data for name, data in files.items()}
    if not single:
        places[out / "rejected.csv"] = ledger(rejected)
    for path, data in places.items():
        atomic.write(path, data)
    return Embedded(len(refs), len(vectors), rejected, time.perf_counter() - start, list(places))


def ledger(rejected: Sequence[Rejected]) -> bytes:
    """Everything that went no further, as a CSV: path, stage, reason, detail."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "stage", "reason", "detail"])
    writer.writerows([item.key, item.stage, str(item.reason), item.detail] for item in rejected)
    return text.getvalue().encode()
