"""`mien models`: what weights there are, getting them, and checking them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mien.models.fetch import Progress

app = typer.Typer(name="models", help="Weights: list them, download them, add files, check them.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no messages.")]


@app.command("list")
def list_(as_json: Json = False, quiet: Quiet = False) -> None:
    """Every set of weights: its licence, whether commercial use is allowed, and where it is."""
    from mien.models import holdings

    rows = []
    for holding in holdings():
        row = {
            "name": holding.card.name,
            "kind": holding.card.kind,
            "licence": holding.terms.licence,
            "commercial": holding.terms.commercial,
            "where": str(holding.where),
            "bytes": holding.bytes,
        }
        rows.append(row | {"title": holding.card.title, "data": holding.card.data, "url": holding.card.url})
    if as_json:
        _print_json(*rows)
        return
    shown = ("name", "kind", "commercial", "where", "bytes", "licence")
    table = [[_size(row[key]) if key == "bytes" else str(row[key]) for key in shown] for row in rows]
    header = ["name", "kind", "commercial", "where", "size", "licence"]
    _print_table(table if quiet else [header, *table])


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="Which, as `mien models list` calls it.")],
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Download weights from their owner, and check them."""
    from mien.models import card, terms_of
    from mien.models import pull as fetch

    with _progress(name, shown=not (quiet or as_json)) as progress:
        path = fetch(name, progress)
    terms = terms_of(card(name))
    if as_json:
        _print_json({"name": name, "path": str(path), "licence": terms.licence, "commercial": terms.commercial})
    elif not quiet:
        print(f"{name}: {path} (licence: {terms.licence}; commercial use: {terms.commercial})")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A file of weights.")],
    name: Annotated[
        str | None, typer.Option("--as", help="Which weights it holds, where mien does not know it.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take a file of weights that you have."""
    from mien.models import add as adopt

    added = adopt(file, name)
    if as_json:
        row = {"name": added.name, "path": str(added.path), "known": added.known}
        _print_json(row | {"licence": added.terms.licence, "commercial": added.terms.commercial})
    elif not quiet:
        how = "known by its checksum" if added.known else "not known by its checksum, but of the right shape"
        print(f"{added.name}: {how} (licence: {added.terms.licence}; commercial use: {added.terms.commercial})")


@app.command()
def verify(as_json: Json = False, quiet: Quiet = False) -> None:
    """Read every file of weights again and compare it with its checksum."""
    from mien.errors import WeightsError
    from mien.models import verify as check

    checks = check()
    if as_json:
        _print_json(*({"name": c.name, "path": str(c.path), "state": str(c.state)} for c in checks))
    elif not quiet:
        _print_table([[c.name, str(c.state), str(c.path)] for c in checks])
    bad = [c for c in checks if c.state != "ok"]
    if bad:
        what = ", ".join(f"{c.path} ({c.state})" for c in bad)
        raise WeightsError(f"{len(bad)} of {len(checks)} files of weights are not what they should be: {what}")


def _print_json(*rows: dict[str, Any]) -> None:
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)] if rows else []
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))


def _size(count: Any) -> str:
    return "" if count is None else f"{count / 1e6:.1f} MB"


@contextmanager
def _progress(name: str, shown: bool) -> Iterator[Progress | None]:
    """A bar on stderr while bytes come in."""
    if not (shown and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
