"""`mien undo`: take back what a journal says was done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.words import printable


def undo(
    journal: Annotated[Path, typer.Argument(help="The journal that 'mien sort' named.")],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Put every file back where it was; what was changed since is left alone and named."""
    from mien.store.journal import undo as step

    out = Output(json, quiet)
    outcome = step(journal)
    for act, reason in outcome.failed:
        out.note(f"left alone: {printable(str(act.target))}: {reason}")
    fields = {"undone": len(outcome.done), "failed": len(outcome.failed), "journal": str(journal)}
    out.record(fields, f"{len(outcome.done)} files put back, {len(outcome.failed)} left alone")
    if outcome.failed:
        raise typer.Exit(1)
