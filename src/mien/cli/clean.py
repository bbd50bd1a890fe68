"""`mien clean`: applies what was decided about a folder's photos."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import escape, pluralize

if TYPE_CHECKING:
    from mien.flows.clean import CleanResult


def clean(
    data: Annotated[Path, typer.Argument(help="Folder of label folders.")],
    verdicts: Annotated[
        Path, typer.Option("--verdicts", help="Table of your decisions about the findings of 'mien check'.")
    ],
    dropped: Annotated[
        Path | None, typer.Option("--dropped", help="Where dropped photos go; .mien/dropped in the data by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and touch nothing.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Drop, move, cut and turn photos as you decided. Nothing is deleted, and 'mien undo' reverts it."""
    import mien
    from mien.flows.clean import missing_photos

    out = Output(json, quiet)
    result = out.call(mien.clean, locals())
    out.notes(f"finished an interrupted run first: {path}" for path in result.recovered)
    if dry_run:
        for fields in result.plan.as_json():
            out.record(fields, _planned(fields))
    if gone := [verdict.path for verdict in result.plan.gone]:
        out.notes([missing_photos(gone, verdicts)])
    for key, reason in result.failed:
        out.warn(f"left alone: {escape(key)}: {reason}")
    out.record(result.as_json(), _summary(result, data, dry_run))
    if result.failed:
        raise typer.Exit(1)


def _planned(fields: dict[str, str | None]) -> str:
    """A line of the plan, for a person."""
    cut = "" if fields["cut"] is None else f", its face to {fields['cut']}"
    turned = "" if fields["turned"] is None else f", turned to {fields['turned']}"
    return f"{fields['verdict']} {fields['path']} -> {fields['target']}{cut}{turned}"


def _summary(result: CleanResult, data: Path, dry_run: bool) -> str:
    planned = len(result.plan.steps)
    if not planned:
        return "nothing to do: all verdicts were applied before" if result.plan.before else "nothing to do"
    if dry_run:
        return f"{pluralize(planned, 'photo')} of {data} would be moved"
    counts = result.counts
    actions = f"{counts.get('drop', 0)} dropped, {counts.get('move', 0)} moved, {counts.get('face', 0)} cut to one face"
    if turned := counts.get("turn", 0):
        actions += f", {turned} turned"
    undo = f"; undo with: mien undo {shlex.quote(str(result.journal))}" if counts else ""
    return f"{sum(counts.values())} of {pluralize(planned, 'photo')} of {data}: {actions}{undo}"
