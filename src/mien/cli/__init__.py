"""The command line: one file a verb, which parses, calls one flow, and prints."""

from __future__ import annotations

import sys

import typer

from mien.errors import MienError


def main() -> None:
    """The program `mien`: every foreseen failure is one sentence on stderr and exit code 1.

    Wrong usage (2), Ctrl-C (130) and a reader that has gone away are Typer's to answer.
    """
    from mien.cli.app import app

    try:
        app()
    except MienError as error:
        typer.echo(f"mien: {error}", err=True)
        sys.exit(1)
