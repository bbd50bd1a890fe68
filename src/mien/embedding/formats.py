"""Writes vectors to files that other programs read: OpenFace's CSV pair, Parquet, npz."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from mien.errors import UnknownName
from mien.types import Embedding, Floats

Files = Mapping[str, bytes]


def openface_csv(embeddings: Sequence[Embedding], root: str) -> Files:
    """`reps.csv` and `labels.csv` as OpenFace's batch-represent writes them, without headers.

    A row of reps is a vector, each number as Lua prints a double (%.14g); the same row of labels is the number of its
    label, counted from 1 in the order of the names, and the path under `root`. Rows are grouped by label.
    """
    names = sorted({embedding.origin.label or "" for embedding in embeddings})
    number = {name: i for i, name in enumerate(names, 1)}
    rows = sorted(embeddings, key=lambda e: (number[e.origin.label or ""], e.key, e.face.index))
    reps, labels = io.StringIO(), io.StringIO()
    write_rep, write_label = csv.writer(reps, lineterminator="\n"), csv.writer(labels, lineterminator="\n")
    for row in rows:
        write_rep.writerow([f"{value:.14g}" for value in row.vector.tolist()])
        write_label.writerow([number[row.origin.label or ""], str(PurePosixPath(root) / row.key)])
    return {"reps.csv": reps.getvalue().encode(), "labels.csv": labels.getvalue().encode()}


def parquet(embeddings: Sequence[Embedding], root: str) -> Files:  # noqa: ARG001  (one signature for all formats)
    """One Parquet file: path, face, label, x1, y1, x2, y2, score, and the vector as a list of fixed length."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    vectors = _stack(embeddings)
    boxes = np.array([e.face.box for e in embeddings], np.float32).reshape(-1, 4)
    columns = {
        "path": pa.array([e.key for e in embeddings], pa.string()),
        "face": pa.array([e.face.index for e in embeddings], pa.int32()),
        "label": pa.array([e.origin.label for e in embeddings], pa.string()),
        **{name: pa.array(boxes[:, i]) for i, name in enumerate(("x1", "y1", "x2", "y2"))},
        "score": pa.array([e.face.score for e in embeddings], pa.float32()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return {"embeddings.parquet": sink.getvalue()}


def npz(embeddings: Sequence[Embedding], root: str) -> Files:  # noqa: ARG001
    """One npz file without objects: vectors (n, d), paths, labels, faces (n,), boxes (n, 4), scores (n,)."""
    sink = io.BytesIO()
    np.savez(
        sink,
        vectors=_stack(embeddings),
        paths=np.array([e.key for e in embeddings], np.str_),
        labels=np.array([e.origin.label or "" for e in embeddings], np.str_),
        faces=np.array([e.face.index for e in embeddings], np.int32),
        boxes=np.array([e.face.box for e in embeddings], np.float32).reshape(-1, 4),
        scores=np.array([e.face.score for e in embeddings], np.float32),
    )
    return {"embeddings.npz": sink.getvalue()}


def _stack(embeddings: Sequence[Embedding]) -> Floats:
    return np.stack([e.vector for e in embeddings]) if embeddings else np.empty((0, 1), np.float32)


Format = Callable[[Sequence[Embedding], str], Files]
FORMATS: Mapping[str, Format] = {"openface-csv": openface_csv, "parquet": parquet, "npz": npz}


def format_of(name: str) -> Format:
    """The writer of that name; raises UnknownName, whose message lists the names."""
    if name not in FORMATS:
        raise UnknownName(f"there is no format called {name!r} (there are: {', '.join(FORMATS)})")
    return FORMATS[name]
