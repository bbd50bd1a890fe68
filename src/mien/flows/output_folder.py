"""What verbs that write a folder share: its settings, what is done already, and carrying out a plan."""

from __future__ import annotations

import errno
import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mien import fileio
from mien.alignment.output_record import OutputRecord, RecordEntry
from mien.errors import DataError
from mien.pipeline.execute import RunOptions
from mien.store.fileops import Stamp, stamp
from mien.store.journal import Outcome, Transfer
from mien.store.transfer import execute
from mien.types import PhotoRef, Reason, Rejected

SUFFIXES = {"jpeg": ".jpg", "png": ".png"}

OF_ITS_NAME = frozenset(
    {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP}
)
"""Why a file may not be written where others may: its name, or a thing of another kind that stands in its way."""


def execute_plan(
    acts: Sequence[Transfer], path: Path, root: Path, run: RunOptions, *, beside: Sequence[Path] = ()
) -> Outcome:
    """Do acts one after the other, under `root` and in the folders `beside` it, with a journal at `path`.

    Raises:
        DataError: something cannot be written there; what was done until then stands in the journal.
    """
    bar = iter(run.progress.track(acts, len(acts), "files"))
    next(bar, None)

    def advance(_: Transfer) -> None:
        next(bar, None)

    try:
        return execute(acts, path, root=root, beside=beside, on_done=advance)
    finally:
        deque(bar, maxlen=0)  # acts that failed did not advance it: run it to its end, so that it goes away


def claim(mark: Path, ours: Mapping[str, Any], otherwise: str) -> None:
    """Mark a folder with the settings that its files are made with, so that a later run does not mix two kinds.

    Raises:
        DataError: it is marked with other settings (`otherwise` says so), or cannot be written.
    """
    text = json.dumps(ours, indent=1)
    if not mark.exists():
        fileio.write(mark, text.encode())
        return
    try:
        theirs = json.loads(mark.read_bytes())
    except ValueError:
        theirs = None
    if theirs != json.loads(text):
        raise DataError(f"{otherwise}: choose another folder, or empty this one")


def remove(paths: Iterable[Path]) -> None:
    """Take away what an earlier run made and this one did not."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"{path} could not be removed, which no photo gives any more: {error.strerror}") from error


def finish(
    record: OutputRecord, source: str, now: Stamp | None, places: Sequence[str], rejected: Sequence[Rejected]
) -> None:
    """Note a photo as done, with the places of what came of it.

    Nothing but a photo without a face is done with for good: what else was rejected may be mended by the user.
    """
    final = all(it.reason is Reason.NO_FACE for it in rejected)
    missed = (rejected[0].stage, rejected[0].detail) if rejected and final else None
    record.finish(source, now if final else None, places, missed)


def missed_before(ref: PhotoRef, entry: RecordEntry) -> list[Rejected]:
    """What an earlier run said of a photo without a face."""
    return [Rejected(ref.origin, entry.no_face[0], Reason.NO_FACE, entry.no_face[1])] if entry.no_face else []


def source_of(src: Path, root: Path, ref: PhotoRef) -> str:
    """What the record knows a photo by: where it lies, however the folder was named."""
    path = ref.path or Path(ref.key)
    return str(root / path.relative_to(src) if path.is_relative_to(src) else path.resolve())


def stamp_of(ref: PhotoRef) -> Stamp | None:
    """What a photo is at this moment; None where it has no file, or none that can be looked at."""
    try:
        return stamp(ref.path) if ref.path else None
    except (OSError, ValueError):
        return None
