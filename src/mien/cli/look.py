"""`mien look`: every face of photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize

if TYPE_CHECKING:
    from mien.pipeline.annotate import PhotoReport


def look(
    images: options.Photos,
    draw: Annotated[
        Path | None, typer.Option("--draw", help="Folder for copies of the photos with what was found drawn in.")
    ] = None,
    traits: options.Traits = None,
    detector: options.Detector = "auto",
    min_face: options.MinFace = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show every face of photos: box, landmarks, quality, traits such as age group and mask, and who is enrolled."""
    import mien
    from mien.types import Reason, Rejected

    out = Output(json, quiet)
    faces, rejected, said = 0, [], False
    reports = out.call(mien.look, locals())
    for report in reports:
        if isinstance(report, Rejected):
            rejected.append(report)
            out.record(report.line(), report.text())
            continue
        if not said:
            out.note(f"detector: {report.detector}")
            said = True
        faces += len(report.faces)
        out.record(report.as_json(), _text(report))
    out.note(f"{pluralize(faces, 'face')}, {pluralize(len(rejected), 'photo')} without a result")
    if not faces and all(item.reason is Reason.MISSING for item in rejected):
        raise typer.Exit(1)


_TURNED = {
    0: "",
    90: ", on its side (turned 90 degrees clockwise)",
    180: ", upside down",
    270: ", on its side (turned 90 degrees counter-clockwise)",
}


def _text(report: PhotoReport) -> str:
    size = f"{report.width} x {report.height}{_TURNED[report.turned]}"
    lines = [f"{report.key}: {size}, {pluralize(len(report.faces), 'face')}"]
    for face in report.faces:
        box = " ".join(f"{value:.0f}" for value in face.box)
        quality = face.quality
        lines.append(
            f"  box {box}  score {face.score:.2f}  side {quality.side} px  sharpness {quality.sharpness:.0f}"
            f"  brightness {quality.brightness:.2f}"
        )
        if face.person:
            lines.append(f"    {face.person.name}  distance {face.person.distance:.3f}")
        if face.traits:
            lines.append("    " + "  ".join(f"{name} {t.label} {t.score:.2f}" for name, t in face.traits.items()))
    return "\n".join(lines)
