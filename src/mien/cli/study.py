"""`mien study`: several ways to train, on the same photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output, seconds

if TYPE_CHECKING:
    from mien.flows.study import StudyResult


def study(
    data: options.Data,
    over: Annotated[str, typer.Option("--over", help="What is varied: augment, size, colour, hierarchy or recipe.")],
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="Recipe that it is varied of: resnet-small, or head for hierarchy.")
    ] = None,
    variants: Annotated[
        str | None, typer.Option("--variants", help="Which, such as none,gentle or 32,64; the usual ones by default.")
    ] = None,
    hierarchy: Annotated[
        list[Path] | None, typer.Option("--hierarchy", help="A tree to compare; may be given several times.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=3, help="So many splits are drawn.")] = 3,
    folds: Annotated[int, typer.Option("--folds", min=1, max=5, help="Fifths of each split that are tested.")] = 1,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Of networks; the recipe's own else.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write a page with figures and a picture.")] = None,
    detector: options.Detector = "auto",
    faces: options.Faces = "find",
    min_face: options.MinFace = 20,
    labels: options.Labels = None,
    images: options.Images = None,
    target: options.Target = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Which way to train is better, and what does it cost? The same splits and seeds for each."""
    from mien.data import DataOptions, open_data
    from mien.experiment.recipes import FaceOptions
    from mien.experiment.variants import StudyOptions
    from mien.flows.study import study as flow

    show = Output(json, quiet)
    names = tuple(name.strip() for name in (variants or "").split(",") if name.strip())
    asked = StudyOptions(over, recipe, names, seeds, folds, epochs, tuple(hierarchy or ()))
    given = open_data(data, DataOptions(images=images, target=target, labels=labels))
    show.notes(given.notes)
    drive = show.drive(workers, keep_going=keep_going, no_cache=no_cache)
    prepared = FaceOptions(detector=detector, faces=faces, min_face=min_face)
    done = flow(given, data.resolve().name, asked, prepared, drive, report)
    show.rejections(done.rejected)
    show.notes(done.notes)
    for row in done.scores:
        show.record(row.as_json())
    fields = {
        "over": over,
        "comparisons": [pair.as_json() for pair in done.comparisons],
        "verdict": done.verdict,
        "photos": done.photos,
        "rejected": len(done.rejected),
        "remembered": done.remembered,
        "seconds": seconds(done.seconds),
    }
    show.record(fields, _text(done) + (f"\nreport: {report}" if report else ""))


def _text(done: StudyResult) -> str:
    width = max(len(row.variant) for row in done.scores) + 2
    lines = [f"{'':{width}}{'accuracy':>14}{'gap':>8}{'macro-F1':>10}{'epochs':>8}{'seconds':>10}"]
    for row in done.scores:
        spread = f"{100 * row.accuracy_mean:.1f} ± {100 * row.accuracy_std:.1f} %"
        epochs = "-" if row.epochs is None else f"{row.epochs:.0f}"
        lines.append(
            f"{row.variant:{width}}{spread:>14}{100 * row.gap:>+8.1f}{row.macro_f1_mean:>10.1%}"
            f"{epochs:>8}{row.train_seconds:>10.1f}"
        )
    return "\n".join([*lines, done.verdict] if done.verdict else lines)
