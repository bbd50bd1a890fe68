"""`mien sort` and `mien undo`: photos into the folders of their labels, and back."""

from __future__ import annotations

import json as jsonlib
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
    src: Annotated[Path, typer.Argument(help="Folder of the photos to file.")],
    dst: Annotated[Path, typer.Argument(help="Folder in which the label folders are made.")],
    mode: Annotated[str, typer.Option("--mode", help="copy, link (hard links) or move.")] = "copy",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and touch nothing.")] = False,
    faces: options.BundleFaces = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """File photos into label folders, unknown/ and rejected/, by what a bundle sees; `mien undo` takes it back."""
    import mien

    out = Output(json, quiet)
    result = out.call(mien.sort, locals())
    out.notes(f"finished what an interrupted run had begun: {path}" for path in result.recovered)
    if dry_run:
        for line in result.plan.as_json_lines():
            fields = jsonlib.loads(line)
            out.record(fields, f"{fields['action']} {fields['source']} -> {fields['target']}")
    out.rejections(result.rejected)
    if result.plan.elsewhere:
        moved = f"{pluralize(result.plan.elsewhere, 'photo')} filed before under another label than now"
        out.notes([f"{moved}: undo that run first to file them again"])
    for transfer, reason in result.outcome.failed:
        out.warn(f"left alone: {escape(str(transfer.source))}: {reason}")
    out.record(result.as_json(), _text(result, dst, dry_run))
    if result.outcome.failed:
        raise typer.Exit(1)


def _text(result: SortResult, dst: Path, dry_run: bool) -> str:
    plan = result.plan
    if not plan.transfers:
        return "nothing to do: every photo was filed before" if plan.kept else "no photos to file"
    counts = f"{plan.unknown} unknown, {plan.rejected} rejected, {plan.kept} there before"
    if dry_run:
        return f"{pluralize(len(plan.transfers), 'photo')} would be filed into {dst} ({counts})"
    filed = len(result.outcome.done)
    undo = f"; take it back with: mien undo {result.journal}" if filed else ""
    return f"{filed} of {pluralize(len(plan.transfers), 'photo')} filed into {dst} ({counts}){undo}"


def undo(
    journals: Annotated[
        list[Path],
        typer.Argument(metavar="JOURNAL...", help="Journals that 'mien sort' or 'mien clean' named, in any order."),
    ],
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Put every file back where it was; what was changed since is left alone and named."""
    import mien

    out = Output(json, quiet)
    failed = 0
    for journal, outcome in mien.undo(*journals):
        for transfer, reason in outcome.failed:
            out.warn(f"left alone: {escape(str(transfer.target))}: {reason}")
        fields = {"undone": len(outcome.done), "failed": len(outcome.failed), "journal": str(journal)}
        out.record(fields, f"{pluralize(len(outcome.done), 'file')} put back, {len(outcome.failed)} left alone")
        failed += len(outcome.failed)
    if failed:
        raise typer.Exit(1)
