"""`mien look`: what is seen in photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize

if TYPE_CHECKING:
    from mien.flows.look import PhotoReport


def look(
    images: options.Photos,
    draw: Annotated[Path | None, typer.Option("--draw", metavar="DIR", help="Write annotated photos there.")] = None,
    traits: options.Traits = None,
    detector: options.Detector = "auto",
    min_face: options.MinFace = 20,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show every face of photos: box, landmarks, quality, traits such as age group and mask, and who is enrolled."""
    from mien.data import photos
    from mien.flows.look import FaceAnnotator
    from mien.flows.look import look as flow
    from mien.flows.naming import named
    from mien.pipeline.spec import build_spec
    from mien.pipeline.traits import open_traits as built_in
    from mien.types import Reason, Rejected

    out = Output(json, quiet)
    faces = 0
    rejected = []
    with named(detector) as (naming, unnamed):
        way = build_spec(naming.spec.detector if naming else detector, which="all", min_face=min_face)
        told = built_in(traits)
        out.note(f"detector: {way.detector}")
        out.notes([*told.notes, *([unnamed] if unnamed else [])])
        drive = out.drive(workers, keep_going=keep_going)
        for result in flow(photos(images), way, draw, drive, FaceAnnotator(told.traits, naming)):
            if isinstance(result, Rejected):
                rejected.append(result)
                why = f"{result.reason}" + (f" ({result.detail})" if result.detail else "")
                out.record(result.line(), f"{result.key}: {why}")
            else:
                faces += len(result.faces)
                out.record(result.as_json(way.detector), _text(result))
    out.note(f"{pluralize(faces, 'face')}, {pluralize(len(rejected), 'photo')} without a result")
    if not faces and all(item.reason is Reason.MISSING for item in rejected):
        raise typer.Exit(1)


def _text(seen: PhotoReport) -> str:
    lines = [f"{seen.key}: {seen.width} x {seen.height}, {pluralize(len(seen.faces), 'face')}"]
    for each in seen.faces:
        box = " ".join(f"{value:.0f}" for value in each.face.box)
        quality = each.quality
        lines.append(
            f"  box {box}  score {each.face.score:.2f}  side {quality.side} px  sharpness {quality.sharpness:.0f}"
            f"  brightness {quality.brightness:.2f}"
        )
        lines += [f"    {each.person.name}  distance {each.person.distance:.3f}"] if each.person else []
        told = [f"{name} {trait.label} {trait.score:.2f}" for name, trait in each.traits.items()]
        lines += [f"    {'  '.join(told)}"] if told else []
    return "\n".join(lines)
