"""Carries a plan out, with progress; knows acts and the journal, and not what they are for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from mien.pipeline.execute import RunOptions
from mien.store.journal import Outcome, Transfer
from mien.store.transfer import execute


def carry_out(
    acts: Sequence[Transfer], path: Path, root: Path, drive: RunOptions, *, beside: Sequence[Path] = ()
) -> Outcome:
    """Acts, done one after the other under `root` and in folders `beside` it, with a journal at `path`.

    Raises:
        DataError: it cannot be written there; what was done until then stands in the journal.
    """
    bar = iter(drive.track(acts, len(acts), "files"))
    next(bar, None)

    def advance(_: Transfer) -> None:
        next(bar, None)

    try:
        return execute(acts, path, root=root, beside=beside, on_done=advance)
    finally:
        deque(bar, maxlen=0)  # what failed did not advance it: run it to its end, so that it is taken down
