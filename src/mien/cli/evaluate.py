"""`mien evaluate`: how good a bundle is on labelled photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output

if TYPE_CHECKING:
    from mien.evaluate import Report


def evaluate(
    bundle: options.BundleArgument,
    data: options.Data,
    report: Annotated[Path | None, typer.Option("--report", help="Write a page with figures and mistakes.")] = None,
    labels: options.Labels = None,
    images: options.Images = None,
    target: options.Target = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split", help="train, val, test or all; where the data has a held-out split, that one by default."
        ),
    ] = None,
    faces: options.BundleFaces = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure a bundle; photos with labels that it does not know count as strangers."""
    from mien.data import DataOptions, open_data
    from mien.flows.evaluate import evaluate as flow

    show = Output(json, quiet)
    given = open_data(data, DataOptions(images=images, target=target, labels=labels))
    show.notes(given.notes)
    split = split or next((name for name in ("test", "val") if name in given.splits), "all")
    if split != "all":
        given = given.only(split)
        show.note(f"note: measured on the split {split} of {data}; --split all measures on everything")
    drive = show.drive(workers, keep_going=keep_going, no_cache=no_cache)
    done = flow(bundle, given, data.resolve().name, report, drive, faces)
    show.rejections(done.evaluation.rejections)
    if done.evaluation.strangers and not done.evaluation.n:
        show.note("note: the bundle knows none of these labels, so that every photo counts as a stranger's")
    show.notes([done.note] if done.note else [])
    where = f"\nreport: {done.report}" if done.report else ""
    show.record(done.evaluation.as_json(), _text(done.evaluation) + where)


def _text(found: Report) -> str:
    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    lines = [
        f"{found.n} photos of known labels, {found.strangers} of strangers, {len(found.rejections)} rejected",
        f"accuracy      {share(found.accuracy.value)}   with the rejected as errors {share(found.accuracy_all.value)}",
        f"macro-F1      {share(found.macro_f1.value)}   calibration error {share(found.ece)}",
    ]
    if found.uncertain.right:
        lines.append(
            f"where certain {share(found.accuracy_certain.value)}   uncertain of {share(found.uncertain.value)}"
        )
    unknown = found.unknown.as_json()
    if unknown["threshold"] is not None and unknown["known"]:
        lines.append(f"known named   {share(unknown['known_named'])}   rightly, and not called unknown")
    if unknown["strangers"]:
        lines.append(f"strangers     {share(unknown['false_accepts'])} taken for somebody known")
    return "\n".join(lines)
