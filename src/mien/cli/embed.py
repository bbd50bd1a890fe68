"""`mien embed`: faces as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output, seconds
from mien.text import pluralize


def embed(
    src: Annotated[
        Path, typer.Argument(help="Folder of photos or of label folders, or labelled data in another form.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder, or a file that ends in .parquet or .npz.")],
    form: Annotated[
        str | None, typer.Option("--format", help="openface-csv, parquet or npz; by the ending of OUT if not said.")
    ] = None,
    all_faces: options.AllFaces = False,
    detector: options.Detector = "auto",
    embedder: options.Embedder = "auto",
    faces: options.Faces = "find",
    min_face: options.MinFace = 20,
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
    from dataclasses import replace

    from mien.data import DataOptions, open_data
    from mien.flows.embed import embed as flow
    from mien.pipeline.spec import build_spec

    show = Output(json, quiet)
    way = build_spec(detector, embedder, faces, "all" if all_faces else "largest", min_face)
    way = replace(way, mirror=not plain, normalise=not plain)
    data = open_data(src, DataOptions(images=images, loose=True))
    show.notes(data.notes)
    root = images or (src if src.is_dir() else src.parent)
    drive = show.drive(workers, keep_going=keep_going, no_cache=no_cache)
    done = flow(data.refs, root, out, form, way, drive)
    show.rejections(done.rejected)
    rate = done.photos / max(done.seconds, 1e-9)
    fields = {
        "photos": done.photos,
        "faces": done.faces,
        "rejected": len(done.rejected),
        "seconds": seconds(done.seconds),
        "photos_per_second": round(rate, 2),
        "detector": way.detector,
        "embedder": way.embedder,
    }
    written = ", ".join(str(path) for path in done.files)
    found = f"{pluralize(done.faces, 'face')} of {pluralize(done.photos, 'photo')}"
    show.record(fields, f"{found} in {done.seconds:.1f} s: {written}")
