"""`mien study`: which variant of a training is better."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output

if TYPE_CHECKING:
    from mien.evaluation.study import StudyResult


def study(
    data: options.Data,
    over: Annotated[str, typer.Option("--over", help="What to vary: augment, size, colour, hierarchy or recipe.")],
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="Recipe whose variants are compared: resnet-small, or head for hierarchy."),
    ] = None,
    variants: Annotated[
        str | None,
        typer.Option("--variants", help="Which variants, such as none,gentle or 32,64; by default the usual ones."),
    ] = None,
    hierarchy: Annotated[
        list[Path] | None, typer.Option("--hierarchy", help="A tree to compare; can be given several times.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=3, help="Number of random splits.")] = 3,
    folds: Annotated[int, typer.Option("--folds", min=1, max=5, help="Fifths of each split to test on.")] = 1,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Number of epochs of networks.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write a page with figures and a chart.")] = None,
    detector: options.Detector = "auto",
    faces: options.Faces = "find",
    min_face: options.MinFace = None,
    labels: options.Labels = None,
    images: options.Images = None,
    target: options.Target = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train variants on the same photos with the same seeds: which is better, and what does it cost?"""
    import mien

    out = Output(json, quiet)
    names = [name.strip() for name in (variants or "").split(",") if name.strip()]
    result = out.call(mien.study, {**locals(), "variants": names})
    out.rejections(result.rejected)
    for score in result.scores:
        out.record(score.as_json())
    out.record(result.as_json(), _text(result) + (f"\nreport: {report}" if report else ""))


def _text(result: StudyResult) -> str:
    width = max(len(score.variant) for score in result.scores) + 2
    lines = [f"{'':{width}}{'accuracy':>14}{'gap':>8}{'macro-F1':>10}{'epochs':>8}{'seconds':>10}"]
    for score in result.scores:
        spread = f"{100 * score.accuracy_mean:.1f} ± {100 * score.accuracy_std:.1f} %"
        epochs = "-" if score.epochs is None else f"{score.epochs:.0f}"
        lines.append(
            f"{score.variant:{width}}{spread:>14}{100 * score.gap:>+8.1f}{score.macro_f1_mean:>10.1%}"
            f"{epochs:>8}{score.train_seconds:>10.1f}"
        )
    return "\n".join([*lines, result.verdict] if result.verdict else lines)
