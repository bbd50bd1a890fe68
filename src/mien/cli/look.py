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


def look(
    images: options.Photos,
    draw: Annotated[Path | None, typer.Option("--draw", metavar="DIR", help="Write annotated photos there.")] = None,
    detector: options.Detector = "auto",
    min_face: options.MinFace = 20,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show every face of photos: box, landmarks, quality."""
    from mien.collect import photos
    from mien.flows.chain import chain
    from mien.flows.look import look as flow
    from mien.types import Reason, Rejected

    out = Output(json, quiet)
    way = chain(detector=detector, which="all", min_face=min_face)
    out.note(f"detector: {way.detector}")
    faces = 0
    rejected = []
    for result in flow(photos(images), way, draw, out.drive(workers, keep_going=keep_going)):
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
            "box": [round(value, 1) for value in face.box],
            "score": round(face.score, 4),
            "landmarks": None if face.landmarks is None else face.landmarks.astype(float).round(1).tolist(),
            "quality": quality.as_json(),
            "traits": {},
            "person": None,
        }
        for face, quality in seen.faces
    ]
    return {"image": seen.key, "width": seen.width, "height": seen.height, "detector": detector, "faces": faces}


def _text(seen: Seen) -> str:
    lines = [f"{seen.key}: {seen.width} x {seen.height}, {counted(len(seen.faces), 'face')}"]
    for face, quality in seen.faces:
        box = " ".join(f"{value:.0f}" for value in face.box)
        lines.append(
            f"  box {box}  score {face.score:.2f}  side {quality.side} px  sharpness {quality.sharpness:.0f}"
            f"  brightness {quality.brightness:.2f}"
        )
    return "\n".join(lines)
