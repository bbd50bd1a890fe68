"""`mien check`: what is wrong with a data set."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output
from mien.text import escape, pluralize

if TYPE_CHECKING:
    from mien.flows.check_result import CheckResult


def check(
    data: options.Data,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write an HTML page on which to review the findings.")
    ] = None,
    verdicts: Annotated[
        Path | None, typer.Option("--verdicts", help="Write a CSV of proposed verdicts, for 'mien clean'.")
    ] = None,
    expect: Annotated[str | None, typer.Option("--expect", help="mask: every face should wear one.")] = None,
    move: Annotated[
        bool,
        typer.Option("--move", help="With --expect: move the photos that it finds to incorrect/ and without_mask/."),
    ] = False,
    faces: options.Faces = "find",
    detector: options.Detector = "auto",
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
    """Find what is wrong with photos and labels: wrong people, copies, poor pictures. Changes nothing by itself."""
    import mien
    from mien.flows.check_result import require_movable

    out = Output(json, quiet)
    started = time.monotonic()
    _require_writable([path for path in (report, verdicts) if path is not None], [data, labels or data])
    if move:
        require_movable(data, expect)
    result = out.call(mien.check, locals())
    if report is not None:
        result.to_html(report)
    if verdicts is not None:
        result.write_verdicts(verdicts)
    moved = result.move_by_mask() if move else None
    for finding in result if json else ():
        out.record(finding.as_json())
    fields = {
        **result.as_json(),
        "report": None if report is None else str(report),
        "verdicts": None if verdicts is None else str(verdicts),
        "moved": None if moved is None else sum(moved.counts.values()),
        "journal": None if moved is None or moved.journal is None else str(moved.journal),
        "seconds": round(time.monotonic() - started, 3),
    }
    lines = [result.summary(), *_next_steps(result, data, report, verdicts)]
    if moved is not None:
        undo = f"; undo with: mien undo {shlex.quote(str(moved.journal))}" if moved.journal else ""
        lines.append(f"{pluralize(fields['moved'], 'photo')} moved by mask{undo}")
    out.record(fields, "\n".join(lines))
    if moved is not None and moved.failed:
        for key, reason in moved.failed:
            out.warn(f"left alone: {escape(key)}: {reason}")
        raise typer.Exit(1)


def _require_writable(written: Sequence[Path], read: Sequence[Path]) -> None:
    """Refuse at once what cannot be written, or would overwrite the data or another output."""
    from mien import fileio
    from mien.errors import DataError

    taken = {path.resolve() for path in read}
    for path in written:
        fileio.check_writable(path)
        if path.is_dir():
            raise DataError(f"{path} is a folder: give the name of a file to write")
        if path.resolve() in taken:
            raise DataError(f"{path} is the data itself, or another output: choose another name")
        taken.add(path.resolve())


def _next_steps(result: CheckResult, data: Path, report: Path | None, verdicts: Path | None) -> Iterator[str]:
    if not len(result):
        return
    if report is not None:
        yield f"review them in a browser: {report}"
    if verdicts is not None:
        yield f"edit the proposals in {verdicts}, then run: {result.next_command(str(verdicts))}"
    if report is None and verdicts is None:
        yield f"review them in a browser: mien check {shlex.quote(str(data))} --report check.html"
