"""`mien demo`: the main job on two public-domain photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output


def demo(
    folder: Annotated[Path, typer.Argument(help="A new folder for everything that the demo writes.")] = Path(
        "demo-output"
    ),
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show the whole way from photos to sorted folders, offline, on photographs that installed packages carry."""
    from mien.flows.demo import demo as flow

    out = Output(json, quiet)
    shown = flow(folder, out.note, out.drive())
    fields = {
        "folder": str(shown.folder),
        "faces": shown.faces,
        "accuracy_all": shown.accuracy,
        "filed": shown.filed,
        "rejected": shown.rejected,
    }
    out.record(fields)
