"""`mien train`: labelled photos into a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output, seconds

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
    min_face: options.MinFace = 20,
    labels: options.Labels = None,
    images: options.Images = None,
    target: options.Target = None,
    verdicts: options.Verdicts = None,
    hierarchy: Annotated[
        str | None,
        typer.Option("--hierarchy", help="Tree over the labels, told apart step by step: a TOML file or plan."),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option("--augment", help="Variants that a network sees crops in: a policy's name or TOML file."),
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="Side of a network's crops, in pixels.")] = None,
    colour: Annotated[str | None, typer.Option("--colour", help="Of a network's crops: rgb or grey.")] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Rounds over the photos, for a network.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", min=0.0, help="Train a network in so many rounds as fit; for auto, trying and all (30)."
        ),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Of a network.")] = None,
    balance: Annotated[
        str | None, typer.Option("--balance", help="Where labels are uneven, for a network: none, weights or sampling.")
    ] = None,
    false_accepts: Annotated[
        float, typer.Option("--false-accepts", help="Share of strangers that may be taken for somebody known.")
    ] = 0.01,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything that is drawn.")] = 0,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Learn your own classes from labelled photos: who it is, or whatever the labels say."""
    from mien.data import DataOptions, open_data
    from mien.experiment.recipes import FaceOptions, TrainOptions
    from mien.flows.reviewed import reviewed
    from mien.flows.train import train as flow

    show = Output(json, quiet)
    given = open_data(data, DataOptions(images=images, target=target, labels=labels))
    used = None
    if verdicts is not None:
        given, used = reviewed(given, verdicts, data if data.is_dir() else data.parent)
    show.notes(given.notes)
    learning = TrainOptions(
        recipe, seed, false_accepts, hierarchy, epochs, minutes, learning_rate, policy=augment, balance=balance
    )
    preparing = FaceOptions(detector, embedder, faces, min_face, size, options.grey(colour))
    drive = show.drive(workers, keep_going=keep_going, no_cache=no_cache)
    done = flow(given, data.resolve().name, out, learning, preparing, drive, verdicts=used)
    _show(done, show)


def _show(done: TrainResult, show: Output) -> None:
    show.rejections(done.rejected)
    show.notes(done.fit.notes)
    measured, way = done.evaluation, done.recipe.spec
    fields = {
        "bundle": str(done.bundle),
        "recipe": done.recipe.name,
        "labels": list(done.fit.head.labels),
        "counts": dict(done.fit.counts),
        "rejected": len(done.rejected),
        "validation": {
            "accuracy": measured.accuracy.value,
            "macro_f1": measured.macro_f1.value,
            "n": measured.accuracy.of,
            "accuracy_all": measured.accuracy_all.value,
            "ece": measured.ece,
            "interval": measured.accuracy.interval,
            "method": done.fit.held_out.method,
        },
        "seconds": seconds(done.seconds),
        "detector": way.detector,
        "embedder": way.embedder,
        "head": done.fit.head.kind,
        "tried": [one.as_json() for one in done.tried],
        "embedders": [one.as_json() for one in done.rivals],
    }
    right = "-" if measured.accuracy.value is None else f"{measured.accuracy.value:.1%}"
    low, high = measured.accuracy.interval or (0.0, 1.0)
    whole = measured.accuracy_all
    missed = "" if whole.value is None or whole.of == measured.accuracy.of else f", {whole.value:.1%} of all photos"
    text = (
        f"{len(done.fit.head.labels)} labels from {sum(done.fit.counts.values())} photos ({_how(done)};"
        f" {done.seconds:.1f} s): {right} right on photos not seen in training"
        f" (95 % interval {low:.1%} to {high:.1%}){missed}\n{done.bundle}: open report.html in it"
    )
    show.record(fields, text)


def _how(done: TrainResult) -> str:
    """What looked at the faces, for a person."""
    way = done.recipe.spec
    sight = [] if way.embedder == "none" else [way.embedder]
    kind = done.fit.head.kind if done.recipe.name == "head" else done.recipe.name
    return ", ".join([way.detector, *sight, kind])
