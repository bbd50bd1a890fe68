"""`mien clean`: what was decided about a folder's photos, done."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import escape, join_names, pluralize

if TYPE_CHECKING:
    from mien.flows.clean import CleanResult


def clean(
    data: Annotated[Path, typer.Argument(help="Folder of label folders.")],
    verdicts: Annotated[
        Path, typer.Option("--verdicts", help="Table of what you decided about findings of 'mien check'.")
    ],
    dropped: Annotated[
        Path | None, typer.Option("--dropped", help="Where dropped photos go; .mien/dropped in the data by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and touch nothing.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Drop, move and cut photos as you decided; nothing is deleted, and `mien undo` takes it back."""
    import json as jsonlib

    from mien.flows.clean import clean as flow

    out = Output(json, quiet)
    done = flow(data, verdicts, out.drive(), dropped=dropped, dry_run=dry_run)
    out.notes(f"finished what a broken-off run had begun: {path}" for path in done.settled)
    if dry_run:
        for line in done.plan.as_json_lines():
            fields = jsonlib.loads(line)
            out.record(fields, _planned(fields))
    if gone := [verdict.path for verdict in done.plan.gone]:
        verb = "is" if len(gone) == 1 else "are"
        out.tell(f"{pluralize(len(gone), 'photo')} that {verdicts.name} names {verb} not there: {join_names(gone)}")
    for key, reason in done.failed:
        out.warn(f"left alone: {escape(key)}: {reason}")
    counts = done.counts
    fields = {
        "planned": len(done.plan.steps),
        "done": sum(counts.values()),
        "journal": None if done.path is None else str(done.path),
        "dropped": counts.get("drop", 0),
        "moved": counts.get("move", 0),
        "cut": counts.get("face", 0),
        "kept": done.plan.kept,
        "before": done.plan.before,
        "gone": len(gone),
        "failed": len(done.failed),
    }
    out.record(fields, _text(done, data, dry_run))
    if done.failed:
        raise typer.Exit(1)


def _planned(fields: dict[str, str | None]) -> str:
    """A line of the plan, for a person."""
    cut = "" if fields["cut"] is None else f", its face to {fields['cut']}"
    return f"{fields['verdict']} {fields['path']} -> {fields['target']}{cut}"


def _text(done: CleanResult, data: Path, dry_run: bool) -> str:
    planned = len(done.plan.steps)
    if not planned:
        return "nothing to do: every verdict was followed before" if done.plan.before else "nothing to do"
    if dry_run:
        return f"{pluralize(planned, 'photo')} of {data} would be filed elsewhere"
    counts = done.counts
    what = f"{counts.get('drop', 0)} dropped, {counts.get('move', 0)} moved, {counts.get('face', 0)} cut to one face"
    undo = f"; take it back with: mien undo {shlex.quote(str(done.path))}" if counts else ""
    return f"{sum(counts.values())} of {pluralize(planned, 'photo')} of {data}: {what}{undo}"
