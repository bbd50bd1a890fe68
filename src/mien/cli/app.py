"""The table of verbs; loads none of the rooms."""

from __future__ import annotations

from typing import Annotated

import typer

from mien import __version__
from mien.cli import (
    align,
    augment,
    benchmark,
    check,
    classify,
    clean,
    demo,
    embed,
    evaluate,
    explain,
    gallery,
    look,
    models,
    serve,
    sort,
    study,
    train,
    verify,
)

app = typer.Typer(
    name="mien",
    help="From a folder of photos to a measured, running face classifier.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """From a folder of photos to a measured, running face classifier."""


for verb in (
    look.look,
    explain.explain,
    align.align,
    check.check,
    clean.clean,
    augment.augment,
    embed.embed,
    train.train,
    evaluate.evaluate,
    classify.classify,
    sort.sort,
    sort.undo,
    verify.verify,
    study.study,
    gallery.enroll,
    gallery.identify,
    gallery.people,
    gallery.forget,
    demo.demo,
):
    app.command()(verb)
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(models.app, name="models")
app.add_typer(serve.app, name="serve")
