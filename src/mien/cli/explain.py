"""`mien explain`: how photos become answers, in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize

if TYPE_CHECKING:
    from mien.pipeline.explain import ExplainedPhoto


def explain(
    images: options.Photos,
    out: Annotated[Path, typer.Option("--out", help="Folder for the page, explain.html.")],
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="A bundle, or a built-in trait, whose answer to explain.")
    ] = None,
    traits: options.Traits = None,
    detector: options.Detector = "auto",
    min_face: options.MinFace = None,
    language: Annotated[str, typer.Option("--language", help="en or ko: in which the page opens.")] = "en",
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show how photos become answers, step by step on a page, and what in a face the answer hangs on."""
    import mien
    from mien.types import Reason, Rejected

    says = Output(json, quiet)
    result = says.call(mien.explain, locals())
    for item, line in zip(result, result.as_json(), strict=True):
        says.record(line, item.text() if isinstance(item, Rejected) else _text(item))
    says.note(f"page: {result.page}")
    if all(isinstance(item, Rejected) and item.reason is Reason.MISSING for item in result):
        raise typer.Exit(1)


def _text(photo: ExplainedPhoto) -> str:
    weak = f", {len(photo.weak)} too weak for one" if len(photo.weak) else ""
    lines = [f"{photo.key}: {pluralize(len(photo.found), 'face')} by {photo.detector or 'nobody'}{weak}"]
    for face in photo.faces:
        answers = [answer for reading in face.readings for answer in reading.answers]
        told = [f"{a.what} {a.label} {a.before:.2f} ({a.covered:.2f} covered)" for a in answers if a.what and a.top]
        people = [answer.person.name for answer in answers if answer.person]
        if people or told:
            lines.append("  " + "  ".join([*people, *told]))
    return "\n".join(lines)
