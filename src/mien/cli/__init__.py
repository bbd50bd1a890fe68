"""The command line: one file for each verb, which parses, calls one public function, and prints."""

from __future__ import annotations

import os
import sys
import warnings
from typing import NoReturn

import typer

from mien.errors import MienError, MienWarning
from mien.text import escape


def main() -> None:
    """The program `mien`: every expected failure is one sentence on stderr and exit code 1.

    So is what the system refuses and nobody expected, such as a path that cannot be. Wrong usage (2), Ctrl-C (130) and
    a reader that has gone away are Typer's to answer.
    """
    from mien.cli.app import app

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what libraries warn of is not for users
            warnings.simplefilter("always", MienWarning)
            app()
    except MienError as error:
        _fail(str(error))
    except OSError as error:
        where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        _fail(f"{where}{error.strerror or error}; check that the path is right and that you may use it")


def _fail(why: str) -> NoReturn:
    typer.echo(f"mien: {escape(why)}", err=True)
    sys.exit(1)
