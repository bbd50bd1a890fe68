"""`mien look`: what is seen in photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.words import counted

if TYPE_CHECKING:
    from mien.flows.look import Seen
    from mien.flows.traits import Trait


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
    """Show every face of photos: box, landmarks, quality, and traits such as age group, expression and mask."""
    from mien.collect import photos
    from mien.flows.chain import chain
    from mien.flows.look import look as flow
    from mien.flows.traits import traits as built_in
    from mien.types import Reason, Rejected

    out = Output(json, quiet)
    way = chain(detector=detector, which="all", min_face=min_face)
    told = built_in(traits)
    out.note(f"detector: {way.detector}")
    out.notes(told.notes)
    faces = 0
    rejected = []
    for result in flow(photos(images), way, draw, out.drive(workers, keep_going=keep_going), told.traits):
        if isinstance(result, Rejected):
            rejected.append(result)
            why = f"{result.reason}" + (f" ({result.detail})" if result.detail else "")
            out.record({"image": result.key, "rejected": result.as_json()}, f"{result.key}: {why}")
        else:
            faces += len(result.faces)
            out.record(_fields(result, way.detector), _text(result))
    out.note(f"{counted(faces, 'face')}, {counted(len(rejected), 'photo')} without a result")
    if not faces and all(item.reason is Reason.MISSING for item in rejected):
        raise typer.Exit(1)


def _fields(seen: Seen, detector: str) -> dict[str, Any]:
    faces = [
        {
            "box": [round(value, 1) for value in each.face.box],
            "score": round(each.face.score, 4),
            "landmarks": None if each.face.landmarks is None else each.face.landmarks.astype(float).round(1).tolist(),
            "quality": each.quality.as_json(),
            "traits": {name: _trait(trait) for name, trait in each.traits.items()},
            "person": None,
        }
        for each in seen.faces
    ]
    return {"image": seen.key, "width": seen.width, "height": seen.height, "detector": detector, "faces": faces}


def _trait(trait: Trait) -> dict[str, Any]:
    scores = {label: round(score, 4) for label, score in trait.scores.items()}
    return {"label": trait.label, "score": round(trait.score, 4), "scores": scores}


def _text(seen: Seen) -> str:
    lines = [f"{seen.key}: {seen.width} x {seen.height}, {counted(len(seen.faces), 'face')}"]
    for each in seen.faces:
        box = " ".join(f"{value:.0f}" for value in each.face.box)
        quality = each.quality
        lines.append(
            f"  box {box}  score {each.face.score:.2f}  side {quality.side} px  sharpness {quality.sharpness:.0f}"
            f"  brightness {quality.brightness:.2f}"
        )
        told = [f"{name} {trait.label} {trait.score:.2f}" for name, trait in each.traits.items()]
        lines += [f"    {'  '.join(told)}"] if told else []
    return "\n".join(lines)
