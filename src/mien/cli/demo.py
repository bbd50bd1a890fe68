"""`mien demo`: the main job on two public-domain photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import options
from mien.cli.output import Output


def demo(
    folder: Annotated[Path, typer.Argument(help="A new folder for everything the demo writes.")] = Path("demo-output"),
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Go from photos to sorted folders, offline, on two photographs that installed packages carry."""
    from mien.flows.demo import demo as run_demo

    out = Output(json, quiet)
    out.record(run_demo(folder, out.note, progress=out.progress).as_json())
