"""`mien check`: what is wrong with a data set."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import options
from mien.cli.output import Output, seconds
from mien.errors import DataError
from mien.text import escape, pluralize

if TYPE_CHECKING:
    from mien.curate.findings import Finding
    from mien.flows.check import CheckResult
    from mien.flows.clean import CleanResult

_WORST = 3  # of each kind are named on a terminal


def check(
    data: options.Data,
    report: Annotated[Path | None, typer.Option("--report", help="Write a page on which to review findings.")] = None,
    verdicts: Annotated[
        Path | None, typer.Option("--verdicts", help="Write a CSV with the proposals filled in, for 'mien clean'.")
    ] = None,
    expect: Annotated[str | None, typer.Option("--expect", help="mask: every face should wear one.")] = None,
    move: Annotated[
        bool, typer.Option("--move", help="With --expect: file what it finds into incorrect/ and without_mask/.")
    ] = False,
    faces: options.Faces = "find",
    detector: options.Detector = "auto",
    labels: options.Labels = None,
    images: options.Images = None,
    target: options.Target = None,
    workers: options.Workers = None,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find what is wrong with photos and labels: wrong people, copies, poor pictures; changes nothing by itself."""
    from mien import fileio
    from mien.curate.verdicts import write_verdicts
    from mien.data import DataOptions, open_data
    from mien.flows.check import check as flow
    from mien.flows.check_report import check_report
    from mien.flows.clean import command
    from mien.flows.inspect import looking
    from mien.flows.unmasked import movable
    from mien.flows.unmasked import move as moving

    show = Output(json, quiet)
    started = time.monotonic()
    _writable([path for path in (report, verdicts) if path is not None], [data, labels or data])
    if move:
        movable(data, expect)
    way = looking(detector, faces)
    reading = DataOptions(images=images, target=target, labels=labels, loose=True)
    given = open_data(data, reading)
    show.notes(given.notes)
    drive = show.drive(workers, keep_going=keep_going, no_cache=no_cache)
    done = flow(given, way, drive, expect)
    if report is not None:
        then = command(data, reading, "verdicts.csv")
        fileio.write(report, check_report(done, given, data, way, drive, then).encode())
    if verdicts is not None:
        fileio.write(verdicts, write_verdicts(done.findings))
    filed = moving(done, data, drive) if move else None
    for finding in done.findings if json else ():
        show.record(finding.as_json())
    fields = {
        **done.as_json(),
        "detector": way.detector,
        "report": None if report is None else str(report),
        "verdicts": None if verdicts is None else str(verdicts),
        "moved": None if filed is None else sum(filed.counts.values()),
        "journal": None if filed is None or filed.path is None else str(filed.path),
        "seconds": seconds(time.monotonic() - started),
    }
    then = command(data, reading, str(verdicts))
    show.record(fields, "\n".join([*_text(done), *_next(done, data, report, verdicts, then), *_filed(filed)]))
    if filed is not None and filed.failed:
        for key, reason in filed.failed:
            show.warn(f"left alone: {escape(key)}: {reason}")
        raise typer.Exit(1)


def _writable(written: Sequence[Path], read: Sequence[Path]) -> None:
    """Refuse early what cannot be written, or would be written over what is read here, or over each other."""
    from mien import fileio

    seen = {path.resolve() for path in read}
    for path in written:
        fileio.check_writable(path)
        if path.is_dir():
            raise DataError(f"{path} is a folder: give the name of a file to be written")
        if path.resolve() in seen:
            raise DataError(f"{path} is what is read here, or written already: choose another name")
        seen.add(path.resolve())


def _text(done: CheckResult) -> Iterator[str]:
    """A few lines for a person: how many findings of each kind, what they mean, and the surest of them."""
    from mien.curate.findings import MEANINGS, Kind

    of = f" of {pluralize(len(done.counts), 'label')}" if done.counts else ""
    yield f"{pluralize(done.photos, 'photo')}{of}, {done.without} without a face to learn from"
    yield from done.advice
    counts = Counter(finding.kind for finding in done.findings)
    for kind in (kind for kind in Kind if counts[kind]):
        yield f"{counts[kind]:>6}  {kind}: {MEANINGS[kind].problem}; {MEANINGS[kind].advice}"
        some = [finding for finding in done.findings if finding.kind is kind]
        yield from (f"        {_line(finding)}" for finding in some[:_WORST])
        if len(some) > _WORST:
            yield f"        and {len(some) - _WORST} more"


def _next(done: CheckResult, data: Path, report: Path | None, verdicts: Path | None, then: str) -> Iterator[str]:
    if not done.findings:
        yield "nothing was found that needs a look"
        return
    if report is not None:
        yield f"review them in a browser: {report}"
    if verdicts is not None:
        yield f"edit what is proposed in {verdicts}, then type: {then}"
    if report is None and verdicts is None:
        yield f"review them in a browser: mien check {shlex.quote(str(data))} --report check.html"


def _filed(filed: CleanResult | None) -> Iterator[str]:
    if filed is not None:
        undo = f"; take it back with: mien undo {shlex.quote(str(filed.path))}" if filed.path else ""
        yield f"{pluralize(sum(filed.counts.values()), 'photo')} filed by mask{undo}"


def _line(finding: Finding) -> str:
    from mien.curate.findings import KEEP

    about = finding.path or finding.label or "all labels"
    proposed = "" if finding.proposed == KEEP else f" -> {escape(finding.proposed)}"
    return f"{escape(about)}: {escape(finding.detail)}{proposed}"
