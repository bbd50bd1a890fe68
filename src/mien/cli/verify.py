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
        float | None, typer.Option("--threshold", help="Largest distance of one person; the embedder's by default.")
    ] = None,
    detector: options.Detector = "auto",
    embedder: options.Embedder = "auto",
    faces: options.Faces = "find",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Tell whether the main faces of two photos are one person."""
    from mien.flows.verify import verify as flow
    from mien.pipeline.spec import build_spec

    out = Output(json, quiet)
    way = build_spec(detector, embedder, faces)
    answer = flow(a, b, way, out.drive(1), threshold)
    verdict = "the same person" if answer.same else "different people"
    out.record(answer.as_json(way), f"{verdict}: distance {answer.distance:.3f}, threshold {answer.threshold:g}")
