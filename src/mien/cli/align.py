"""`mien align`: upright crops of faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output


def align(
    src: Annotated[Path, typer.Argument(help="Folder of photos; its folders are kept.")],
    dst: Annotated[Path, typer.Argument(help="Folder for the crops.")],
    view: Annotated[str, typer.Option("--view", help="auto, openface, dlib, arcface, fer or box.")] = "auto",
    landmarks: Annotated[
        str | None, typer.Option("--landmarks", help="Of view openface: outerEyesAndNose or innerEyesAndBottomLip.")
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="Side of the crop in pixels.")] = None,
    margin: Annotated[float | None, typer.Option("--margin", help="Of view box: added on each side.")] = None,
    grey: Annotated[bool, typer.Option("--grey", help="Grey crops.")] = False,
    format: Annotated[str, typer.Option("--format", help="jpeg or png.")] = "jpeg",
    all_faces: options.AllFaces = False,
    detector: options.Detector = "auto",
    min_face: options.MinFace = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Cut the face out of every photo, upright; an interrupted run continues where it stopped."""
    import mien

    out = Output(json, quiet)
    result = out.call(mien.align, locals())
    out.rejections(result.rejected)
    there = f", {result.there} photos were done before" if result.there else ""
    text = f"{result.crops} crops of {result.photos} photos in {result.seconds:.1f} s{there}: {dst}"
    out.record(result.as_json(), text)
