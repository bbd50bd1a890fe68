"""`mien identify`: who is in photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize

if TYPE_CHECKING:
    from mien.flows.identify import Identification
    from mien.types import Embedding


def identify(
    images: options.Photos,
    false_accepts: Annotated[
        float,
        typer.Option("--false-accepts", metavar="RATE", help="Share of strangers that may be taken for somebody."),
    ] = 0.01,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Name every face of photos: somebody who is enrolled, or "unknown"."""
    from mien.data import photos
    from mien.flows.gallery import opened
    from mien.flows.identify import identify as flow
    from mien.flows.identify import line
    from mien.types import Reason, Rejected

    out = Output(json, quiet)
    faces, rejected = 0, []
    with opened() as gallery:
        drive = out.drive(workers, keep_going=keep_going, no_cache=no_cache)
        for result in flow(photos(images), gallery, drive, false_accepts):
            if isinstance(result, Rejected):
                rejected.append(result)
                out.record(result.line())
            else:
                faces += 1
                out.record(line(*result), _text(*result))
    out.rejections(rejected)
    out.note(f"{pluralize(faces, 'face')}, {pluralize(len(rejected), 'photo')} without a result")
    if not faces and all(item.reason is Reason.MISSING for item in rejected):
        raise typer.Exit(1)


def _text(found: Embedding, answer: Identification) -> str:
    if answer.person is None:
        return f"{found.key}: {answer.label}"
    rival = f", or {answer.rival.name} at {answer.rival.distance:.3f}" if answer.rival else ""
    return f"{found.key}: {answer.label}  (distance {answer.person.distance:.3f}{rival})"
