"""`mien benchmark`: protocols that the field compares by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output

app = typer.Typer(help="Measure by a protocol of the field.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure by a protocol of the field."""


@app.command()
def pairs(
    table: Annotated[Path, typer.Argument(metavar="CSV", help="fold,a,b,same; or LFW's own pairs.txt.")],
    images: Annotated[Path, typer.Option("--images", help="Folder that the paths start from.")],
    detector: options.Detector = "auto",
    embedder: options.Embedder = "auto",
    faces: options.Faces = "find",
    workers: options.Workers = None,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Same person or not over pairs of photos: the threshold of each fold comes from the other folds (LFW)."""
    from mien.flows.pairs import benchmark_pairs
    from mien.pipeline.spec import build_spec

    out = Output(json, quiet)
    way = build_spec(detector, embedder, faces)
    result = benchmark_pairs(table, images, way, out.drive(workers, no_cache=no_cache))
    fields = {**result.as_json(), "detector": way.detector, "embedder": way.embedder}
    text = (
        f"accuracy {result.accuracy:.2%} (standard deviation {result.accuracy_std:.2%}) over {result.pairs} pairs in"
        f" {result.folds} folds, {result.rejected} pairs with a photo without a face"
    )
    out.record(fields, text)
