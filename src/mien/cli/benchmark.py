"""`mien benchmark`: protocols that the field compares by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output

app = typer.Typer(help="Run a standard benchmark protocol.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Run a standard benchmark protocol."""


@app.command()
def pairs(
    csv: Annotated[Path, typer.Argument(metavar="CSV", help="Columns fold,a,b,same; or LFW's own pairs.txt.")],
    images: Annotated[Path, typer.Option("--images", help="Folder that the paths are relative to.")],
    detector: options.Detector = "auto",
    embedder: options.Embedder = "auto",
    faces: options.Faces = "find",
    workers: options.Workers = None,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Same person or not, over pairs of photos: the threshold of each fold is chosen on the other folds (LFW)."""
    import mien

    out = Output(json, quiet)
    result = out.call(mien.benchmark_pairs, locals())
    text = (
        f"accuracy {result.accuracy:.2%} (standard deviation {result.accuracy_std:.2%}) over {result.pairs} pairs in"
        f" {result.folds} folds, {result.rejected} pairs with a photo without a face"
    )
    out.record(result.as_json(), text)
