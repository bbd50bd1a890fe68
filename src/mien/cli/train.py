"""`mien train`: labelled photos into a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output

if TYPE_CHECKING:
    from mien.flows.train import TrainResult


def train(
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", help="Where the bundle goes, such as people.mien.")],
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            help="head, embedding-cnn, finetune, fer-cnn, resnet-small, alexnet, or auto for the best of them.",
        ),
    ] = "head",
    detector: options.Detector = "auto",
    embedder: options.Embedder = "auto",
    faces: options.Faces = "find",
    min_face: options.MinFace = None,
    labels: options.Labels = None,
    images: options.Images = None,
    target: options.Target = None,
    verdicts: options.Verdicts = None,
    hierarchy: Annotated[
        str | None,
        typer.Option("--hierarchy", help="Tree over the labels, classified step by step: a TOML file or a plan."),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option("--augment", help="Augmentation policy for a network: a name or a TOML file."),
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="Side of a network's crops, in pixels.")] = None,
    colour: Annotated[str | None, typer.Option("--colour", help="Colour of a network's crops: rgb or grey.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Number of epochs of a network.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.0, help="Time limit in minutes (with auto: total, default 30)."),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Learning rate of a network.")] = None,
    balance: Annotated[
        str | None, typer.Option("--balance", help="How a network treats uneven labels: none, weights or sampling.")
    ] = None,
    false_accepts: Annotated[
        float, typer.Option("--false-accepts", help="Share of strangers that may be taken for a known label.")
    ] = 0.01,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything that is random.")] = 0,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Learn your own classes from labelled photos: who it is, or whatever the labels say."""
    import mien

    show = Output(json, quiet)
    model = show.call(mien.train, locals())
    show.rejections(model.training.rejected)
    show.record(model.training.as_json(), _text(model.training))


def _text(result: TrainResult) -> str:
    fit, accuracy, whole = result.fit, result.evaluation.accuracy, result.evaluation.accuracy_all
    right = "-" if accuracy.value is None else f"{accuracy.value:.1%}"
    low, high = accuracy.interval or (0.0, 1.0)
    missed = "" if whole.value is None or whole.of == accuracy.of else f", {whole.value:.1%} of all photos"
    return (
        f"{len(fit.head.labels)} labels from {sum(fit.counts.values())} photos ({_how(result)};"
        f" {result.seconds:.1f} s): {right} right on photos not seen in training"
        f" (95 % interval {low:.1%} to {high:.1%}){missed}\n{result.bundle}: open report.html in it"
    )


def _how(result: TrainResult) -> str:
    """Detector, embedder and recipe, for a person."""
    spec, kind = result.recipe.spec, result.fit.head.kind
    embedder = [] if spec.embedder == "none" else [spec.embedder]
    return ", ".join([spec.detector, *embedder, kind if result.recipe.name == "head" else result.recipe.name])
