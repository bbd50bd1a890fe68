"""`mien classify`: the label of every face."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output


def classify(
    bundle: options.BundleArgument,
    images: options.Photos,
    top: Annotated[int, typer.Option("--top", min=1, help="How many labels to show, 10 at most.")] = 3,
    faces: options.BundleFaces = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Name every face of photos: the best labels with their probabilities, or "unknown"."""
    import mien
    from mien.types import Reason, Rejected

    out = Output(json, quiet)
    missing = True
    for result in out.call(mien.classify, locals()):
        missing &= isinstance(result, Rejected) and result.reason is Reason.MISSING
        if isinstance(result, Rejected):
            out.record(result.line(), result.text())
        else:
            shown = "  ".join(f"{label} {score:.2f}" for label, score in result.top[:top])
            out.record(result.as_json(top), f"{result.key}: {result.label}" + (f"  ({shown})" if shown else ""))
    if missing:
        raise typer.Exit(1)
