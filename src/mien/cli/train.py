"""`mien train`: labelled photos into a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output, seconds


def train(
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", help="Where the bundle goes, such as people.mien.")],
    recipe: Annotated[str, typer.Option("--recipe", help="How to learn: head.")] = "head",
    detector: options.Detector = "auto",
    embedder: options.Embedder = "auto",
    faces: options.Faces = "find",
    min_face: options.MinFace = 20,
    labels: options.Labels = None,
    images: options.Images = None,
    target: options.Target = None,
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
    from mien.collect import DataOptions, open_data
    from mien.flows.chain import chain
    from mien.flows.train import TrainOptions
    from mien.flows.train import train as flow

    show = Output(json, quiet)
    given = open_data(data, DataOptions(images=images, target=target, labels=labels))
    show.notes(given.notes)
    way = chain(detector, embedder, faces, min_face=min_face)
    drive = show.drive(workers, keep_going=keep_going, no_cache=no_cache)
    done = flow(given, data.resolve().name, out, way, TrainOptions(recipe, seed, false_accepts), drive)
    show.rejections(done.rejected)
    show.notes(done.fit.notes)
    measured = done.evaluation
    fields = {
        "bundle": str(done.bundle),
        "recipe": done.recipe,
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
    }
    right = "-" if measured.accuracy.value is None else f"{measured.accuracy.value:.1%}"
    low, high = measured.accuracy.interval or (0.0, 1.0)
    whole = measured.accuracy_all
    missed = "" if whole.value is None or whole.of == measured.accuracy.of else f", {whole.value:.1%} of all photos"
    text = (
        f"{len(done.fit.head.labels)} labels from {sum(done.fit.counts.values())} photos ({way.detector},"
        f" {way.embedder}, {done.fit.head.kind}; {done.seconds:.1f} s): {right} right on photos not seen in training"
        f" (95 % interval {low:.1%} to {high:.1%}){missed}\n{done.bundle}: open report.html in it"
    )
    show.record(fields, text)
