"""`mien enroll`, `identify`, `people` and `forget`: people who are known by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize

if TYPE_CHECKING:
    from mien.flows.gallery import Person
    from mien.pipeline.identify import Identification


def enroll(
    name: Annotated[str, typer.Argument(help="Who it is; photos are added to a person who is enrolled already.")],
    images: options.Photos,
    consent: Annotated[
        str | None,
        typer.Option("--consent", metavar="NOTE", help="How and when consent was given; stored with the name."),
    ] = None,
    largest: Annotated[bool, typer.Option("--largest", help="Take the main face of photos that show several.")] = False,
    detector: options.Detector = "auto",
    embedder: options.Embedder = "auto",
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Enroll somebody with photos, so that their face is known by name."""
    import mien

    out = Output(json, quiet)
    with mien.Gallery() as gallery:
        result = out.call(gallery.enroll, locals())
    out.rejections(result.rejected)
    person = result.person
    if person.consent is None:
        out.notes([f"there is no note on consent for {person.name}: add one with --consent"])
    for other in result.close:
        out.warn(
            f"{person.name} and {other.name} are too close to tell apart (distance {other.distance:.3f}):"
            " if they are one person, forget one of the names"
        )
    text = f"{person.name}: {pluralize(result.enrolled, 'new photo')}, {person.photos} in all"
    out.record(result.as_json(), text)
    if not result.enrolled and consent is None:
        raise typer.Exit(1)


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
    import mien
    from mien.types import Reason, Rejected

    out = Output(json, quiet)
    faces, rejected = 0, []
    with mien.Gallery() as gallery:
        for answer in out.call(gallery.identify, locals()):
            if isinstance(answer, Rejected):
                rejected.append(answer)
                out.record(answer.line())
            else:
                faces += 1
                out.record(answer.as_json(), _answer(answer))
    out.rejections(rejected)
    out.note(f"{pluralize(faces, 'face')}, {pluralize(len(rejected), 'photo')} without a result")
    if not faces and all(item.reason is Reason.MISSING for item in rejected):
        raise typer.Exit(1)


def people(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List who is enrolled, and who cannot be told apart."""
    import mien

    out = Output(json, quiet)
    everybody = mien.people()
    for person in everybody:
        out.record(person.as_json(), _person(person))
    if not everybody.compared:
        out.notes(["there are too many people to compare them all here: 'mien enroll' names whom somebody is close to"])
    threshold = everybody.threshold
    rate = (
        f"threshold {threshold.distance:.3f}, for {100 * threshold.rate:.3g} % of strangers"
        if threshold
        else "no threshold"
    )
    out.note(f"{len(everybody)} enrolled; {rate}")


def forget(
    name: Annotated[str, typer.Argument(help="Who is to be forgotten.")],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Forget somebody: the name, the vectors, and what was cached of the photos; there is no undo."""
    import mien

    out = Output(json, quiet)
    receipt = mien.forget(name)
    out.record(
        receipt.as_json(),
        f"{receipt.name} (number {receipt.person}) is forgotten: {pluralize(len(receipt.photos), 'photo')},"
        f" {pluralize(receipt.vectors, 'vector')}, {receipt.cached} in the cache,"
        f" {receipt.forgotten:%Y-%m-%d %H:%M:%S} UTC" + "".join(f"\n  sha256 {photo}" for photo in receipt.photos),
    )
    if not receipt.erased:
        out.warn(
            "the rows are gone, but their bytes may still be in the files, because another program is using them: they"
            " go when 'mien people' is run after it has ended"
        )


def _answer(answer: Identification) -> str:
    if answer.person is None:
        return f"{answer.key}: {answer.label}"
    rival = f", or {answer.rival.name} at {answer.rival.distance:.3f}" if answer.rival else ""
    return f"{answer.key}: {answer.label}  (distance {answer.person.distance:.3f}{rival})"


def _person(person: Person) -> str:
    record = person.record
    text = f"{record.name}: {pluralize(record.photos, 'photo')} since {record.created:%Y-%m-%d}"
    text += f", consent: {record.consent}" if record.consent else ", no note on consent"
    if person.close:
        text += f"; too close to {', '.join(f'{other.name} ({other.distance:.3f})' for other in person.close)}"
    return text
