"""`mien undo`: take back what journals say was done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import escape, pluralize


def undo(
    journals: Annotated[
        list[Path],
        typer.Argument(
            metavar="JOURNAL...", help="Journals that 'mien sort' or 'mien clean' named; the newest goes first."
        ),
    ],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Put every file back where it was; what was changed since is left alone and named."""
    from mien.store.journal import newest_first
    from mien.store.recovery import undo as step

    out = Output(json, quiet)
    failed = 0
    for journal in newest_first(set(journals)):
        outcome = step(journal)
        for act, reason in outcome.failed:
            out.warn(f"left alone: {escape(str(act.target))}: {reason}")
        fields = {"undone": len(outcome.done), "failed": len(outcome.failed), "journal": str(journal)}
        out.record(fields, f"{pluralize(len(outcome.done), 'file')} put back, {len(outcome.failed)} left alone")
        failed += len(outcome.failed)
    if failed:
        raise typer.Exit(1)
