"""`mien models`: what weights there are, getting them, adding and removing them, and checking them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output

if TYPE_CHECKING:
    from mien.models import LicenceTerms
    from mien.models.download import Progress

app = typer.Typer(help="Weights: list them, download them, add files, remove them, check them.", no_args_is_help=True)


@app.command("list")
def list_(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List all weights and built-in traits: licence, whether commercial use is allowed, and where they are."""
    from mien.models.inventory import list_traits, list_weights

    show, rows = Output(json, quiet), [("name", "kind", "commercial", "where", "size", "licence")]
    for entry in (*list_weights(), *list_traits()):
        card, terms, trait = entry.card, entry.terms, entry.trait
        name, kind, title = card.name, str(card.kind), card.title
        if trait:
            name, kind, title = trait.name, "trait", f"by {card.name}: {', '.join(trait.labels)}"
        fields = {"name": name, "kind": kind, "licence": terms.licence, "commercial": terms.commercial}
        more = {"where": str(entry.location), "bytes": entry.bytes, "title": title, "data": card.data, "url": card.url}
        if json:
            show.record(fields | more)
        rows.append((name, kind, terms.commercial, entry.location, _size(entry.bytes), terms.licence))
    if not json:
        show.table(rows)


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="A name from 'mien models list'.")],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Download weights from their owner and verify them."""
    from mien.models import get_card, licence_terms
    from mien.models.download import pull as download

    with _bar(name, shown=not (json or quiet) and sys.stderr.isatty()) as progress:
        path = download(name, progress)
    terms = licence_terms(get_card(name))
    Output(json, quiet).record({"name": name, "path": str(path)} | _terms(terms), f"{name}: {path} ({_words(terms)})")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A file of weights.")],
    name: Annotated[
        str | None,
        typer.Option("--as", help="Name of these weights, if mien does not recognise the file, or a new one."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="embedder or detector; by default guessed from its outputs.")] = None,
    view: Annotated[str | None, typer.Option(help="How faces are cut for an embedder; by default arcface.")] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the crops in pixels; by default taken from the file, otherwise from the view."),
    ] = None,
    mean: Annotated[
        float | None,
        typer.Option(help="Pixels enter as (value - mean) / scale; by default 127.5, 0 if the network subtracts."),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(help="The divisor in (value - mean) / scale; by default 127.5, 1 if the network multiplies."),
    ] = None,
    colour: Annotated[str | None, typer.Option(help="Order of the channels: rgb or bgr; by default rgb.")] = None,
    licence: Annotated[str | None, typer.Option(help="The licence of the network.")] = None,
    commercial: Annotated[str | None, typer.Option(help="Is commercial use allowed: yes, no or unknown.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Distance below which two faces are one person, for verify and the gallery.")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Add a file of weights from your disk: one that mien knows, or under a new name a network of your own."""
    from mien import add_model
    from mien.models import get_card

    out = Output(json, quiet)
    added = out.call(add_model, locals())
    how = "known by its checksum" if added.known else "not known by its checksum, but of the right shape"
    fields = {"name": added.name, "path": str(added.path), "known": added.known} | _terms(added.terms)
    if added.trial:
        card, how = get_card(added.name), added.trial
        fields |= {"kind": card.kind, "dim": card.dim, "threshold": card.threshold, "input": None}
        if spec := card.input:
            how += f" ({spec.view}, {spec.colour}, mean {spec.mean:g}, scale {1 / spec.scale:g})"
            fields["input"] = {"view": spec.view, "size": spec.size, "colour": spec.colour, "mean": spec.mean}
            fields["input"] |= {"scale": float(f"{1 / spec.scale:.12g}")}
    out.record(fields, f"{added.name}: {how} ({_words(added.terms)})")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="A name from 'mien models list'.")],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Remove weights that you have added or downloaded."""
    from mien.models.inventory import remove as remove_files

    files = [str(path) for path in remove_files(name)]
    Output(json, quiet).record({"name": name, "files": files}, f"{name}: removed {', '.join(files)}")


@app.command()
def verify(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Compare every file of weights with its checksum."""
    from mien.errors import WeightsError
    from mien.models.inventory import verify as check

    show, checks = Output(json, quiet), check()
    if json:
        for file in checks:
            show.record({"name": file.name, "path": str(file.path), "state": str(file.state)})
    else:
        show.table([(file.name, file.state, file.path) for file in checks])
    bad = [f"{file.path} ({file.state})" for file in checks if file.state != "ok"]
    if bad:
        raise WeightsError(f"{len(bad)} of {len(checks)} files of weights are missing or changed: {', '.join(bad)}")


def _terms(terms: LicenceTerms) -> dict[str, str]:
    return {"licence": terms.licence, "commercial": terms.commercial}


def _words(terms: LicenceTerms) -> str:
    return f"licence: {terms.licence}; commercial use: {terms.commercial}"


def _size(count: int | None) -> str:
    if count is None:
        return ""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"


@contextmanager
def _bar(name: str, shown: bool) -> Iterator[Progress | None]:
    """A bar on stderr while bytes come in."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
