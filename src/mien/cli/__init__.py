"""The command line: one file a verb, which parses, calls one flow, and prints."""

from __future__ import annotations

import sys

import typer

from mien.errors import MienError


def main() -> None:
    """The program `mien`: every foreseen failure is one sentence on stderr and exit code 1."""
    from mien.cli.app import app

    try:
        app()
    except MienError as error:
        typer.echo(f"mien: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("mien: stopped; what was finished is kept", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output has seen enough; a second complaint at shutdown is kept quiet too.
        sys.stderr.close()
        sys.exit(1)
