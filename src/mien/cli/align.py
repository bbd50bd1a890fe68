"""`mien align`: upright crops of faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output, seconds


def align(
    src: Annotated[Path, typer.Argument(help="Folder of photos; its folders are kept.")],
    dst: Annotated[Path, typer.Argument(help="Folder for the crops.")],
    view: Annotated[str, typer.Option("--view", help="openface, dlib, arcface, fer or box.")] = "openface",
    landmarks: Annotated[
        str | None, typer.Option("--landmarks", help="Of view openface: outerEyesAndNose or innerEyesAndBottomLip.")
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="Side of the crop in pixels.")] = None,
    margin: Annotated[float | None, typer.Option("--margin", help="Of view box: added on each side.")] = None,
    grey: Annotated[bool, typer.Option("--grey", help="Grey crops.")] = False,
    form: Annotated[str, typer.Option("--format", help="jpeg or png.")] = "jpeg",
    all_faces: options.AllFaces = False,
    detector: options.Detector = "auto",
    min_face: options.MinFace = 20,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Cut every photo's face, upright and in place; a run that was broken off goes on where it stopped."""
    from dataclasses import replace

    from mien.align.views import ViewOptions
    from mien.align.views import view as view_of
    from mien.data import photos
    from mien.errors import DataError
    from mien.flows.align import align as flow
    from mien.pipeline.spec import build_spec

    out = Output(json, quiet)
    if not src.is_dir():
        raise DataError(f"{src} is not a folder: give the folder that holds the photos")
    cut = view_of(view, ViewOptions(size, landmarks, margin, grey))
    way = replace(build_spec(detector, which="all" if all_faces else "largest", min_face=min_face), view=cut)
    done = flow(src, photos([src]), dst, way, form, out.drive(workers, keep_going=keep_going))
    out.rejections(done.rejected)
    fields = {
        "photos": done.photos,
        "crops": done.crops,
        "there": done.there,
        "rejected": len(done.rejected),
        "seconds": seconds(done.seconds),
        "counts": dict(done.counts),
        "detector": way.detector,
    }
    there = f", {done.there} photos were done before" if done.there else ""
    out.record(fields, f"{done.crops} crops of {done.photos} photos in {done.seconds:.1f} s{there}: {dst}")
