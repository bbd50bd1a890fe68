"""`mien sort`: photos into the folders of their labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import escape, pluralize

if TYPE_CHECKING:
    from mien.flows.sort import SortResult


def sort(
    bundle: options.BundleArgument,
    src: Annotated[Path, typer.Argument(help="Folder of photos to be filed.")],
    dst: Annotated[Path, typer.Argument(help="Folder in which the label folders are made.")],
    mode: Annotated[str, typer.Option("--mode", help="copy, link (hard links) or move.")] = "copy",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and touch nothing.")] = False,
    faces: options.OtherFaces = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """File photos into label folders, unknown/ and rejected/, by what a bundle sees; `mien undo` takes it back."""
    import json as jsonlib

    from mien.flows.sort import sort as flow

    out = Output(json, quiet)
    drive = out.drive(workers, keep_going=keep_going, no_cache=no_cache)
    done = flow(bundle, src, dst, mode, drive, faces=faces, dry_run=dry_run)
    out.notes(f"finished what a broken-off run had begun: {path}" for path in done.settled)
    if dry_run:
        for line in done.plan.as_json_lines():
            fields = jsonlib.loads(line)
            out.record(fields, f"{fields['action']} {fields['source']} -> {fields['target']}")
    out.rejections(done.rejected)
    if done.plan.elsewhere:
        where = f"{pluralize(done.plan.elsewhere, 'photo')} filed before under another label than now"
        out.note(f"note: {where}: undo that run first to have them filed anew")
    for act, reason in done.outcome.failed:
        out.warn(f"left alone: {escape(str(act.source))}: {reason}")
    plan = done.plan
    fields = {
        "planned": len(plan.transfers),
        "done": len(done.outcome.done),
        "unknown": plan.unknown,
        "rejected": plan.rejected,
        "journal": None if done.path is None else str(done.path),
        "counts": dict(plan.counts),
        "kept": plan.kept,
        "elsewhere": plan.elsewhere,
        "failed": len(done.outcome.failed),
    }
    out.record(fields, _text(done, dst, dry_run))
    if done.outcome.failed:
        raise typer.Exit(1)


def _text(done: SortResult, dst: Path, dry_run: bool) -> str:
    plan = done.plan
    if not plan.transfers:
        return "nothing to do: every photo was filed before" if plan.kept else "no photos to file"
    filed = len(done.outcome.done)
    what = f"{plan.unknown} unknown, {plan.rejected} rejected, {plan.kept} there before"
    if dry_run:
        return f"{pluralize(len(plan.transfers), 'photo')} would be filed into {dst} ({what})"
    undo = f"; take it back with: mien undo {done.path}" if filed else ""
    return f"{filed} of {pluralize(len(plan.transfers), 'photo')} filed into {dst} ({what}){undo}"
