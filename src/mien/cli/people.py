"""`mien people`: who is enrolled."""

from __future__ import annotations

from mien.cli import options
from mien.cli.output import Output
from mien.text import pluralize


def people(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List who is enrolled, and who cannot be told apart."""
    from mien.flows.people import line
    from mien.flows.people import people as flow

    out = Output(json, quiet)
    everyone = flow()
    for person, close in everyone.listed:
        text = f"{person.name}: {pluralize(person.photos, 'photo')} since {person.created:%Y-%m-%d}"
        text += f", consent: {person.consent}" if person.consent else ", no note on consent"
        if close:
            text += f"; too close to {', '.join(f'{other.name} ({other.distance:.3f})' for other in close)}"
        out.record(line(person, close), text)
    if not everyone.compared:
        out.tell(
            "so many people are not compared with each other here; 'mien enroll' tells whom somebody is too close to"
        )
    threshold = everyone.threshold
    known = (
        f"threshold {threshold.distance:.3f}, for {100 * threshold.rate:.3g} % of strangers"
        if threshold
        else "no threshold"
    )
    out.note(f"{len(everyone.listed)} enrolled; {known}")
