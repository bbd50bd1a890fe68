"""`mien evaluate`: how good a bundle is on labelled photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output

if TYPE_CHECKING:
    from mien.evaluation import Report


def evaluate(
    bundle: options.BundleArgument,
    data: options.Data,
    report: Annotated[Path | None, typer.Option("--report", help="Write a page with figures and mistakes.")] = None,
    labels: options.Labels = None,
    images: options.Images = None,
    target: options.Target = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="train, val, test or all; by default the held-out split, if there is one."),
    ] = None,
    faces: options.BundleFaces = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure a bundle on labelled photos; labels that it does not know count as strangers."""
    import mien

    out = Output(json, quiet)
    figures = out.call(mien.evaluate, locals())
    out.rejections(figures.rejections)
    out.record(figures.as_json(), _text(figures) + (f"\nreport: {report}" if report else ""))


def _text(figures: Report) -> str:
    def percent(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    accuracy, whole = percent(figures.accuracy.value), percent(figures.accuracy_all.value)
    lines = [
        f"{figures.n} photos with known labels, {figures.strangers} of strangers, {figures.rejected} rejected",
        f"accuracy      {accuracy}   with rejected photos as errors {whole}",
        f"macro-F1      {percent(figures.macro_f1.value)}   calibration error {percent(figures.ece)}",
    ]
    if figures.uncertain.right:
        certain, uncertain = percent(figures.accuracy_certain.value), percent(figures.uncertain.value)
        lines.append(f"if certain    {certain}   {uncertain} were uncertain")
    unknown = figures.unknown.as_json()
    if unknown["threshold"] is not None and unknown["known"]:
        lines.append(f"known         {percent(unknown['known_named'])} named correctly, and not called unknown")
    if unknown["strangers"]:
        lines.append(f"strangers     {percent(unknown['false_accepts'])} mistaken for somebody known")
    return "\n".join(lines)
