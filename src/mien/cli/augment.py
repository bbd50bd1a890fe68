"""`mien augment`: variants of faces, and contact sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli import options
from mien.cli.output import Output, seconds

_MARKS = (".mien/align.json", ".mien/augment.json")


def augment(
    src: Annotated[Path, typer.Argument(help="Folder of photos, or one photo; its folders are kept.")],
    dst: Annotated[Path | None, typer.Argument(help="Folder for the variants.")] = None,
    variants: Annotated[
        int, typer.Option("--variants", min=1, max=1024, help="How many of each face, the face as it is among them.")
    ] = 64,
    policy: Annotated[str, typer.Option("--policy", help="A policy's name, or a TOML file.")] = "gentle",
    grid: Annotated[bool, typer.Option("--grid", help="A contact sheet of each face too.")] = False,
    preview: Annotated[
        Path | None, typer.Option("--preview", help="PNG or JPEG file: what each method makes of the first face.")
    ] = None,
    faces: Annotated[
        str | None, typer.Option("--faces", help="find: look for the face; cut: each picture is a face already cut.")
    ] = None,
    view: Annotated[
        str | None, typer.Option("--view", help="How faces are cut: openface (unless said), dlib, arcface, fer or box.")
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="Side of a variant in pixels.")] = None,
    form: Annotated[str, typer.Option("--format", help="jpeg or png.")] = "jpeg",
    seed: Annotated[int, typer.Option("--seed", help="Seed of all that is drawn.")] = 0,
    all_faces: options.AllFaces = False,
    detector: options.Detector = "auto",
    min_face: options.MinFace = 20,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make variants of every face by a policy; a run that was broken off goes on where it stopped."""
    from dataclasses import replace

    from mien.align.views import ViewOptions
    from mien.align.views import view as view_of
    from mien.augment.policy import policy as policy_of
    from mien.data import photos
    from mien.errors import DataError
    from mien.flows.augment import AugmentOptions, suggests_cut
    from mien.flows.augment import augment as flow
    from mien.flows.preview import preview as preview_flow
    from mien.pipeline.spec import build_spec
    from mien.text import pluralize

    out = Output(json, quiet)
    if dst is None and preview is None:
        raise DataError(
            "say where to: 'mien augment SRC DST' writes variants, and --preview FILE.png a sheet to look at"
        )
    if not src.exists():
        raise DataError(f"there is no file or folder {src}")
    if faces is None and any((src / mark).is_file() for mark in _MARKS):
        out.notes([f"{src} holds faces that mien has cut: taken as they are (--faces find looks for faces in them)"])
        faces = "cut"
    way = build_spec(detector, faces=faces or "find", which="all" if all_faces else "largest", min_face=min_face)
    if way.faces == "cut" and view is not None:
        raise DataError(f"--view {view} is how faces that were found are cut: it does not go with --faces cut")
    way = replace(way, view=view_of(view or "openface", ViewOptions(size)))
    asked = AugmentOptions(policy_of(policy), variants, seed, grid, form, size if way.faces == "cut" else None)
    refs = photos([src])
    fields: dict[str, Any] = {"faces": 0, "variants": 0, "grids": 0, "seconds": 0.0, "policy": asked.policy.name}
    fields["detector"] = way.detector if way.faces == "find" else "none"
    texts = []
    if preview is not None:
        preview_flow(refs, way, asked, preview)
        fields["preview"] = str(preview)
        texts.append(f"what each method makes of a face: {preview}")
    if dst is not None:
        done = flow(src, refs, dst, way, asked, out.drive(workers, keep_going=keep_going))
        out.rejections(done.rejected)
        if suggests_cut(done.photos, done.rejected, way):
            out.notes(["most photos show no face: if they are faces that are cut already, say --faces cut"])
        for name in ("photos", "faces", "variants", "grids", "there"):
            fields[name] = getattr(done, name)
        fields |= {"rejected": len(done.rejected), "seconds": seconds(done.seconds)}
        sheets = f" and {pluralize(done.grids, 'sheet')}" if grid else ""
        there = f", {pluralize(done.there, 'photo')} done before" if done.there else ""
        texts.append(
            f"{pluralize(done.variants, 'variant')}{sheets} of {pluralize(done.faces, 'face')} by {asked.policy.name}"
            f" in {done.seconds:.1f} s{there}: {dst}"
        )
    out.record(fields, "\n".join(texts))
