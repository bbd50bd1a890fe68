"""`mien augment`: variants of faces, and contact sheets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize

if TYPE_CHECKING:
    from mien.flows.augment_folder import AugmentResult


def augment(
    src: Annotated[Path, typer.Argument(help="Folder of photos, or one photo; its folders are kept.")],
    dst: Annotated[Path | None, typer.Argument(help="Folder for the variants.")] = None,
    variants: Annotated[
        int, typer.Option("--variants", min=1, max=1024, help="How many of each face, the unchanged face included.")
    ] = 64,
    policy: Annotated[str, typer.Option("--policy", help="A policy's name, or a TOML file.")] = "gentle",
    grid: Annotated[bool, typer.Option("--grid", help="Write a contact sheet of each face, too.")] = False,
    preview: Annotated[
        Path | None, typer.Option("--preview", help="PNG or JPEG file: what each method makes of the first face.")
    ] = None,
    faces: Annotated[
        str | None, typer.Option("--faces", help="find: look for the face; cut: each picture is a face already cut.")
    ] = None,
    view: Annotated[
        str | None,
        typer.Option("--view", help="How faces are cut: auto, openface, dlib, arcface, fer or box."),
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="Side of a variant in pixels.")] = None,
    format: Annotated[str, typer.Option("--format", help="jpeg or png.")] = "jpeg",
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything that is random.")] = 0,
    all_faces: options.AllFaces = False,
    detector: options.Detector = "auto",
    min_face: options.MinFace = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make variants of every face by a policy; an interrupted run continues where it stopped."""
    import mien

    out = Output(json, quiet)
    result = out.call(mien.augment, locals())
    out.rejections(result.rejected)
    out.record(result.as_json(), _text(result, grid))


def _text(result: AugmentResult, grid: bool) -> str:
    lines = []
    if result.preview is not None:
        lines.append(f"what each method makes of a face: {result.preview}")
    if result.folder is not None:
        sheets = f" and {pluralize(result.grids, 'sheet')}" if grid else ""
        there = f", {pluralize(result.there, 'photo')} done before" if result.there else ""
        lines.append(
            f"{pluralize(result.variants, 'variant')}{sheets} of {pluralize(result.faces, 'face')} by {result.policy}"
            f" in {result.seconds:.1f} s{there}: {result.folder}"
        )
    return "\n".join(lines)
