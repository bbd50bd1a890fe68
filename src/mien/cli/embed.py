"""`mien embed`: faces as vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize


def embed(
    src: Annotated[
        Path, typer.Argument(help="Folder of photos or of label folders, or labelled data in another form.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder, or a file that ends in .parquet or .npz.")],
    format: Annotated[
        str | None,
        typer.Option(
            "--format", help="openface-csv, parquet or npz (default: by the ending of OUT, else openface-csv)."
        ),
    ] = None,
    all_faces: options.AllFaces = False,
    detector: options.Detector = "auto",
    embedder: options.Embedder = "auto",
    faces: options.Faces = "find",
    min_face: options.MinFace = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="The network's own output: no mirrored mean, length not set to 1.")
    ] = False,
    images: options.Images = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Turn the face of every photo into a vector; a second run computes only what is new."""
    import mien

    show = Output(json, quiet)
    result = show.call(mien.embed, {**locals(), "photos": src})
    show.rejections(result.rejected)
    files = ", ".join(str(path) for path in result.files)
    counts = f"{pluralize(len(result.embeddings), 'face')} of {pluralize(result.photos, 'photo')}"
    show.record(result.as_json(), f"{counts} in {result.seconds:.1f} s: {files}")
