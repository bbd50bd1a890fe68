"""`mien enroll`: somebody into the gallery."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize


def enroll(
    name: Annotated[str, typer.Argument(help="Who it is; photos are added to somebody who is there.")],
    images: options.Photos,
    consent: Annotated[
        str | None,
        typer.Option("--consent", metavar="NOTE", help="How and when consent was given; kept with the name."),
    ] = None,
    largest: Annotated[bool, typer.Option("--largest", help="Of several faces in a photo, take the main one.")] = False,
    detector: options.Detector = "auto",
    embedder: options.Embedder = "auto",
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Enrol somebody with photos, so that their face is known by name."""
    from mien.data import photos
    from mien.flows.enroll import Wish
    from mien.flows.enroll import enroll as flow
    from mien.flows.gallery import chain_for, opened

    out = Output(json, quiet)
    refs = photos(images)
    with opened(make=True) as gallery:
        way = chain_for(gallery, detector, embedder)
        drive = out.drive(workers, keep_going=keep_going, no_cache=no_cache)
        done = flow(Wish(name, consent, largest), refs, gallery, way, drive)
    out.rejections(done.rejected)
    person = done.person
    if person.consent is None:
        out.tell(f"no note on consent is kept for {person.name}: add one with --consent")
    for other in done.close:
        out.warn(
            f"{person.name} and {other.name} are too close to tell apart (distance {other.distance:.3f}):"
            " if they are one person, forget one of the names"
        )
    out.record(done.as_json(way), f"{person.name}: {pluralize(done.enrolled, 'new photo')}, {person.photos} in all")
    if not done.enrolled and consent is None:
        raise typer.Exit(1)
