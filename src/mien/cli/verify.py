"""`mien verify`: the same person or not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output


def verify(
    a: Annotated[Path, typer.Argument(help="One photo.")],
    b: Annotated[Path, typer.Argument(help="The other photo.")],
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Largest distance of one person (default: the embedder's own)."),
    ] = None,
    detector: options.Detector = "auto",
    embedder: options.Embedder = "auto",
    faces: options.Faces = "find",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Tell whether the main faces of two photos belong to one person."""
    import mien

    out = Output(json, quiet)
    answer = out.call(mien.verify, locals())
    verdict = "the same person" if answer.same else "different people"
    out.record(answer.as_json(), f"{verdict}: distance {answer.distance:.3f}, threshold {answer.threshold:g}")
